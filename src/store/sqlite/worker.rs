//! A thread with a bounded queue of jobs: SQLite blocks, and the threads of the runtime must not.

use std::{
    io,
    sync::{Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use tokio::sync::mpsc;

/// How many jobs wait at most before their callers do.
const QUEUE: usize = 1024;

/// A thread that works off a queue and ends when the worker is closed or dropped, all jobs being done.
pub(super) struct Worker<J>(Mutex<Option<(mpsc::Sender<J>, JoinHandle<()>)>>);

impl<J: Send + 'static> Worker<J> {
    /// Starts the thread; `run` works until the queue ends.
    pub(super) fn start(name: &str, run: impl FnOnce(mpsc::Receiver<J>) + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name(name.into()).spawn(move || run(receiver))?;
        Ok(Self(Mutex::new(Some((sender, thread)))))
    }

    /// Puts a job into the queue. `false` where the worker is closed: the job will not be done.
    pub(super) async fn send(&self, job: J) -> bool {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(sender, _)| sender.clone());
        match sender {
            Some(sender) => sender.send(job).await.is_ok(),
            None => false,
        }
    }

    /// Waits until all queued jobs are done and the thread has ended. Does nothing the second time.
    pub(super) async fn close(&self) {
        let worker = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((sender, thread)) = worker {
            drop(sender);
            // Joined off the runtime's threads: a caller that still waits for room in the queue holds a sender, and
            // must be able to go on. A thread that panicked has told so itself, and its callers have lost their answers.
            let _joined = tokio::task::spawn_blocking(|| thread.join()).await;
        }
    }
}
