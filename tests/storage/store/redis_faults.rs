//! A server that is away, stops, refuses or comes back.

use std::time::{Duration, Instant};

use truycap::{
    domain::producer::Seq,
    store::{Applied, Store, StoreError, redis::RedisStore},
};

use super::{MINE, count, deltas, offset, redis_store::Server, redis_store::open, site};

/// Asks until it is answered.
async fn answered(store: &RedisStore) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(error) = store.ping().await {
        assert!(matches!(error, StoreError::NotApplied(_)), "{error}");
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn apply(store: &RedisStore, from: Seq) -> Result<Applied, StoreError> {
    store.apply(&site("portal"), MINE, from, from + 1, deltas(&[("total", "", 1), ("total", "/a", 1)])).await
}

fn is_not_applied(answer: &Result<Applied, StoreError>, reason: &str) {
    assert!(matches!(answer, Err(StoreError::NotApplied(why)) if why.contains(reason)), "{answer:?}");
}

#[tokio::test]
async fn redis_may_be_away_at_the_start() {
    let mut server = Server::new(0, &[]);
    let store = server.store("p");
    is_not_applied(&apply(&store, 0).await, "cannot connect to redis+unix://");
    // Nobody is kept waiting, and Redis not bothered, until it is time for another try.
    is_not_applied(&apply(&store, 0).await, "waiting before the next attempt: cannot connect");
    server.run();
    answered(&store).await;
    assert_eq!(apply(&store, 0).await, Ok(Applied::Done(0)));
}

#[tokio::test]
async fn a_server_that_was_killed_and_started_again_is_found_again() {
    let mut server = Server::start_on_port(&[]);
    let store = open(&server.tcp_url(), "p");
    assert_eq!(apply(&store, 0).await, Ok(Applied::Done(0)));
    server.kill();
    let deadline = Instant::now() + Duration::from_secs(20);
    // The first to notice cannot know whether it was sent; then connecting fails.
    while !matches!(apply(&store, 1).await, Err(StoreError::NotApplied(why)) if why.contains("cannot connect")) {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.run();
    answered(&store).await;
    assert_eq!(apply(&store, 1).await, Ok(Applied::Refused(0)), "it lost everything, and says so");
    assert_eq!(apply(&store, 0).await, Ok(Applied::Done(0)));
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let server = Server::start_on_port(&["--requirepass", "hunter3"]);
    let port = server.tcp_url().replace("redis://", "");
    for (login, reason) in [(":hunter2@", "does not accept"), ("joe:hunter2@", "does not accept"), ("", "requires a password")] {
        let store = open(&format!("redis://{login}{port}"), "p");
        let answer = apply(&store, 0).await;
        is_not_applied(&answer, reason);
        let again = apply(&store, 0).await;
        assert!(!format!("{answer:?} {again:?}").contains("hunter"), "{answer:?} {again:?}");
    }
    assert_eq!(apply(&open(&format!("redis://:hunter3@{port}"), "p"), 0).await, Ok(Applied::Done(0)));
}

#[tokio::test]
async fn a_server_that_falls_silent_may_have_applied_and_its_offset_tells() {
    let server = Server::start(&[]);
    let (store, portal) = (server.store("p"), site("portal"));
    assert_eq!(apply(&store, 0).await, Ok(Applied::Done(0)));
    server.signal("STOP");
    let start = Instant::now();
    let answer = apply(&store, 1).await;
    assert!(matches!(answer, Err(StoreError::PerhapsApplied(_))), "{answer:?}");
    assert!((1..4).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    // A question changes nothing, so it is never in doubt.
    assert!(matches!(store.ping().await, Err(StoreError::NotApplied(_))));
    server.signal("CONT");
    answered(&store).await;
    let at = offset(&store, &portal, MINE).await;
    match apply(&store, at).await {
        Ok(Applied::Done(0)) => {}
        // What was under way came after the question.
        answer => assert_eq!(answer, Ok(Applied::Refused(at + 1))),
    }
    let at = offset(&store, &portal, MINE).await;
    assert_eq!(apply(&store, 0).await, Ok(Applied::Refused(at)));
    assert_eq!((count(&store, &portal, "total", "").await, count(&store, &portal, "total", "/a").await), (at, at));
}
