//! `truycap health`: asks whether the running service takes views, for the health checks of containers.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use serde::Deserialize;

use super::output::{Message, print};

/// The time limit for the whole request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// The maximum number of bytes that are read; any answer is shorter: that about the journal names up to 10 000 sites.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// The answer of `/readyz`.
#[derive(Deserialize)]
struct Ready {
    journal: String,
    store: String,
}

/// The status and the body of a page of the configured admin listener.
pub(super) fn get(listener: SocketAddr, path: &str) -> Result<(u16, String), Message> {
    if listener.port() == 0 {
        return Err("listen.admin has port 0, so the service's port is unknown".into());
    }
    let address = reachable(listener);
    let answer = ask(address, path).map_err(|error| format!("{address} did not answer: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("{address} did not answer in HTTP"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Ok((status, body.into()))
}

/// Asks the configured admin listener.
pub(super) fn health(listener: SocketAddr, json: bool) -> Result<(), Message> {
    let (status, body) = get(listener, "/readyz")?;
    let ready: Ready =
        serde_json::from_str(&body).map_err(|_| format!("{} is not truycap: it answered with status {status}", reachable(listener)))?;
    let parts = format!("journal {}, store {}", ready.journal, ready.store);
    if json {
        print(&format!("{body}\n"))?;
    } else if status == 200 {
        print(&format!("ready: {parts}\n"))?;
    }
    if status == 200 { Ok(()) } else { Err(format!("not ready: {parts}")) }
}

/// The address at which a listener is reached; one on all interfaces is reached on the loopback interface.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// Sends the request, and returns the whole answer.
fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    let left = || match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut),
        left => Ok(left),
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    while answer.len() < MAX_ANSWER_BYTES {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&part[..read]),
            // A socket's time-out has another kind on each platform.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error),
        }
    }
    String::from_utf8(answer).map_err(io::Error::other)
}
