//! Bytes on a connection to the public listener.

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
    report::Reports,
    store::memory::MemoryStore,
    titles::Titles,
};
use truycap_test_support::memory_journal::MemoryJournal;

use crate::{clock::now, panics};

/// The statuses with which a healthy service answers.
const STATUSES: [u16; 11] = [200, 204, 304, 400, 403, 404, 405, 408, 413, 415, 431];
/// The statuses with which hyper itself answers, without a body, before it closes the connection.
const UNREADABLE: [u16; 3] = [400, 414, 431];

const VIEW: &str = "POST /v1/sites/portal/views HTTP/1.1\r\nHost: t\r\nUser-Agent: Mozilla/5.0 Firefox/145.0\r\nContent-Length: 0\r\n\r\n";

/// The service on connections within this thread.
struct Service {
    runtime: Runtime,
    public: Arc<Public>,
    _recorder: Recorder,
}

/// The requests and answers of a connection.
struct Exchange {
    wire: Vec<u8>,
    /// The method of each request that was parsed, in order.
    methods: Vec<Method>,
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
        let site = Site {
            id: id.clone(),
            aliases: Vec::new(),
            origins,
            timezone: chrono_tz::Asia::Ho_Chi_Minh,
            sections: vec![],
            rules: Rules::default(),
        };
        let config = recorder::Config {
            flush_interval: Duration::from_millis(10),
            retain: Duration::from_secs(60),
            apply_sums: recorder::APPLY_SUMS,
        };
        let store = Arc::new(MemoryStore::new(Retention::default(), now));
        let spawned = recorder::spawn(config, vec![site], Arc::new(MemoryJournal::new(ProducerId(1), 0, 1000)), store, now);
        let (handle, recorder) = runtime.block_on(spawned).unwrap();
        let audience = Audience::new(ClientRules::default(), &BotRules::default(), false, std::time::Instant::now).unwrap();
        let titles = Titles::new(&[], handle.metrics().titles.clone());
        let reports = Arc::new(Reports::new(handle.clone(), Retention::default()));
        let public = Public::new(handle, Some(&id), &Limits::default(), Arc::new(audience), reports, titles);
        Self { runtime, public, _recorder: recorder }
    }

    /// Counts a view, which must always work. Returns how many there are then.
    fn view(&self) -> u64 {
        let answers = answers(&self.exchange(VIEW.as_bytes()));
        let [answer] = &answers[..] else { panic!("{answers:?}") };
        let figures = json(answer);
        assert!(answer.status == 200 && figures["counted"] == true, "{figures}");
        figures["site"]["total"].as_u64().unwrap()
    }

    /// Sends bytes, closes for writing, and reads to the end. hyper is configured as in `http/serve.rs`, but also handles
    /// requests after the client has closed for writing, so that all of them are answered.
    fn exchange(&self, bytes: &[u8]) -> Exchange {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let methods = RefCell::new(Vec::new());
        let service = service_fn(|request: Request<Incoming>| {
            methods.borrow_mut().push(request.method().clone());
            async { Ok::<_, Infallible>(self.public.respond(Ipv4Addr::LOCALHOST.into(), request).await) }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10)).max_buf_size(64 * 1024).half_close(true);
        let wire = panics::block_on(&self.runtime, async {
            let exchanging = async {
                let (mut reading, mut writing) = tokio::io::split(&mut client);
                let mut wire = Vec::new();
                let send = async {
                    // The server can have closed the connection.
                    let _ = writing.write_all(bytes).await;
                    let _ = writing.shutdown().await;
                };
                let (_, read) = tokio::join!(send, reading.read_to_end(&mut wire));
                read.unwrap();
                wire
            };
            tokio::join!(exchanging, http.serve_connection(TokioIo::new(server), service)).0
        });
        Exchange { wire, methods: methods.into_inner() }
    }
}

/// The next answer on the wire, to a request with this method, and the bytes after it.
fn read<'a>(wire: &'a [u8], method: Option<&Method>) -> (Answer, &'a [u8]) {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let length = head.parse(wire).unwrap().unwrap();
    let rest = &wire[length..];
    let status = head.code.unwrap();
    if status == 100 {
        return read(rest, method);
    }
    let header = |name: &str| head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value);
    let length = header("content-length").map_or(0, |text| str::from_utf8(text).unwrap().parse().unwrap());
    let length = if method == Some(&Method::HEAD) || matches!(status, 204 | 304) { 0 } else { length };
    assert!(header("transfer-encoding").is_none() && header("date").is_some());
    let (body, rest) = rest.split_at(length);
    (Answer { status, is_gif: header("content-type") == Some(b"image/gif"), body: body.into() }, rest)
}

fn answers(exchange: &Exchange) -> Vec<Answer> {
    let (mut wire, mut answers) = (&exchange.wire[..], Vec::new());
    for method in &exchange.methods {
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
fn every_status_is_documented_and_the_counted_views_are_those_in_the_answers() {
    let service = AssertUnwindSafe(Service::start());
    check!(name = "request").with_iterations(300).with_max_len(8192).for_each(|bytes: &[u8]| {
        let before = service.view();
        let answers = answers(&service.exchange(bytes));
        let counted = answers.iter().filter(|answer| json(answer)["counted"] == true).count() as u64;
        let gifs = answers.iter().filter(|answer| answer.is_gif).count() as u64;
        let grown = service.view() - before - 1;
        // A GIF does not say whether its view was counted.
        assert!(
            (counted..=counted + gifs).contains(&grown),
            "{counted} views and up to {gifs} by GIF are reported, but {grown} were counted"
        );
    });
}
