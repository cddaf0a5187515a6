//! The stream of a connection: how long its client can take, and how it ends.
//!
//! HTTP/1.1 cannot close a connection that is kept alive without a race: the client can send a request at the same moment,
//! and gets no answer. So the stream ends an idle connection as if the client had closed it, only after a last look for
//! bytes of a request; and when it closes a connection after a response, it still reads for a moment, because a socket that is
//! closed with unread bytes resets the connection, and the reset can destroy the response on its way.

use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    os::fd::AsFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::watch,
    time::{Instant, Sleep, sleep_until},
};

use crate::telemetry::log_throttle::{LogThrottle, Sweep};

/// How long a client can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte of a request's head to its end; and from the start of a connection to that first byte.
    pub header_read: Duration,
    /// From the end of a response to the first byte of the next request on the connection.
    pub idle: Duration,
    /// From the end of a request's head to the end of its body.
    pub body_read: Duration,
    /// From the end of a request's head to its response, including the body.
    pub request: Duration,
    /// How long a response can wait without the client reading a byte of it.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body_read: Duration::from_secs(10),
            request: Duration::from_secs(30),
            write: Duration::from_secs(10),
        }
    }
}

/// How long an idle connection can still send a request when the service stops.
pub(super) const LAST_CHANCE: Duration = Duration::from_millis(500);

/// How long the rest of what a client sends is read after the last response on its connection.
const LINGER: Duration = Duration::from_secs(1);

/// A connected socket.
pub(super) trait Socket: AsyncRead + AsyncWrite + AsFd + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + AsFd + Send + Unpin> Socket for S {}

/// What a connection waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The head of a request.
    Head,
    /// The handler's response.
    Response,
    /// The client, to take the response.
    Written,
}

/// The stage of a connection: its handler and its stream report to each other through it.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU8);

impl Progress {
    /// The handler begins to respond.
    pub(super) fn begin_response(&self) {
        self.0.store(Stage::Response as u8, Ordering::Relaxed);
    }

    /// The handler has responded.
    pub(super) fn end_response(&self) {
        self.0.store(Stage::Written as u8, Ordering::Relaxed);
    }

    fn begin_head(&self) {
        self.0.store(Stage::Head as u8, Ordering::Relaxed);
    }

    fn is(&self, stage: Stage) -> bool {
        self.0.load(Ordering::Relaxed) == stage as u8
    }
}

/// A connection's stream with the limits on its client.
pub(super) struct ConnectionStream {
    socket: Box<dyn Socket>,
    limits: Arc<Limits>,
    progress: Arc<Progress>,
    /// Whether idle connections end.
    closing: watch::Receiver<bool>,
    /// Since when the present wait lasts.
    since: Instant,
    /// Whether a byte of the present head has arrived.
    head_begun: bool,
    /// Whether there was a request before.
    used: bool,
    /// Since when a response waits for the client.
    blocked: Option<Instant>,
    /// Whether nothing more is read: the client closed the connection, or it was idle for too long.
    ended: bool,
    /// Since when the connection is closed for writing.
    shut: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl ConnectionStream {
    pub(super) fn new(socket: Box<dyn Socket>, limits: Arc<Limits>, progress: Arc<Progress>, closing: watch::Receiver<bool>) -> Self {
        Self {
            socket,
            limits,
            progress,
            closing,
            since: Instant::now(),
            head_begun: false,
            used: false,
            blocked: None,
            ended: false,
            shut: None,
            timer: None,
        }
    }

    /// When the wait for a head ends; `None` during a response, which has its own limits.
    fn head_deadline(&self) -> Option<Instant> {
        let limit = match (self.head_begun, self.used) {
            _ if !self.progress.is(Stage::Head) => return None,
            (false, _) if *self.closing.borrow() => LAST_CHANCE,
            (false, true) => self.limits.idle,
            _ => self.limits.header_read,
        };
        Some(self.since + limit)
    }

    fn poll_timer(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
    }

    /// Whether the system has bytes, or the end, that tokio does not know of yet.
    fn has_unseen_bytes(&self) -> bool {
        let socket = self.socket.as_fd();
        SockRef::from(&socket).peek(&mut [MaybeUninit::uninit()]).is_ok()
    }
}

static PROXY_PROTOCOL: LogThrottle<()> = LogThrottle::new(Duration::from_secs(60), 1);

/// Logs how many connections with the PROXY protocol have no line and no later one that accounts for them.
pub(super) fn log_left_out(sweep: Sweep) {
    let left_out = PROXY_PROTOCOL.sweep(sweep).total();
    if left_out > 0 {
        tracing::warn!(
            event = "proxy_protocol_refused",
            left_out,
            "further connections began with the PROXY protocol, which is refused with 400"
        );
    }
}

/// Makes hyper respond with 400 to the beginning of HTTP/2, after which it would close the connection without a response; and warns
/// of a proxy that speaks the PROXY protocol, whose every request is refused.
fn refuse_other_protocols(bytes: &mut [u8]) {
    if bytes.starts_with(b"PRI * HTTP/2") {
        // No head has this byte.
        bytes[0] = 0;
    }
    if (bytes.starts_with(b"PROXY ") || bytes.starts_with(b"\r\n\r\n\0\r\nQUIT\n"))
        && let Some(left_out) = PROXY_PROTOCOL.allow(())
    {
        tracing::warn!(
            event = "proxy_protocol_refused",
            left_out,
            "a connection begins with the PROXY protocol, which is refused with 400; turn it off in the proxy or load balancer, and let \
             it name its clients in a header (clients.header)"
        );
    }
}

impl AsyncRead for ConnectionStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut *self.socket).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                self.ended = buffer.filled().len() == before && buffer.remaining() > 0;
                if !self.head_begun && self.progress.is(Stage::Head) {
                    refuse_other_protocols(&mut buffer.filled_mut()[before..]);
                    (self.head_begun, self.since) = (true, Instant::now());
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let Some(deadline) = self.head_deadline() else { return Poll::Pending };
                ready!(self.poll_timer(deadline, cx));
                if self.head_begun {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                if self.has_unseen_bytes() {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                self.ended = true;
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for ConnectionStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = Pin::new(&mut *self.socket).poll_write(cx, bytes) {
            self.blocked = None;
            return Poll::Ready(written);
        }
        // A client that sends requests and reads no responses.
        let deadline = *self.blocked.get_or_insert_with(Instant::now) + self.limits.write;
        ready!(self.poll_timer(deadline, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut *self.socket).poll_flush(cx))?;
        // hyper flushes when it has written everything.
        if self.progress.is(Stage::Written) {
            self.progress.begin_head();
            (self.head_begun, self.used, self.since) = (false, true, Instant::now());
            // hyper reads again only when it is woken, so the idle time needs its timer now.
            if let Some(deadline) = self.head_deadline()
                && self.poll_timer(deadline, cx).is_ready()
            {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = match self.shut {
            Some(shut) => shut,
            None => {
                ready!(Pin::new(&mut *self.socket).poll_shutdown(cx))?;
                *self.shut.insert(Instant::now())
            }
        };
        let mut discarded = [MaybeUninit::uninit(); 1024];
        // The clock, because the timer does not advance while a client that sends without a pause uses up the task's budget.
        while !self.ended && Instant::now() < shut + LINGER {
            let mut buffer = ReadBuf::uninit(&mut discarded);
            match Pin::new(&mut *self.socket).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(self.poll_timer(shut + LINGER, cx));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
