//! A thread with a bounded queue of jobs: SQLite calls block, and must not block the threads of the runtime.

use std::{
    io,
    thread::{self, JoinHandle},
};

use parking_lot::Mutex;
use tokio::sync::mpsc;

/// How many jobs the queue holds before callers have to wait.
const QUEUE: usize = 1024;

/// A thread that works through a queue of jobs. When it is closed or dropped, it finishes the queued jobs and ends.
pub(super) struct JobThread<J>(Mutex<Option<(mpsc::Sender<J>, JoinHandle<()>)>>);

impl<J: Send + 'static> JobThread<J> {
    /// Starts the thread; `run` works until the queue ends.
    pub(super) fn start(name: &str, run: impl FnOnce(mpsc::Receiver<J>) + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name(name.into()).spawn(move || run(receiver))?;
        Ok(Self(Mutex::new(Some((sender, thread)))))
    }

    /// Queues a job. Returns `false` if the thread is closed; the job is then dropped.
    pub(super) async fn send(&self, job: J) -> bool {
        let sender = self.0.lock().as_ref().map(|(sender, _)| sender.clone());
        match sender {
            Some(sender) => sender.send(job).await.is_ok(),
            None => false,
        }
    }

    /// Waits until all queued jobs are done and the thread has ended. A second call does nothing.
    pub(super) async fn close(&self) {
        let open = self.0.lock().take();
        if let Some((sender, thread)) = open {
            drop(sender);
            // Joined outside the runtime's threads: a caller that still waits for room in the queue holds a sender and
            // must be able to continue. A panic needs no report here: the thread has printed it, and its callers see
            // that their answers are lost.
            let _joined = tokio::task::spawn_blocking(|| thread.join()).await;
        }
    }
}
