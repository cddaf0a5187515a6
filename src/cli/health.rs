//! `truycap health`: whether the running service takes views, as containers ask it.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use serde::Deserialize;

use super::{Sentence, say};

/// How long the service may take in all.
const PATIENCE: Duration = Duration::from_secs(3);

/// More than any answer of it has, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// What `/readyz` says.
#[derive(Deserialize)]
struct Ready {
    journal: String,
    store: String,
}

/// Asks the admin listener that is configured.
pub(super) fn health(listener: SocketAddr, json: bool) -> Result<(), Sentence> {
    if listener.port() == 0 {
        return Err("listen.admin has port 0, so nobody knows where the service listens".into());
    }
    let address = reachable(listener);
    let answer = ask(address).map_err(|error| format!("{address} did not answer: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("{address} did not answer in HTTP"))?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    let ready: Ready = serde_json::from_str(body).map_err(|_| format!("{address} is not a truycap: it answered with {status:.3}"))?;
    let parts = format!("journal {}, store {}", ready.journal, ready.store);
    if json {
        say(&format!("{body}\n"))?;
    } else if status == "200" {
        say(&format!("ready: {parts}\n"))?;
    }
    if status == "200" { Ok(()) } else { Err(format!("not ready: {parts}")) }
}

/// A listener on every interface is reached on this machine.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// The whole answer.
fn ask(address: SocketAddr) -> io::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    let left = || match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut),
        left => Ok(left),
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    while answer.len() < MAX_ANSWER {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&part[..read]),
            // What a time limit of a socket is called differs.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error),
        }
    }
    String::from_utf8(answer).map_err(io::Error::other)
}
