//! Accepts connections, holds their limits, and drains them at the end.
//!
//! Every connection is a task in one [`JoinSet`]: its size is what the limit on connections looks at, and at the end
//! no task outlives [`serve`].

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
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

use super::{Limits, Responder};

/// What a connection may buffer: the longest head, of which a list of articles in the query is the greatest part.
const MAX_BUFFER: usize = 64 * 1024;

/// Serves HTTP/1.1 on a listener until `shutdown` is ready. Then refuses new connections, lets those that are open
/// finish the request they are at within `drain`, and drops the rest. Answers with how many were dropped.
///
/// Up to `max_connections` are open at once, at least 1; a further one waits in the system's backlog. Where it becomes
/// less, those that are open stay.
pub async fn serve<R: Responder>(
    listener: TcpListener,
    responder: Arc<R>,
    limits: Limits,
    mut max_connections: watch::Receiver<usize>,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) -> usize {
    let mut http = http1::Builder::new();
    // Figures are small: copied behind the head, they are cheaper to send than the two of them from where they are.
    http.timer(TokioTimer::new()).header_read_timeout(limits.header_read).max_buf_size(MAX_BUFFER).writev(false);
    let mut connections = JoinSet::new();
    let graceful = GracefulShutdown::new();
    let mut backoff = Backoff::default();
    let mut shutdown = pin!(shutdown);
    loop {
        let room = connections.len() < *max_connections.borrow_and_update();
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => report(ended),
            // Where nobody can change it any more, this never happens.
            Ok(()) = max_connections.changed() => {}
            (stream, peer) = accept(&listener, &mut backoff), if room => {
                // One that is refused is closed by being dropped.
                let Some(held) = responder.opened(peer) else { continue };
                let responder = Arc::clone(&responder);
                let service = service_fn(move |request: Request<Incoming>| {
                    let responder = Arc::clone(&responder);
                    // Boxed, so that a connection on which nothing is asked has no room for an answer under way.
                    Box::pin(async move { Ok::<_, Infallible>(responder.respond(peer, request).await) })
                });
                let connection = graceful.watch(http.serve_connection(prepare(stream, &limits), service));
                connections.spawn(async move {
                    let _held = held;
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
    // Without it an answer may wait for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    let mut stream = TimeoutStream::new(stream);
    // hyper bounds how long it waits for a request, but not for a client that sends requests and reads no answers.
    stream.set_write_timeout(Some(limits.write));
    TokioIo::new(Box::pin(stream))
}

/// Ends what has not ended by itself, and counts it.
async fn finish(mut connections: JoinSet<()>) -> usize {
    connections.abort_all();
    let mut late = 0;
    while let Some(ended) = connections.join_next().await {
        late += usize::from(ended.as_ref().is_err_and(JoinError::is_cancelled));
        report(ended);
    }
    late
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a request's handler panicked; its connection was closed");
    }
}

/// How long to leave a listener alone that could not accept. It outlives a cancelled [`accept`].
#[derive(Debug, Default)]
struct Backoff {
    delay: Duration,
    until: Option<Instant>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(1);

    fn failed(&mut self, error: &io::Error) {
        if self.until.is_none() {
            tracing::error!(%error, "connections cannot be accepted; trying again");
        }
        self.delay = (self.delay * 2).clamp(Self::FIRST, Self::LONGEST);
        self.until = Some(Instant::now() + self.delay);
    }

    fn worked(&mut self) {
        if self.until.is_some() {
            tracing::info!("connections are accepted again");
            *self = Self::default();
        }
    }
}

/// The next connection. Where none can be had, because file descriptors have run out for instance, waits ever longer
/// between attempts: the listener stays ready, and asking it at once again would only burn the processor.
async fn accept(listener: &TcpListener, backoff: &mut Backoff) -> (TcpStream, IpAddr) {
    loop {
        if let Some(until) = backoff.until {
            sleep_until(until).await;
        }
        match listener.accept().await {
            Ok((stream, peer)) => {
                backoff.worked();
                return (stream, peer.ip());
            }
            // The client left while it waited: nothing is wrong here.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
            Err(error) => backoff.failed(&error),
        }
    }
}
