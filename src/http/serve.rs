//! Accepts connections, limits and drains them.
//!
//! Every connection is a task in one [`JoinSet`], whose size is the number of open connections. No task outlives [`serve`].

use std::{convert::Infallible, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use http_body_util::BodyExt;
use hyper::{
    Request, Response,
    body::{Body as _, Incoming},
    header::{CONNECTION, EXPECT, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{
    acceptor::{AcceptPause, Accepted, Acceptor},
    connection::{ConnectionStream, LAST_CHANCE, Limits, Progress},
    connection_limit::ConnectionPermit,
    request::{MAX_BODY, RequestBody},
    response::Body,
};
use crate::telemetry::{
    log_throttle::{LogThrottle, Sweep},
    metrics::GaugeGuard,
};

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

/// How far a listener is on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It serves.
    Serving,
    /// It serves, but each response closes its connection, so that clients go elsewhere.
    Draining,
    /// It refuses new connections, and finishes the open ones.
    Stopping,
}

/// The buffer of a connection: holds the longest head, whose largest part is a list of articles in the query.
const MAX_BUFFER: usize = 64 * 1024;

/// Serves HTTP/1.1 on a listening socket until `phase` is [`Phase::Stopping`]; a dropped sender means the same. Within `finish`
/// from then on, it finishes the open connections, and drops the rest. Returns the number of dropped connections.
///
/// No request is lost that a client has sent over a connection, unless the connection was idle for longer than half a second
/// since draining began: connections that are open at that time can send one more request, and so can those that the system has
/// accepted by then.
///
/// Up to `max_connections` are open at once, at least 1; further ones wait in the system's backlog. If the limit is
/// lowered, open connections stay.
pub async fn serve<R: Responder>(
    acceptor: impl Into<Acceptor>,
    responder: Arc<R>,
    limits: Limits,
    max_connections: watch::Receiver<usize>,
    mut phase: watch::Receiver<Phase>,
    finish: Duration,
) -> usize {
    let acceptor = acceptor.into();
    let mut server = Server::new(responder, limits, max_connections, phase.clone());
    server.accept_until(&acceptor, reached(&mut phase, Phase::Draining)).await;
    let last_chance = Instant::now() + LAST_CHANCE;
    server.accept_until(&acceptor, reached(&mut phase, Phase::Stopping)).await;
    let end = Instant::now() + finish;
    server.is_ending = true;
    server.accept_until(&acceptor, sleep_until(last_chance.min(end))).await;
    server.finish(acceptor, end).await
}

/// Waits for a phase.
async fn reached(phase: &mut watch::Receiver<Phase>, least: Phase) {
    // A dropped sender also means stop.
    let _ = phase.wait_for(|phase| *phase >= least).await;
}

/// The connections of a listening socket.
struct Server<R> {
    responder: Arc<R>,
    limits: Arc<Limits>,
    http: http1::Builder,
    max_connections: watch::Receiver<usize>,
    phase: watch::Receiver<Phase>,
    /// Whether idle connections end.
    closing: watch::Sender<bool>,
    /// Whether it stops accepting as soon as no connection is open.
    is_ending: bool,
    connections: JoinSet<()>,
    pause: AcceptPause,
}

impl<R: Responder> Server<R> {
    fn new(responder: Arc<R>, limits: Limits, max_connections: watch::Receiver<usize>, phase: watch::Receiver<Phase>) -> Self {
        let mut http = http1::Builder::new();
        // Figures are small: copying them behind the head is cheaper than a vectored write of both. The stream has its own
        // limit for heads, which is another one for a connection that is idle.
        http.header_read_timeout(None).max_buf_size(MAX_BUFFER).writev(false);
        Self {
            responder,
            limits: Arc::new(limits),
            http,
            max_connections,
            phase,
            closing: watch::Sender::new(false),
            is_ending: false,
            connections: JoinSet::new(),
            pause: AcceptPause::new(),
        }
    }

    async fn accept_until(&mut self, acceptor: &Acceptor, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        while !(self.is_ending && self.connections.is_empty()) {
            let has_room = self.connections.len() < *self.max_connections.borrow_and_update();
            tokio::select! {
                biased;
                () = &mut end => return,
                Some(ended) = self.connections.join_next() => report(ended),
                // Disabled once the sender is gone.
                Ok(()) = self.max_connections.changed() => {}
                accepted = acceptor.accept(&mut self.pause), if has_room => self.open(accepted),
            }
        }
    }

    fn open(&mut self, (socket, peer): Accepted) {
        // Dropping the socket closes a refused connection.
        let Some(guard) = self.responder.connect(peer) else { return };
        let progress = Arc::<Progress>::default();
        let mut closing = self.closing.subscribe();
        let stream = ConnectionStream::new(socket, Arc::clone(&self.limits), Arc::clone(&progress), closing.clone());
        let (responder, limits, phase) = (Arc::clone(&self.responder), Arc::clone(&self.limits), self.phase.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (responder, limits, progress, phase) = (Arc::clone(&responder), Arc::clone(&limits), Arc::clone(&progress), phase.clone());
            // Boxed, so that an idle connection does not hold memory for a response.
            Box::pin(async move {
                progress.begin_response();
                let response = respond(&*responder, peer, request, limits.body_read, &phase).await;
                progress.end_response();
                Ok::<_, Infallible>(response)
            })
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        self.connections.spawn(async move {
            let _guard = guard;
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                // Polled again, an idle connection ends.
                _ = closing.changed() => connection.await,
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }

    /// Closes the listening socket, finishes the connections, aborts those that do not end in time, and returns their number.
    async fn finish(mut self, acceptor: Acceptor, end: Instant) -> usize {
        let room = self.max_connections.borrow().saturating_sub(self.connections.len());
        for accepted in acceptor.close(room).await {
            self.open(accepted);
        }
        self.closing.send_replace(true);
        let all = async {
            while let Some(ended) = self.connections.join_next().await {
                report(ended);
            }
        };
        let _ = timeout_at(end, all).await;
        self.connections.abort_all();
        let mut late = 0;
        while let Some(ended) = self.connections.join_next().await {
            late += usize::from(ended.as_ref().is_err_and(JoinError::is_cancelled));
            report(ended);
        }
        late
    }
}

/// Responds to a request. The response says so if it is the last one on the connection.
async fn respond<R: Responder>(
    responder: &R,
    peer: IpAddr,
    request: Request<Incoming>,
    body_read: Duration,
    phase: &watch::Receiver<Phase>,
) -> Response<Body> {
    let (head, mut body) = request.into_parts();
    // A client that waits for permission to send its body cannot know whether to send it after a final response.
    let waits = head.headers.contains_key(EXPECT);
    let mut response = responder.respond(peer, Request::from_parts(head, &mut body)).await;
    let is_last = response.headers().contains_key(CONNECTION)
        || *phase.borrow() > Phase::Serving
        || !body.is_end_stream() && (waits || !read_rest(body, body_read).await);
    if is_last {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads what is left of a body, so that the next request on the connection can be read. Returns whether that worked: a body
/// can be too long, or arrive too late.
async fn read_rest(mut body: Incoming, within: Duration) -> bool {
    let rest = async {
        let mut room = MAX_BODY as u64;
        while body.size_hint().lower() <= room {
            let Some(frame) = body.frame().await else { return true };
            let bytes = frame.ok().map(|frame| frame.data_ref().map_or(0, |data| data.len() as u64));
            let Some(left) = bytes.and_then(|bytes| room.checked_sub(bytes)) else { return false };
            room = left;
        }
        false
    };
    timeout(within, rest).await.unwrap_or(false)
}

/// At most one line a second: a request can panic again and again.
static PANICS: LogThrottle<()> = LogThrottle::new(Duration::from_secs(1), 1);

/// Logs how many panics have no line and no later one that accounts for them.
pub(super) fn log_left_out(sweep: Sweep) {
    let left_out = PANICS.sweep(sweep).total();
    if left_out > 0 {
        tracing::error!(event = "handler_panicked", left_out, "further handlers panicked; their connections were closed");
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
        && let Some(left_out) = PANICS.allow(())
    {
        tracing::error!(event = "handler_panicked", %error, left_out, "a request's handler panicked; its connection was closed");
    }
}
