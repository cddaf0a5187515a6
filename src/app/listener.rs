//! A listening socket whose connections a task serves until it is stopped.

use std::{future::pending, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};

use crate::http::{Acceptor, Limits, Phase, Responder, serve};

/// The task that serves a listener's connections, and how it is stopped. Dropping it ends the task.
pub(super) struct Listener {
    phase: watch::Sender<Phase>,
    /// One task, until it has ended.
    task: JoinSet<usize>,
}

impl Listener {
    /// `finish` is how long requests in progress can take when it stops.
    pub(super) fn spawn<R: Responder>(
        acceptor: Acceptor,
        responder: Arc<R>,
        limits: Limits,
        max_connections: watch::Receiver<usize>,
        finish: Duration,
    ) -> Self {
        let phase = watch::Sender::new(Phase::Serving);
        let mut task = JoinSet::new();
        task.spawn(serve(acceptor, responder, limits, max_connections, phase.subscribe(), finish));
        Self { phase, task }
    }

    /// Returns when the task ends by itself, because of a bug.
    pub(super) async fn ended(&mut self) -> Result<usize, JoinError> {
        if let Some(ended) = self.task.join_next().await { ended } else { pending().await }
    }

    /// Closes each connection after its next response. Further connections are still accepted.
    pub(super) fn drain(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// Stops accepting, finishes requests in progress, and returns how many connections did not finish in time.
    pub(super) async fn stop(mut self) -> usize {
        self.phase.send_replace(Phase::Stopping);
        // A panic is in the log.
        self.task.join_next().await.and_then(Result::ok).unwrap_or(0)
    }
}
