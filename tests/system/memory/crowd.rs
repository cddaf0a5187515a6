//! Very many requests over many connections, pipelined on each.

use std::{
    fmt,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use super::process::Service;

const CONNECTIONS: u64 = 64;

/// The number of pipelined requests on a connection.
const AT_ONCE: u64 = 50;

/// The result of sending them.
pub(crate) struct Crowd {
    /// How many were answered with 200 in the end.
    pub(crate) accepted: u64,
    /// How often a request was answered with 503 and sent again.
    pub(crate) refused: u64,
    took: Duration,
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self.accepted as f64 / self.took.as_secs_f64();
        write!(f, "{} accepted in {:.1?}, {each:.0} a second; {} refused at first", self.accepted, self.took, self.refused)
    }
}

impl Crowd {
    /// Sends `count` requests, each made from its number. A request that is refused with 503 is sent again until it is accepted.
    pub(crate) fn send(service: &Service, count: u64, request: impl Fn(u64) -> String + Sync) -> Self {
        let (next, refused, begun) = (AtomicU64::new(0), AtomicU64::new(0), Instant::now());
        let run = || {
            let mut stream = BufReader::new(TcpStream::connect(&service.public).unwrap());
            stream.get_ref().set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let mut waiting: Vec<u64> = Vec::new();
            loop {
                let room = AT_ONCE - waiting.len() as u64;
                let first = next.fetch_add(room, Relaxed);
                waiting.extend(first.min(count)..(first + room).min(count));
                if waiting.is_empty() {
                    return;
                }
                let requests: String = waiting.iter().map(|number| request(*number)).collect();
                stream.get_mut().write_all(requests.as_bytes()).unwrap();
                waiting.retain(|_| match answer(&mut stream) {
                    200 => false,
                    503 => true,
                    status => panic!("answered {status}"),
                });
                if !waiting.is_empty() {
                    refused.fetch_add(waiting.len() as u64, Relaxed);
                    thread::sleep(Duration::from_millis(100));
                }
            }
        };
        thread::scope(|scope| (0..CONNECTIONS.min(count)).for_each(|_| drop(scope.spawn(run))));
        Self { accepted: count, refused: refused.into_inner(), took: begun.elapsed() }
    }
}

/// Reads a whole answer and returns its status.
fn answer(stream: &mut BufReader<TcpStream>) -> u16 {
    let (mut line, mut status, mut length) = (String::new(), 0, 0);
    loop {
        line.clear();
        assert_ne!(stream.read_line(&mut line).unwrap(), 0, "the connection was closed");
        match line.trim_end() {
            "" => break,
            text if status == 0 => status = text.split(' ').nth(1).unwrap().parse().unwrap(),
            text => length = text.strip_prefix("content-length: ").map_or(length, |length| length.parse().unwrap()),
        }
    }
    std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink()).unwrap();
    status
}
