//! Accepts connections, limits and drains them.
//!
//! Every connection is a task in one [`JoinSet`], whose size is the number of open connections. No task outlives [`serve`].

use std::{
    convert::Infallible,
    io, mem,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tokio_io_timeout::TimeoutStream;

use super::{connection_limit::ConnectionPermit, request::RequestBody, response::Body};
use crate::{
    domain::backoff::Backoff,
    telemetry::{log_throttle::LogThrottle, metrics::GaugeGuard},
};

/// How long a client can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the start of a connection, or the end of a response on it, to the end of the next request's head. So a
    /// connection can be idle for as long.
    pub header_read: Duration,
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
            body_read: Duration::from_secs(10),
            request: Duration::from_secs(30),
            write: Duration::from_secs(10),
        }
    }
}

/// Responds to the requests of a listener.
pub trait Responder: Send + Sync + 'static {
    /// Responds to a request over a connection from `peer`; every error is a response too.
    fn respond<B: RequestBody>(&self, peer: IpAddr, request: Request<B>) -> impl Future<Output = Response<Body>> + Send;

    /// Accepts a connection. The guard is kept while it is open; without one, the connection is closed at once.
    fn connect(&self, _peer: IpAddr) -> Option<ConnectionGuard> {
        Some(ConnectionGuard::default())
    }
}

/// What an open connection holds. Dropping it lowers the gauge and returns the client's permit.
#[derive(Debug, Default)]
pub struct ConnectionGuard {
    _gauge: Option<GaugeGuard>,
    _permit: Option<ConnectionPermit>,
}

impl ConnectionGuard {
    pub(super) fn new(gauge: GaugeGuard, permit: Option<ConnectionPermit>) -> Self {
        Self { _gauge: Some(gauge), _permit: permit }
    }
}

/// The buffer of a connection: holds the longest head, whose largest part is a list of articles in the query.
const MAX_BUFFER: usize = 64 * 1024;

/// Serves HTTP/1.1 on a listener until `shutdown` is ready. Then it refuses new connections, lets open ones finish their
/// present request within `drain`, and drops the rest. Returns the number of dropped connections.
///
/// Up to `max_connections` are open at once, at least 1; further ones wait in the system's backlog. If the limit is
/// lowered, open connections stay.
pub async fn serve<R: Responder>(
    listener: TcpListener,
    responder: Arc<R>,
    limits: Limits,
    mut max_connections: watch::Receiver<usize>,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) -> usize {
    let mut http = http1::Builder::new();
    // Figures are small: copying them behind the head is cheaper than a vectored write of both.
    http.timer(TokioTimer::new()).header_read_timeout(limits.header_read).max_buf_size(MAX_BUFFER).writev(false);
    let mut connections = JoinSet::new();
    let graceful = GracefulShutdown::new();
    let mut pause = AcceptPause::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let room = connections.len() < *max_connections.borrow_and_update();
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => report(ended),
            // Disabled once the sender is gone.
            Ok(()) = max_connections.changed() => {}
            (stream, peer) = accept(&listener, &mut pause), if room => {
                // Dropping the stream closes a refused connection.
                let Some(guard) = responder.connect(peer) else { continue };
                let responder = Arc::clone(&responder);
                let service = service_fn(move |request: Request<Incoming>| {
                    let responder = Arc::clone(&responder);
                    // Boxed, so that an idle connection does not hold memory for a response.
                    Box::pin(async move { Ok::<_, Infallible>(responder.respond(peer, request).await) })
                });
                let connection = graceful.watch(http.serve_connection(prepare(stream, &limits), service));
                connections.spawn(async move {
                    let _guard = guard;
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection ended early");
                    }
                });
            }
        }
    }
    drop(listener);
    let _ = timeout(drain, graceful.shutdown()).await;
    finish(connections).await
}

fn prepare(stream: TcpStream, limits: &Limits) -> TokioIo<Pin<Box<TimeoutStream<TcpStream>>>> {
    // Without it, a response can wait for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    let mut stream = TimeoutStream::new(stream);
    // hyper does not time out on a client that sends requests and reads no responses.
    stream.set_write_timeout(Some(limits.write));
    TokioIo::new(Box::pin(stream))
}

/// Aborts the connections that have not ended, and returns their number.
async fn finish(mut connections: JoinSet<()>) -> usize {
    connections.abort_all();
    let mut late = 0;
    while let Some(ended) = connections.join_next().await {
        late += usize::from(ended.as_ref().is_err_and(JoinError::is_cancelled));
        report(ended);
    }
    late
}

/// At most one line a second: a request can panic again and again.
static PANICS: LogThrottle<()> = LogThrottle::new(Duration::from_secs(1), 1);

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
        && let Some(left_out) = PANICS.allow(())
    {
        tracing::error!(%error, left_out, "a request's handler panicked; its connection was closed");
    }
}

/// When to accept again after a failure. It outlives a cancelled [`accept`].
#[derive(Debug)]
struct AcceptPause {
    backoff: Backoff,
    until: Option<Instant>,
    /// The failure is in the log, and so its end will be.
    logged: bool,
    log: LogThrottle<()>,
}

impl AcceptPause {
    fn new() -> Self {
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        // Each connection that is closed can let one more be accepted.
        Self { backoff, until: None, logged: false, log: LogThrottle::new(Duration::from_secs(1), 1) }
    }

    fn failed(&mut self, error: &io::Error) {
        if self.until.is_none()
            && let Some(left_out) = self.log.allow(())
        {
            tracing::error!(%error, left_out, "connections cannot be accepted; trying again");
            self.logged = true;
        }
        self.until = Some(Instant::now() + self.backoff.next_pause());
    }

    fn worked(&mut self) {
        if self.until.take().is_some() {
            self.backoff.reset();
            if mem::take(&mut self.logged) {
                tracing::info!("connections are accepted again");
            }
        }
    }
}

/// The next connection. If accepting fails, for instance because file descriptors have run out, waits longer after each
/// attempt: the listener stays ready, so trying again at once would only use the processor.
async fn accept(listener: &TcpListener, pause: &mut AcceptPause) -> (TcpStream, IpAddr) {
    loop {
        if let Some(until) = pause.until {
            sleep_until(until).await;
        }
        match listener.accept().await {
            Ok((stream, peer)) => {
                pause.worked();
                return (stream, peer.ip());
            }
            // The client left while it waited.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
            Err(error) => pause.failed(&error),
        }
    }
}
