//! A listening socket, for TCP or a Unix socket, and how connections are accepted from it.

use std::{
    io, mem,
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr},
    time::Duration,
};

#[cfg(target_os = "linux")]
use socket2::SockFilter;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    time::{Instant, sleep, sleep_until},
};

use super::connection::Socket;
use crate::{
    domain::backoff::Backoff,
    telemetry::log_throttle::{LogThrottle, Sweep},
};

/// The address of a client of a Unix socket: it is on this machine.
pub const LOCAL_PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How long the handshakes that have begun can take to finish when a socket closes.
const HANDSHAKE: Duration = Duration::from_millis(20);

/// A listening socket.
#[derive(Debug)]
pub struct Acceptor {
    socket: ListeningSocket,
    /// Whether the service manager keeps the socket, and with it the connections that wait, for the next process.
    is_kept: bool,
}

#[derive(Debug)]
enum ListeningSocket {
    /// At an address and a port.
    Tcp(TcpListener),
    /// At a path.
    Unix(UnixListener),
}

impl From<TcpListener> for Acceptor {
    fn from(listener: TcpListener) -> Self {
        Self { socket: ListeningSocket::Tcp(listener), is_kept: false }
    }
}

impl From<UnixListener> for Acceptor {
    fn from(listener: UnixListener) -> Self {
        Self { socket: ListeningSocket::Unix(listener), is_kept: false }
    }
}

/// A connection that was accepted, and its peer.
pub(super) type Accepted = (Box<dyn Socket>, IpAddr);

impl Acceptor {
    /// The same socket, which the service manager keeps when this process closes it.
    #[must_use]
    pub fn kept(self) -> Self {
        Self { is_kept: true, ..self }
    }

    /// Its address, unless it is a Unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            ListeningSocket::Tcp(listener) => listener.local_addr().ok(),
            ListeningSocket::Unix(_) => None,
        }
    }

    async fn accept_once(&self) -> io::Result<Accepted> {
        Ok(match &self.socket {
            ListeningSocket::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                (Box::new(prepare(stream)), peer.ip())
            }
            ListeningSocket::Unix(listener) => (Box::new(listener.accept().await?.0), LOCAL_PEER),
        })
    }

    /// The next connection. If accepting fails, for instance because file descriptors have run out, waits longer after each
    /// attempt: the listener stays ready, so trying again at once would only use the processor.
    pub(super) async fn accept(&self, pause: &mut AcceptPause) -> Accepted {
        loop {
            if let Some(until) = pause.until {
                sleep_until(until).await;
            }
            match self.accept_once().await {
                Ok(accepted) => {
                    pause.worked();
                    return accepted;
                }
                // The client left while it waited.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
                Err(error) => pause.failed(&error),
            }
        }
    }

    /// Lets the system accept no further connections, except for those whose handshakes have begun.
    async fn refuse_connections(&self) -> io::Result<()> {
        match &self.socket {
            ListeningSocket::Tcp(listener) => {
                refuse_handshakes(listener)?;
                sleep(HANDSHAKE).await;
                Ok(())
            }
            // What waits can still be accepted.
            ListeningSocket::Unix(listener) => SockRef::from(listener).shutdown(Shutdown::Read),
        }
    }

    /// Closes the socket. Returns the connections, up to `most`, that the system had accepted for it: their clients can have
    /// sent requests, and the system would reset them.
    pub(super) async fn close(self, most: usize) -> Vec<Accepted> {
        // Otherwise the system could accept a connection between the last look and the end of the socket.
        if !self.is_kept
            && let Err(error) = self.refuse_connections().await
        {
            tracing::debug!(%error, "new connections are not refused before the socket is closed");
        }
        let (mut waiting, mut accept_next): (Vec<Accepted>, Box<dyn FnMut() -> io::Result<Accepted>>) = (
            Vec::new(),
            match self.socket {
                // Accepted without tokio, whose readiness can lag behind.
                ListeningSocket::Tcp(listener) => match listener.into_std() {
                    Ok(listener) => Box::new(move || {
                        let (stream, peer) = listener.accept()?;
                        stream.set_nonblocking(true)?;
                        Ok((Box::new(prepare(TcpStream::from_std(stream)?)), peer.ip()))
                    }),
                    Err(_) => return Vec::new(),
                },
                ListeningSocket::Unix(listener) => match listener.into_std() {
                    Ok(listener) => Box::new(move || {
                        let stream = listener.accept()?.0;
                        stream.set_nonblocking(true)?;
                        Ok((Box::new(UnixStream::from_std(stream)?), LOCAL_PEER))
                    }),
                    Err(_) => return Vec::new(),
                },
            },
        );
        while waiting.len() < most
            && let Ok(accepted) = accept_next()
        {
            waiting.push(accepted);
        }
        waiting
    }
}

/// Makes the system ignore the segments that open connections. Their clients send them again after a second, and are refused
/// then, because the socket is closed. Handshakes that have begun go on.
#[cfg(target_os = "linux")]
fn refuse_handshakes(listener: &TcpListener) -> io::Result<()> {
    // A classic BPF program, which reads from the TCP header: its byte of flags, then whether SYN is among them.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

/// Other systems have no such filter.
#[cfg(not(target_os = "linux"))]
fn refuse_handshakes(_: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn prepare(stream: TcpStream) -> TcpStream {
    // Without it, a response can wait for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    stream
}

/// When to accept again after a failure. It outlives a cancelled [`Acceptor::accept`].
#[derive(Debug)]
pub(super) struct AcceptPause {
    backoff: Backoff,
    until: Option<Instant>,
    /// The failure is in the log, and so its end will be.
    logged: bool,
}

/// Each connection that is closed can let one more be accepted, so failures alternate with successes.
static FAILURES: LogThrottle<()> = LogThrottle::new(Duration::from_secs(1), 1);

/// Logs how many failures have no line and no later one that accounts for them.
pub(super) fn log_left_out(sweep: Sweep) {
    let left_out = FAILURES.sweep(sweep).total();
    if left_out > 0 {
        tracing::error!(event = "accept_failed", left_out, "further connections could not be accepted at once");
    }
}

impl AcceptPause {
    pub(super) fn new() -> Self {
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        Self { backoff, until: None, logged: false }
    }

    fn failed(&mut self, error: &io::Error) {
        if self.until.is_none()
            && let Some(left_out) = FAILURES.allow(())
        {
            tracing::error!(event = "accept_failed", %error, left_out, "connections cannot be accepted; trying again");
            self.logged = true;
        }
        self.until = Some(Instant::now() + self.backoff.next_pause());
    }

    fn worked(&mut self) {
        if self.until.take().is_some() {
            self.backoff.reset();
            if mem::take(&mut self.logged) {
                tracing::info!(event = "accept_recovered", "connections are accepted again");
            }
        }
    }
}
