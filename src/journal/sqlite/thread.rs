//! The thread that owns the file, and the commands that it executes.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::file::File;
use crate::{
    domain::{
        producer::{Digest, Position, ProducerId, Seq},
        site::SiteId,
    },
    journal::{Confirmed, Entry, JournalError, JournaledSite, Replay, SeenCorrection, Usage},
};

pub(super) type Reply<T> = oneshot::Sender<Result<T, JournalError>>;

#[derive(Debug)]
pub(super) enum Command {
    Append { entry: Arc<Entry>, reply: Reply<Position> },
    Read { site: SiteId, after: Seq, upto: Seq, reply: Reply<Replay> },
    Digest { seq: Seq, reply: Reply<Option<Digest>> },
    Trim { confirmed: Vec<(SiteId, Confirmed)>, upto: Seq, delete: Seq, reply: Reply<Usage> },
    Part { site: SiteId, producer: ProducerId, after: Seq, reply: Reply<Confirmed> },
    IsParted { producer: ProducerId, reply: Reply<bool> },
    Corrections { site: SiteId, reply: Reply<Vec<SeenCorrection>> },
    KeepCorrections { site: SiteId, after: u64, seen: Vec<SeenCorrection>, reply: Reply<()> },
    Sites { reply: Reply<Vec<JournaledSite>> },
    Close,
}

pub(super) struct JournalThread {
    file: File,
    /// Set once, by the first error after which the state of the disk is unknown.
    failed: Option<JournalError>,
}

impl JournalThread {
    pub(super) fn new(file: File) -> Self {
        Self { file, failed: None }
    }

    /// Executes commands until [`Command::Close`].
    pub(super) fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) -> Result<(), JournalError> {
        while let Some(command) = commands.blocking_recv() {
            match command {
                Command::Append { entry, reply } => self.answer(reply, |file| file.append(&entry)),
                Command::Read { site, after, upto, reply } => {
                    self.answer(reply, |file| file.read(|entries| entries.read(&site, after, upto)))
                }
                Command::Digest { seq, reply } => self.answer(reply, |file| file.read(|entries| entries.digest(seq))),
                Command::Trim { confirmed, upto, delete, reply } => self.answer(reply, |file| file.trim(&confirmed, upto, delete)),
                Command::Part { site, producer, after, reply } => self.answer(reply, |file| file.part(&site, producer, after)),
                Command::IsParted { producer, reply } => self.answer(reply, |file| file.is_parted(producer)),
                Command::Corrections { site, reply } => self.answer(reply, |file| file.corrections(&site)),
                Command::KeepCorrections { site, after, seen, reply } => {
                    self.answer(reply, |file| file.keep_corrections(&site, after, &seen));
                }
                Command::Sites { reply } => self.answer(reply, |file| file.read(|entries| entries.sites())),
                Command::Close => break,
            }
            // Now rather than before the next entry, for which a client waits. If it fails, that entry gets the error.
            let _ = self.attempt(File::checkpoint_if_due);
        }
        self.attempt(File::close)
    }

    fn answer<T>(&mut self, reply: Reply<T>, work: impl FnOnce(&mut File) -> Result<T, JournalError>) {
        // A caller that is gone needs no answer.
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
