//! The journal as an SQLite file: [`SqliteJournal`].
//!
//! One thread owns the connection and executes commands in the order of the calls. It answers after the commit, which is
//! after the fsync. The parts:
//!
//! - `thread`: the commands and the thread's loop
//! - `open`: finds, checks or makes the file
//! - `file`: the open file, and what the commands write to it
//! - `read`: reads entries back
//! - `survey`: looks into a journal without opening it
//! - `handles`: the file and its log through handles of our own, beside SQLite's
//! - [`entry`]: the bytes of an entry
//! - `schema`: the format of the file, and values in SQLite's columns
//! - `errors`: what SQLite's errors mean
//!
//! **Size on disk.** The file itself grows to [`Config::max_bytes`] plus 256 KiB for a trim's own writes. The write-ahead
//! log `-wal` beside it is copied into the file when it passes 4 MiB, so it is at most 4 MiB plus one transaction. Neither
//! shrinks while the journal is open; their space is reused.
//!
//! **After an error.** A failed fsync can lose the writes it was to sync, and a second fsync does not report that. So after
//! an error of the disk nothing is read or written any more, except after a full disk, which leaves nothing behind. For the
//! same reason the thread makes the checkpoints: SQLite's automatic ones ignore errors.
//!
//! **After anything but a clean stop**, both files are written again in place when they are opened, before anything is
//! acknowledged: a process whose sync failed leaves pages in the kernel's cache that the disk does not have, and that the kernel
//! takes for clean. A clean stop empties the log, which shows it.
//!
//! **A file that is deleted, renamed or replaced** while it is open is noticed by the next append or trim. From then on both
//! fail, and what the open file holds can still be read.

use std::{sync::Arc, thread::JoinHandle};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::{Confirmed, Entry, Journal, JournalError, JournaledSite, Replay, Run, SeenCorrection, Usage};
use crate::domain::{
    producer::{Digest, Position, ProducerId, Seq},
    site::SiteId,
};
use file::Runs;
use thread::{Command, JournalThread, Reply};

pub mod entry;
mod errors;
mod file;
mod handles;
mod open;
mod read;
mod schema;
mod survey;
mod thread;

pub use errors::OpenError;
pub use open::Config;
pub use survey::{Survey, SurveyError, survey};

/// A journal in an SQLite file that only this process can open.
#[derive(Debug)]
pub struct SqliteJournal {
    runs: Runs,
    head_at_open: Position,
    commands: mpsc::UnboundedSender<Command>,
    thread: Mutex<Option<JoinHandle<Result<(), JournalError>>>>,
}

impl SqliteJournal {
    /// Opens a journal, or makes it. Blocks while it reads and writes the disk.
    ///
    /// # Errors
    /// If another process holds the file, it is not a journal, it has another format, it is damaged, or the disk does not allow
    /// it.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        let file = open::open(&config)?;
        let (runs, head_at_open) = (Arc::clone(file.runs()), file.state().head);
        // Each caller waits for its answer, so there are no more commands than callers. Sending to an unbounded channel
        // never waits, so a command gets its place in the order when it is called.
        let (commands, receiver) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || JournalThread::new(file).run(receiver))
            .map_err(|error| OpenError::io(&config.path, error))?;
        Ok(Self { runs, head_at_open, commands, thread: Mutex::new(Some(thread)) })
    }

    /// Executes the commands that are queued, and closes the file. Later calls fail; closing again does nothing.
    ///
    /// Blocks while the file is written.
    ///
    /// # Errors
    /// If the journal had failed, or the write-ahead log could not be copied into the file. Nothing is lost: the next open
    /// reads the log. [`JournalError::Gone`] if the file is gone.
    pub fn close(&self) -> Result<(), JournalError> {
        let mut thread = self.thread.lock();
        let Some(thread) = thread.take() else { return Ok(()) };
        // If the thread has ended already, joining it returns the reason.
        let _ = self.commands.send(Command::Close);
        thread.join().unwrap_or_else(|_| Err(JournalError::Failed("its thread panicked".into())))
    }

    async fn call<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, JournalError> {
        let (reply, answer) = oneshot::channel();
        // A command that the thread does not receive drops its reply, which ends the wait below.
        let _ = self.commands.send(command(reply));
        answer.await.unwrap_or_else(|_| Err(JournalError::Failed("it was closed".into())))
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    fn runs(&self) -> Arc<[Run]> {
        Arc::clone(&self.runs.read())
    }

    fn head_at_open(&self) -> Position {
        self.head_at_open
    }

    async fn append(&self, entry: Arc<Entry>) -> Result<Position, JournalError> {
        self.call(|reply| Command::Append { entry, reply }).await
    }

    async fn read(&self, site: &SiteId, after: Seq, upto: Seq) -> Result<Replay, JournalError> {
        self.call(|reply| Command::Read { site: site.clone(), after, upto, reply }).await
    }

    async fn digest(&self, seq: Seq) -> Result<Option<Digest>, JournalError> {
        self.call(|reply| Command::Digest { seq, reply }).await
    }

    async fn trim(&self, confirmed: Vec<(SiteId, Confirmed)>, upto: Seq, delete: Seq) -> Result<Usage, JournalError> {
        self.call(|reply| Command::Trim { confirmed, upto, delete, reply }).await
    }

    async fn part(&self, site: &SiteId, producer: ProducerId, after: Seq) -> Result<Confirmed, JournalError> {
        self.call(|reply| Command::Part { site: site.clone(), producer, after, reply }).await
    }

    async fn is_parted(&self, producer: ProducerId) -> Result<bool, JournalError> {
        self.call(|reply| Command::IsParted { producer, reply }).await
    }

    async fn corrections(&self, site: &SiteId) -> Result<Vec<SeenCorrection>, JournalError> {
        self.call(|reply| Command::Corrections { site: site.clone(), reply }).await
    }

    async fn keep_corrections(&self, site: &SiteId, after: u64, seen: Vec<SeenCorrection>) -> Result<(), JournalError> {
        self.call(|reply| Command::KeepCorrections { site: site.clone(), after, seen, reply }).await
    }

    async fn sites(&self) -> Result<Vec<JournaledSite>, JournalError> {
        self.call(|reply| Command::Sites { reply }).await
    }
}
