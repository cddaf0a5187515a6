//! What is sent on a connection to the public listener.

use std::{cell::RefCell, convert::Infallible, net::Ipv4Addr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bolero::check;
use hyper::{Method, Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Runtime,
};
use truycap::{
    audience::{Audience, BotRules, ClientRules},
    domain::{
        producer::ProducerId,
        retention::Retention,
        site::{Origin, Rules, Site, SiteId},
    },
    http::{Limits, Public, Responder},
    recorder::{self, Recorder},
    store::memory::MemoryStore,
};
use truycap_test_support::memory_journal::MemoryJournal;

use crate::{clock::now, panics};

/// What a request may be answered with while nothing is wrong with the service.
const STATUSES: [u16; 11] = [200, 204, 304, 400, 403, 404, 405, 408, 413, 415, 431];
/// What hyper answers for itself, without a body, and closes.
const UNREADABLE: [u16; 3] = [400, 414, 431];

const VIEW: &str = "POST /v1/sites/portal/views HTTP/1.1\r\nHost: t\r\nUser-Agent: Mozilla/5.0 Firefox/145.0\r\nContent-Length: 0\r\n\r\n";

/// The service over connections within this thread.
struct Service {
    runtime: Runtime,
    public: Arc<Public>,
    _recorder: Recorder,
}

/// What a connection led to.
struct Talk {
    wire: Vec<u8>,
    /// The method of each request that was understood, in their order.
    asked: Vec<Method>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    is_gif: bool,
    body: Vec<u8>,
}

impl Service {
    fn start() -> Self {
        let runtime = panics::runtime();
        let id = SiteId::parse("portal").unwrap();
        let origins = vec![Origin::parse("https://portal.example.vn").unwrap()];
        let site = Site { id: id.clone(), origins, timezone: chrono_tz::Asia::Ho_Chi_Minh, rules: Rules::default() };
        let config = recorder::Config {
            flush_interval: Duration::from_millis(10),
            retain: Duration::from_secs(60),
            apply_sums: recorder::APPLY_SUMS,
        };
        let store = Arc::new(MemoryStore::new(Retention::default(), now));
        let spawned = recorder::spawn(config, vec![site], Arc::new(MemoryJournal::new(ProducerId(1), 0, 1000)), store, now);
        let (handle, recorder) = runtime.block_on(spawned).unwrap();
        let audience = Audience::new(ClientRules::default(), &BotRules::default(), false, std::time::Instant::now).unwrap();
        let public = Public::new(handle, Some(&id), &Limits::default(), Arc::new(audience));
        Self { runtime, public, _recorder: recorder }
    }

    /// Counts a view, as anybody can at any time. How many there are then.
    fn view(&self) -> u64 {
        let answers = answers(&self.talk(VIEW.as_bytes()));
        let [answer] = &answers[..] else { panic!("{answers:?}") };
        let figures = json(answer);
        assert!(answer.status == 200 && figures["counted"] == true, "{figures}");
        figures["site"]["total"].as_u64().unwrap()
    }

    /// Sends bytes, closes for writing, and reads to the end. hyper is set up as in `http/serve.rs`, but goes on with what
    /// it was sent where nothing more comes, so that all of it is answered.
    fn talk(&self, bytes: &[u8]) -> Talk {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let asked = RefCell::new(Vec::new());
        let service = service_fn(|request: Request<Incoming>| {
            asked.borrow_mut().push(request.method().clone());
            async { Ok::<_, Infallible>(self.public.respond(Ipv4Addr::LOCALHOST.into(), request).await) }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10)).max_buf_size(64 * 1024).half_close(true);
        let wire = panics::block_on(&self.runtime, async {
            let talking = async {
                let (mut reading, mut writing) = tokio::io::split(&mut client);
                let mut wire = Vec::new();
                let send = async {
                    // The other side may have had enough.
                    let _ = writing.write_all(bytes).await;
                    let _ = writing.shutdown().await;
                };
                let (_, read) = tokio::join!(send, reading.read_to_end(&mut wire));
                read.unwrap();
                wire
            };
            tokio::join!(talking, http.serve_connection(TokioIo::new(server), service)).0
        });
        Talk { wire, asked: asked.into_inner() }
    }
}

/// The next answer on the wire, to a request with this method, and what comes after it.
fn read<'a>(wire: &'a [u8], asked: Option<&Method>) -> (Answer, &'a [u8]) {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let length = head.parse(wire).unwrap().unwrap();
    let rest = &wire[length..];
    let status = head.code.unwrap();
    if status == 100 {
        return read(rest, asked);
    }
    let header = |name: &str| head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value);
    let length = header("content-length").map_or(0, |text| str::from_utf8(text).unwrap().parse().unwrap());
    let length = if asked == Some(&Method::HEAD) || matches!(status, 204 | 304) { 0 } else { length };
    assert!(header("transfer-encoding").is_none() && header("date").is_some());
    let (body, rest) = rest.split_at(length);
    (Answer { status, is_gif: header("content-type") == Some(b"image/gif"), body: body.into() }, rest)
}

fn answers(talk: &Talk) -> Vec<Answer> {
    let (mut wire, mut answers) = (&talk.wire[..], Vec::new());
    for method in &talk.asked {
        let (answer, rest) = read(wire, Some(method));
        assert!(STATUSES.contains(&answer.status), "{answer:?}");
        answers.push(answer);
        wire = rest;
    }
    if !wire.is_empty() {
        let (last, rest) = read(wire, None);
        assert!(UNREADABLE.contains(&last.status) && last.body.is_empty() && rest.is_empty(), "{last:?}");
    }
    answers
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

#[test]
fn every_answer_is_one_of_the_documented_and_the_views_are_those_it_tells_of() {
    let service = AssertUnwindSafe(Service::start());
    check!(name = "request").with_iterations(300).with_max_len(8192).for_each(|bytes: &[u8]| {
        let before = service.view();
        let answers = answers(&service.talk(bytes));
        let counted = answers.iter().filter(|answer| json(answer)["counted"] == true).count() as u64;
        let pictures = answers.iter().filter(|answer| answer.is_gif).count() as u64;
        let grown = service.view() - before - 1;
        // A picture tells nothing.
        assert!((counted..=counted + pictures).contains(&grown), "{counted} or with pictures {pictures} more are told of, not {grown}");
    });
}
