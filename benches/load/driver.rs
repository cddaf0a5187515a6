//! A load generator: connections that send views or read figures. Each sends its next request when the last one is answered
//! (closed loop), or on a schedule that does not depend on answers (open loop).
//!
//! In an open loop, a request's latency begins when it was due, not when it could be sent, so that a pause of the server
//! counts for all requests that were due during it. A timer is accurate to a millisecond, which is more than an answer
//! takes. So the end of each wait is a busy loop, and the generator's threads are always busy then.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{JoinSet, yield_now},
    time::{sleep_until, timeout_at},
};

use super::requests::{Load, Requests};

/// The time between the start of the load and that of measuring.
const WARM_UP: Duration = Duration::from_secs(1);
/// The longest wait for an answer after the end; a connection that waits longer has failed.
const FINISH_TIMEOUT: Duration = Duration::from_secs(30);
/// How late a timer can be.
const TIMER_LATENESS: Duration = Duration::from_millis(2);

/// The result of a run.
pub(crate) struct Measurement {
    /// Answers in the measured time, and all answers.
    pub(crate) answers: u64,
    pub(crate) all: u64,
    /// Microseconds.
    pub(crate) latency: Histogram<u64>,
    /// The measured time in seconds.
    pub(crate) elapsed: f64,
}

impl Measurement {
    fn new(elapsed: f64) -> Self {
        Self { answers: 0, all: 0, latency: Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds in order"), elapsed }
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.answers as f64 / self.elapsed
    }

    fn add(&mut self, part: &Self) {
        self.answers += part.answers;
        self.all += part.all;
        self.latency.add(&part.latency).expect("the same bounds");
    }
}

/// The generator's threads: half of the processors.
pub(crate) fn threads() -> usize {
    (thread::available_parallelism().map_or(2, std::num::NonZero::get) / 2).max(1)
}

/// Puts a server under load. `measuring` is called when measuring begins and when it ends.
pub(crate) fn run(address: SocketAddr, load: Load, mut measuring: impl FnMut()) -> Measurement {
    let threads = threads().min(load.connections);
    let begin = Instant::now() + WARM_UP;
    let end = begin + Duration::from_secs(load.seconds);
    let mut measurement = Measurement::new(load.seconds as f64);
    thread::scope(|scope| {
        let drivers: Vec<_> = (0..threads)
            .map(|thread| {
                let connections = (thread..load.connections).step_by(threads).collect::<Vec<_>>();
                scope.spawn(move || drive(address, load, &connections, begin, end))
            })
            .collect();
        for moment in [begin, end] {
            thread::sleep(moment.saturating_duration_since(Instant::now()));
            measuring();
        }
        drivers.into_iter().for_each(|driver| measurement.add(&driver.join().expect("no connection failed")));
    });
    measurement
}

/// Drives some of the connections from this thread.
fn drive(address: SocketAddr, load: Load, connections: &[usize], begin: Instant, end: Instant) -> Measurement {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut tasks: JoinSet<_> = connections.iter().map(|number| connection(address, load, *number, begin, end)).collect();
        let mut measurement = Measurement::new(load.seconds as f64);
        while let Some(part) = timeout_at((end + FINISH_TIMEOUT).into(), tasks.join_next()).await.expect("the server answers in time") {
            measurement.add(&part.expect("no connection failed"));
        }
        measurement
    })
}

async fn connection(address: SocketAddr, load: Load, number: usize, begin: Instant, end: Instant) -> Measurement {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.set_nodelay(true).expect("a TCP socket");
    let mut requests = Requests::new(load, number as u64);
    let mut measurement = Measurement::new(load.seconds as f64);
    let mut answer = Vec::with_capacity(4096);
    // Connections of an open loop take turns.
    let step = load.rate.map(|rate| Duration::from_secs_f64(load.connections as f64 / rate));
    let mut due = Instant::now() + step.unwrap_or_default().mul_f64(number as f64 / load.connections as f64);
    loop {
        let from = if let Some(step) = step {
            wait(due).await;
            let from = due;
            due += step;
            from
        } else {
            Instant::now()
        };
        if from >= end {
            return measurement;
        }
        stream.write_all(requests.next()).await.expect("the server reads");
        receive(&mut stream, &mut answer).await;
        measurement.all += 1;
        let now = Instant::now();
        // Answers are counted if they arrived in the measured time, latencies if the request was due in it: those of late
        // answers must not be missing.
        measurement.answers += u64::from(now >= begin && now < end);
        if from >= begin {
            measurement.latency.saturating_record(u64::try_from((now - from).as_micros()).unwrap_or(u64::MAX).max(1));
        }
    }
}

async fn wait(due: Instant) {
    if let Some(early) = due.checked_sub(TIMER_LATENESS)
        && Instant::now() < early
    {
        sleep_until(early.into()).await;
    }
    while Instant::now() < due {
        yield_now().await;
    }
}

/// Reads one whole answer, which must be a success.
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

/// The length of an answer, once its head has arrived.
fn length(answer: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(answer).expect("HTTP") else { return None };
    assert!(matches!(response.code, Some(200 | 204)), "{}", String::from_utf8_lossy(answer));
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body: usize = length.map_or(0, |header| String::from_utf8_lossy(header.value).parse().expect("a length"));
    Some(head + body)
}
