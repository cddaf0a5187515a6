//! The journal as an SQLite file: [`SqliteJournal`].
//!
//! One thread owns the connection and carries out commands in the order in which they were called; an answer is given
//! after the commit, which is after the fsync. The parts:
//!
//! - `worker`: the commands and the thread's loop
//! - `open`: finds, checks or makes the file
//! - `file`, `read`: what the commands write, and read back
//! - [`encoding`]: how an entry is written
//! - `errors`: what SQLite's errors mean
//!
//! **What is on the disk.** The file itself, up to [`Config::max_bytes`] and 256 KiB for what a trim writes, and beside it
//! the write-ahead log `-wal`: it is copied into the file when it passes 4 MiB, so it is as large as that and the one
//! transaction that passes it. Neither shrinks while the journal is open; their space is used again.
//!
//! **After an error.** An fsync that failed may have lost what it was asked to keep, and a second one would not tell. So
//! after an error of the disk nothing is read or written any more; only a full disk, which leaves nothing behind, is not such.
//! For the same reason checkpoints are made by the thread: SQLite's own would swallow their errors.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use super::{Entry, Journal, JournalError, Replay, Usage};
use crate::domain::{
    producer::{ProducerId, Seq},
    site::SiteId,
};
use worker::{Command, Reply};

pub mod encoding;
mod errors;
mod file;
mod open;
mod read;
mod worker;

pub use errors::OpenError;

/// Where a journal is, and how large it may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file. It is made where it does not exist, and so are the directories above it.
    pub path: PathBuf,
    /// The greatest size of the entries in bytes, rounded down to whole pages of 4 KiB. The write-ahead log comes on top.
    pub max_bytes: u64,
}

/// A journal in an SQLite file that only this process may open.
#[derive(Debug)]
pub struct SqliteJournal {
    producer: ProducerId,
    head_at_open: Seq,
    commands: mpsc::UnboundedSender<Command>,
    thread: Mutex<Option<JoinHandle<Result<(), JournalError>>>>,
}

impl SqliteJournal {
    /// Opens a journal, or makes it. Blocks while it reads and writes the disk.
    ///
    /// # Errors
    /// Where the file is held by somebody else, is not a journal, is damaged, or the disk does not allow it.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        let file = open::open(&config)?;
        let (producer, head_at_open) = (file.state().producer, file.state().head);
        // Every call waits for its answer, so there are no more commands than callers; and one that never has to wait
        // for room takes its place in the order when it is called.
        let (commands, receiver) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || worker::run(file, receiver))
            .map_err(|error| OpenError::io(&config.path, error))?;
        Ok(Self { producer, head_at_open, commands, thread: Mutex::new(Some(thread)) })
    }

    /// Carries out what was called before, and closes the file. Later calls fail; closing again does nothing.
    ///
    /// Blocks while the file is written.
    ///
    /// # Errors
    /// Where the journal had failed, or the write-ahead log could not be copied into the file. It is read from there
    /// when the journal is opened again: nothing is lost.
    pub fn close(&self) -> Result<(), JournalError> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = thread.take() else { return Ok(()) };
        // Where the thread is gone already, joining tells why.
        let _ = self.commands.send(Command::Close);
        thread.join().unwrap_or_else(|_| Err(JournalError::Failed("its thread panicked".into())))
    }

    async fn call<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, JournalError> {
        let (reply, answer) = oneshot::channel();
        // A command that the thread does not take drops its reply, which ends the wait below.
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
    fn producer(&self) -> ProducerId {
        self.producer
    }

    fn head_at_open(&self) -> Seq {
        self.head_at_open
    }

    async fn append(&self, entry: Arc<Entry>) -> Result<Seq, JournalError> {
        self.call(|reply| Command::Append { entry, reply }).await
    }

    async fn read(&self, site: &SiteId, after: Seq, upto: Seq) -> Result<Replay, JournalError> {
        self.call(|reply| Command::Read { site: site.clone(), after, upto, reply }).await
    }

    async fn trim(&self, offsets: Vec<(SiteId, Seq)>, upto: Seq, delete: Seq) -> Result<Usage, JournalError> {
        self.call(|reply| Command::Trim { offsets, upto, delete, reply }).await
    }

    async fn skip(&self, seq: Seq) -> Result<(), JournalError> {
        self.call(|reply| Command::Skip { seq, reply }).await
    }

    async fn sites(&self) -> Result<Vec<SiteId>, JournalError> {
        self.call(|reply| Command::Sites { reply }).await
    }
}
