//! A bound address whose connections a task serves until it is stopped.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinHandle,
};

use crate::http::{Limits, Responder, serve};

/// How many connections the system queues for a listener that has not accepted them yet; the system's own limit can be
/// lower. If the queue is full, a client gets no answer and retries after a second. The usual 128 fill up before a busy
/// processor returns to this process.
const BACKLOG: u32 = 4096;

/// How long requests in progress can take after the signal to stop.
const FINISH_REQUESTS: Duration = Duration::from_secs(3);

/// The task that serves a listener's connections, and how it is stopped.
pub(super) struct Listener {
    stop: watch::Sender<bool>,
    task: JoinHandle<usize>,
}

impl Listener {
    pub(super) fn spawn<R: Responder>(listener: TcpListener, responder: Arc<R>, max_connections: watch::Receiver<usize>) -> Self {
        let (stop, mut stopping) = watch::channel(false);
        let shutdown = async move {
            // A dropped sender also means stop.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        let task = tokio::spawn(serve(listener, responder, Limits::default(), max_connections, shutdown, FINISH_REQUESTS));
        Self { stop, task }
    }

    /// Stops accepting, finishes requests in progress, and returns how many connections did not finish in time.
    pub(super) async fn stop(self) -> usize {
        self.stop.send_replace(true);
        self.task.await.unwrap_or(0)
    }
}

pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // After a restart, connections of the previous process can still be closing.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
