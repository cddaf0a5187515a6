//! A load generator: connections that send views or read figures, each its next request when the last one is answered
//! (closed loop), or by a timetable that knows nothing of answers (open loop).
//!
//! In an open loop a request's time begins when it was due, not when it could be sent, so that a pause of the server is
//! paid for by all that should have been sent meanwhile.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Zipf};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep_until, timeout},
};

/// How long nothing is measured after the load has begun.
const WARM_UP: Duration = Duration::from_secs(1);
/// A connection that waits longer for an answer has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// The digits of an article's number in a request, the same for all so that a body's length is.
const DIGITS: usize = 7;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Views,
    Figures,
}

/// What a server is put under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) kind: Kind,
    pub(crate) connections: usize,
    pub(crate) sites: usize,
    pub(crate) articles: usize,
    /// Whether few articles have most of the views; else all have as many.
    pub(crate) zipf: bool,
    pub(crate) seconds: u64,
    /// Requests per second of an open loop; a closed loop where there is none.
    pub(crate) rate: Option<f64>,
}

impl Load {
    pub(crate) fn new(kind: Kind, connections: usize, seconds: u64) -> Self {
        Self { kind, connections, sites: 1, articles: 1000, zipf: false, seconds, rate: None }
    }
}

/// What came of it.
pub(crate) struct Outcome {
    /// Answers in the measured time, and all there were.
    pub(crate) answers: u64,
    pub(crate) all: u64,
    /// Microseconds.
    pub(crate) latency: Histogram<u64>,
    /// How long was measured, in seconds.
    pub(crate) elapsed: f64,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        self.answers as f64 / self.elapsed
    }
}

/// The name of a site of the load.
pub(crate) fn site(number: usize) -> String {
    format!("site-{number:04}")
}

/// Draws sites and articles, and writes requests about them.
struct Requests {
    load: Load,
    zipf: Zipf<f64>,
    rng: StdRng,
    buffer: Vec<u8>,
}

impl Requests {
    fn new(load: Load, seed: u64) -> Self {
        let zipf = Zipf::new(load.articles as f64, 1.0).expect("there are articles");
        Self { load, zipf, rng: StdRng::seed_from_u64(seed), buffer: Vec::with_capacity(512) }
    }

    fn next(&mut self) -> &[u8] {
        let Load { sites, articles, .. } = self.load;
        let site = site(if sites == 1 { 0 } else { self.rng.random_range(0..sites) });
        let number = if self.load.zipf { self.zipf.sample(&mut self.rng) as usize - 1 } else { self.rng.random_range(0..articles) };
        let article = format!("/tin/{number:0DIGITS$}");
        self.buffer.clear();
        let head =
            "Host: 127.0.0.1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: */*\r\n";
        let request = match self.load.kind {
            Kind::Views => {
                let body = format!(r#"{{"article":"{article}"}}"#);
                let length = body.len();
                format!("POST /v1/sites/{site}/views HTTP/1.1\r\n{head}Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}")
            }
            Kind::Figures => format!("GET /v1/sites/{site}/figures?article={article} HTTP/1.1\r\n{head}\r\n"),
        };
        self.buffer.extend_from_slice(request.as_bytes());
        &self.buffer
    }
}

/// Loads a server, from as many threads as half of the machine has.
///
/// `measuring` is called when measuring begins and when it ends.
pub(crate) fn run(address: SocketAddr, load: Load, measuring: impl Fn() + Sync) -> Outcome {
    let threads = (thread::available_parallelism().map_or(2, std::num::NonZero::get) / 2).clamp(1, load.connections);
    let begin = Instant::now() + WARM_UP;
    let end = begin + Duration::from_secs(load.seconds);
    let parts = thread::scope(|scope| {
        let drivers: Vec<_> = (0..threads)
            .map(|thread| {
                let connections = (thread..load.connections).step_by(threads).collect::<Vec<_>>();
                scope.spawn(move || drive(address, load, &connections, begin, end))
            })
            .collect();
        thread::sleep(begin.saturating_duration_since(Instant::now()));
        measuring();
        thread::sleep(end.saturating_duration_since(Instant::now()));
        measuring();
        drivers.into_iter().map(|driver| driver.join().expect("no connection failed")).collect::<Vec<_>>()
    });
    let mut outcome = Outcome { answers: 0, all: 0, latency: histogram(), elapsed: load.seconds as f64 };
    for (all, latency) in parts {
        outcome.all += all;
        outcome.answers += latency.len();
        outcome.latency.add(latency).expect("the same bounds");
    }
    outcome
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds in order")
}

/// Drives some of the connections from this thread.
fn drive(address: SocketAddr, load: Load, connections: &[usize], begin: Instant, end: Instant) -> (u64, Histogram<u64>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let tasks: Vec<_> = connections.iter().map(|number| tokio::spawn(connection(address, load, *number, begin, end))).collect();
        let (mut all, mut latency) = (0, histogram());
        for task in tasks {
            let (answers, part) = task.await.expect("no connection failed");
            all += answers;
            latency.add(part).expect("the same bounds");
        }
        (all, latency)
    })
}

async fn connection(address: SocketAddr, load: Load, number: usize, begin: Instant, end: Instant) -> (u64, Histogram<u64>) {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.set_nodelay(true).expect("a TCP socket");
    let mut requests = Requests::new(load, number as u64);
    let mut latency = histogram();
    let mut answer = Vec::with_capacity(4096);
    let mut all = 0;
    // Connections of an open loop take turns.
    let step = load.rate.map(|rate| Duration::from_secs_f64(load.connections as f64 / rate));
    let mut due = Instant::now() + step.unwrap_or_default().mul_f64(number as f64 / load.connections as f64);
    loop {
        let from = if step.is_some() {
            sleep_until(due.into()).await;
            due
        } else {
            Instant::now()
        };
        if from >= end {
            return (all, latency);
        }
        stream.write_all(requests.next()).await.expect("the server reads");
        timeout(PATIENCE, receive(&mut stream, &mut answer)).await.expect("the server answers in time");
        all += 1;
        let now = Instant::now();
        if from >= begin && now <= end {
            latency.saturating_record(u64::try_from((now - from).as_micros()).unwrap_or(u64::MAX).max(1));
        }
        due += step.unwrap_or_default();
    }
}

/// Reads one whole answer, which must be a good one.
async fn receive(stream: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    let mut whole = None;
    while whole.is_none_or(|whole| answer.len() < whole) {
        assert!(stream.read_buf(answer).await.expect("the server answers") > 0, "the server closed the connection");
        if whole.is_none() {
            whole = length(answer);
        }
    }
}

/// How long an answer is, once its head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(answer).expect("HTTP") else { return None };
    assert!(matches!(response.code, Some(200 | 204)), "{}", String::from_utf8_lossy(answer));
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body: usize = length.map_or(0, |header| String::from_utf8_lossy(header.value).parse().expect("a length"));
    Some(head + body)
}
