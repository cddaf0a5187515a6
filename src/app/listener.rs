//! A listening socket whose connections a task serves until it is stopped.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle};

use crate::http::{Acceptor, Limits, Phase, Responder, serve};

/// How long requests in progress can take after the listener has closed.
const FINISH_REQUESTS: Duration = Duration::from_secs(3);

/// The task that serves a listener's connections, and how it is stopped.
pub(super) struct Listener {
    phase: watch::Sender<Phase>,
    task: JoinHandle<usize>,
}

impl Listener {
    pub(super) fn spawn<R: Responder>(
        acceptor: Acceptor,
        responder: Arc<R>,
        limits: Limits,
        max_connections: watch::Receiver<usize>,
    ) -> Self {
        let phase = watch::Sender::new(Phase::Serving);
        let task = tokio::spawn(serve(acceptor, responder, limits, max_connections, phase.subscribe(), FINISH_REQUESTS));
        Self { phase, task }
    }

    /// Closes each connection after its next response. Further connections are still accepted.
    pub(super) fn drain(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// Stops accepting, finishes requests in progress, and returns how many connections did not finish in time.
    pub(super) async fn stop(self) -> usize {
        self.phase.send_replace(Phase::Stopping);
        self.task.await.unwrap_or(0)
    }
}
