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
    reason: Option<String>,
    journal: String,
    store: String,
}

/// The status and the body of a page of the configured admin listener.
pub(super) fn get(listener: SocketAddr, path: &str) -> Result<(u16, String), Message> {
    request(listener, &format!("GET {path}"), REQUEST_TIMEOUT)
}

/// The status and the body of the answer to a request without a body. `line` is its method and path.
pub(super) fn request(listener: SocketAddr, line: &str, patience: Duration) -> Result<(u16, String), Message> {
    if listener.port() == 0 {
        return Err("listen.admin has port 0, so the service's port is unknown".into());
    }
    let (address, answer) = ask_any(&reachable(listener), line, patience)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("{address} did not answer in HTTP"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Ok((status, body.into()))
}

/// Asks the configured admin listener.
pub(super) fn health(listener: SocketAddr, json: bool) -> Result<(), Message> {
    let (status, body) = get(listener, "/readyz")?;
    let ready: Ready = serde_json::from_str(&body).map_err(|_| format!("{listener} is not truycap: it answered with status {status}"))?;
    let reason = ready.reason.map(|reason| format!("{reason}; ")).unwrap_or_default();
    let parts = format!("{reason}journal {}, store {}", ready.journal, ready.store);
    if json {
        print(&format!("{body}\n"))?;
    } else if status == 200 {
        print(&format!("ready: {parts}\n"))?;
    }
    if status == 200 { Ok(()) } else { Err(format!("not ready: {parts}")) }
}

/// The addresses at which a listener is reached; one on all interfaces is reached on the loopback interface. If that is IPv6,
/// this machine can have IPv6 turned off all the same.
fn reachable(listener: SocketAddr) -> Vec<SocketAddr> {
    let ips: Vec<IpAddr> = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => vec![Ipv4Addr::LOCALHOST.into()],
        IpAddr::V6(ip) if ip.is_unspecified() => vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()],
        ip => vec![ip],
    };
    ips.into_iter().map(|ip| SocketAddr::new(ip, listener.port())).collect()
}

/// The answer of the first address that answers.
fn ask_any(addresses: &[SocketAddr], line: &str, patience: Duration) -> Result<(SocketAddr, String), Message> {
    let deadline = Instant::now() + patience;
    let mut errors = Vec::new();
    for &address in addresses {
        match ask(address, line, deadline) {
            Ok(answer) => return Ok((address, answer)),
            Err(error) => errors.push(format!("{address} did not answer: {error}")),
        }
    }
    Err(errors.join("; "))
}

/// Sends the request, and returns the whole answer.
fn ask(address: SocketAddr, line: &str, deadline: Instant) -> io::Result<String> {
    let left = || match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut),
        left => Ok(left),
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(format!("{line} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes())?;
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
