//! Requests and replies that are cut at every byte.

use std::sync::OnceLock;

use tokio::task::{JoinSet, LocalSet};
use truycap::store::{Store, StoreError};

use super::{
    RedisStore, Step, answered, apply, figures, is_in_doubt,
    proxy::{Fault, Proxy, Way},
    redis_server::Server,
    redis_store::{new_prefix, open},
    steps,
};

/// A store behind a proxy, and one with a direct connection to the same counters.
struct Line {
    proxy: Proxy,
    store: RedisStore,
    straight: RedisStore,
}

impl Line {
    /// The first step is applied here, so that later traffic consists only of the test's own calls.
    async fn to(server: &Server) -> Self {
        // Prefixes of equal length, so that all requests have equal lengths.
        let (proxy, prefix) = (Proxy::to(server).await, format!("{:0>12}", new_prefix()));
        let (store, straight) = (open(&proxy.url(), &prefix), server.store(&prefix));
        assert_eq!(apply(&store, 0).await, Ok(Step::Done));
        Self { proxy, store, straight }
    }

    /// How many bytes a call sends in this direction.
    async fn length<T>(&self, way: Way, call: impl AsyncFnOnce(&RedisStore) -> Result<T, StoreError>) -> usize {
        let before = self.proxy.passed(way);
        call(&self.store).await.unwrap();
        self.proxy.passed(way) - before
    }

    /// Checks that the same store can retry the second step, whether it was applied or not, and apply a third.
    async fn retries(&self) {
        let done = steps(&self.straight).await;
        answered("the store connects again", async || self.store.ping().await).await;
        let expected = if done == 1 { Step::Done } else { Step::Refused(2) };
        assert_eq!(apply(&self.store, 1).await, Ok(expected));
        assert_eq!(steps(&self.straight).await, 2);
        assert_eq!(apply(&self.store, 2).await, Ok(Step::Done));
        assert_eq!(steps(&self.straight).await, 3);
    }
}

/// The server that these tests share. It knows the scripts.
async fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(|| Server::start_on_port(&[]));
    apply(&server.store(&new_prefix()), 0).await.unwrap();
    server
}

/// Runs a test at all positions, up to 64 at once.
async fn each<F: Future<Output = ()> + 'static>(positions: impl IntoIterator<Item = usize>, test: impl Fn(usize) -> F) {
    let mut running = JoinSet::new();
    let all = async {
        for position in positions {
            if running.len() >= 64 {
                running.join_next().await.unwrap().unwrap();
            }
            running.spawn_local(test(position));
        }
        while let Some(done) = running.join_next().await {
            done.unwrap();
        }
    };
    LocalSet::new().run_until(all).await;
}

async fn cut_answer(server: &Server, length: usize, cut: usize, fault: Fault) {
    let line = Line::to(server).await;
    line.proxy.cut(Way::FromRedis, cut, fault);
    let answer = apply(&line.store, 1).await;
    if cut < length {
        assert!(is_in_doubt(&answer), "{cut}: {answer:?}");
    } else {
        assert_eq!(answer, Ok(Step::Done), "{cut}");
    }
    assert_eq!(steps(&line.straight).await, 2, "{cut}");
    line.retries().await;
}

#[tokio::test]
async fn an_apply_whose_reply_is_truncated_is_in_doubt_and_counted_once() {
    let server = server().await;
    let length = Line::to(server).await.length(Way::FromRedis, async |store| apply(store, 1).await).await;
    assert_eq!(length, "*5\r\n:1\r\n$18\r\n1:0123456789abcdef\r\n$18\r\n2:0123456789abcdef\r\n:0\r\n:0\r\n".len());
    each(0..=length, move |cut| cut_answer(server, length, cut, Fault::Lost)).await;
    each(0..=length, move |cut| cut_answer(server, length, cut, Fault::Stalled)).await;
}

async fn cut_figures(server: &Server, length: usize, cut: usize, fault: Fault) {
    let line = Line::to(server).await;
    let whole = figures(&line.straight).await.unwrap();
    line.proxy.cut(Way::FromRedis, cut, fault);
    match figures(&line.store).await {
        Err(error) => assert!(cut < length && matches!(error, StoreError::NotApplied(_)), "{cut}: {error}"),
        answer => assert_eq!((answer, cut), (Ok(whole.clone()), length)),
    }
    let again = answered("the figures are read again", async || figures(&line.store).await).await;
    assert_eq!(again, whole, "{cut}");
}

#[tokio::test]
async fn truncated_figures_are_never_returned() {
    let server = server().await;
    let length = Line::to(server).await.length(Way::FromRedis, figures).await;
    each(0..=length, move |cut| cut_figures(server, length, cut, Fault::Lost)).await;
    each([0, 1, length / 2, length - 1], move |cut| cut_figures(server, length, cut, Fault::Stalled)).await;
}

async fn cut_apply(server: &Server, length: usize, cut: usize, fault: Fault) {
    let line = Line::to(server).await;
    line.proxy.cut(Way::ToRedis, cut, fault);
    let answer = apply(&line.store, 1).await;
    if cut < length {
        assert!(is_in_doubt(&answer), "{cut}: {answer:?}");
    } else {
        assert_eq!(answer, Ok(Step::Done), "{cut}");
    }
    assert_eq!(steps(&line.straight).await, 1 + u64::from(cut == length), "{cut}");
    line.retries().await;
}

#[tokio::test]
async fn a_truncated_apply_is_in_doubt_and_counted_once() {
    let server = server().await;
    let length = Line::to(server).await.length(Way::ToRedis, async |store| apply(store, 1).await).await;
    each(0..=length, move |cut| cut_apply(server, length, cut, Fault::Lost)).await;
    each([0, 1, length / 2, length - 1], move |cut| cut_apply(server, length, cut, Fault::Stalled)).await;
}

/// Redis has forgotten the scripts, so an apply is two requests and two replies.
#[tokio::test]
async fn an_apply_truncated_while_the_script_is_sent_is_counted_once() {
    let server = Server::start_on_port(&[]);
    let mut raw = server.raw();
    let mut cli = |words: &[&str]| redis::cmd(words[0]).arg(&words[1..]).exec(&mut raw).unwrap();
    for way in [Way::FromRedis, Way::ToRedis] {
        let line = Line::to(&server).await;
        cli(&["SCRIPT", "FLUSH"]);
        let length = line.length(way, async |store| apply(store, 1).await).await;
        let mut outcomes = [0; 2];
        for cut in 0..=length {
            let line = Line::to(&server).await;
            cli(&["SCRIPT", "FLUSH"]);
            line.proxy.cut(way, cut, Fault::Lost);
            let answer = apply(&line.store, 1).await;
            let done = steps(&line.straight).await;
            match &answer {
                Ok(Step::Done) => assert_eq!(done, 2, "{way:?} {cut}"),
                _ => assert!(is_in_doubt(&answer), "{way:?} {cut}: {answer:?}"),
            }
            outcomes[usize::try_from(done).unwrap() - 1] += 1;
            let expected = if done == 1 { Step::Done } else { Step::Refused(2) };
            assert_eq!(apply(&line.straight, 1).await, Ok(expected), "{way:?} {cut}");
            assert_eq!(steps(&line.straight).await, 2, "{way:?} {cut}");
            // An export is faster with fewer keys.
            cli(&["FLUSHALL"]);
        }
        assert!(outcomes.iter().all(|count| *count > 0), "{way:?}: {outcomes:?}");
    }
}
