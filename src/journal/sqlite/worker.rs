//! The thread that owns the file, and what it can be told.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::file::File;
use crate::{
    domain::{producer::Seq, site::SiteId},
    journal::{Entry, JournalError, Replay, Usage},
};

pub(super) type Reply<T> = oneshot::Sender<Result<T, JournalError>>;

#[derive(Debug)]
pub(super) enum Command {
    Append { entry: Arc<Entry>, reply: Reply<Seq> },
    Read { site: SiteId, after: Seq, upto: Seq, reply: Reply<Replay> },
    Trim { offsets: Vec<(SiteId, Seq)>, upto: Seq, delete: Seq, reply: Reply<Usage> },
    Skip { seq: Seq, reply: Reply<()> },
    Sites { reply: Reply<Vec<SiteId>> },
    Close,
}

/// Carries out commands until it is told to close.
pub(super) fn run(file: File, mut commands: mpsc::UnboundedReceiver<Command>) -> Result<(), JournalError> {
    let mut worker = Worker { file, failed: None };
    while let Some(command) = commands.blocking_recv() {
        match command {
            Command::Append { entry, reply } => worker.answer(reply, |file| file.append(&entry)),
            Command::Read { site, after, upto, reply } => worker.answer(reply, |file| file.read(&site, after, upto)),
            Command::Trim { offsets, upto, delete, reply } => worker.answer(reply, |file| file.trim(&offsets, upto, delete)),
            Command::Skip { seq, reply } => worker.answer(reply, |file| file.skip(seq)),
            Command::Sites { reply } => worker.answer(reply, |file| file.sites()),
            Command::Close => break,
        }
        // Now rather than before the next entry, which somebody waits for. Where it fails, that entry is told.
        let _ = worker.attempt(File::checkpoint_if_due);
    }
    worker.attempt(File::close)
}

struct Worker {
    file: File,
    /// Set once, by the first error after which the state of the disk is unknown.
    failed: Option<JournalError>,
}

impl Worker {
    fn answer<T>(&mut self, reply: Reply<T>, work: impl FnOnce(&mut File) -> Result<T, JournalError>) {
        // A caller that has gone needs no answer.
        let _ = reply.send(self.attempt(work));
    }

    fn attempt<T>(&mut self, work: impl FnOnce(&mut File) -> Result<T, JournalError>) -> Result<T, JournalError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = work(&mut self.file);
        if let Err(error @ JournalError::Failed(_)) = &result {
            self.failed = Some(error.clone());
        }
        result
    }
}
