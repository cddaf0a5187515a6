//! What SQLite's errors mean for the caller.

use std::path::{Path, PathBuf};

use rusqlite::{Error, ErrorCode};

use crate::journal::JournalError;

/// Why a journal could not be opened. Nothing that was in the file is changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another part of this one, has it open.
    #[error("the journal {} is held by another process: each instance of truycap needs a journal of its own", .0.display())]
    Held(PathBuf),
    /// A database of another program.
    #[error("{} is not a journal of truycap, but a database of another program; it was left as it is", .0.display())]
    Foreign(PathBuf),
    /// Written by a later version of this program.
    #[error("the journal {} has format {version}: it was written by a newer truycap, and only that can read it", .path.display())]
    Newer {
        /// The journal.
        path: PathBuf,
        /// Its format.
        version: i64,
    },
    /// It does not hold what was written to it.
    #[error("{0}")]
    Damaged(String),
    /// The file, its directory or the disk does not allow it.
    #[error("cannot use the journal {}: {reason}", .path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What was refused.
        reason: String,
    },
}

impl OpenError {
    pub(super) fn io(path: &Path, reason: impl ToString) -> Self {
        Self::Io { path: path.into(), reason: reason.to_string() }
    }

    pub(super) fn sqlite(path: &Path, error: &Error) -> Self {
        if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) {
            return Self::Held(path.into());
        }
        match journal_error(path, error) {
            JournalError::Damaged(message) => Self::Damaged(message),
            JournalError::Full(_) | JournalError::Failed(_) => Self::io(path, describe(error)),
        }
    }
}

/// What an error of a read, write, commit or checkpoint means.
///
/// Only a full disk or file is known to leave nothing behind: SQLite reports it before the commit is on its way.
/// After any other error, above all that of an fsync, what the disk holds is unknown.
pub(super) fn journal_error(path: &Path, error: &Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            JournalError::Full(format!("{}: the disk is full, or the journal has reached its greatest size", path.display()))
        }
        Some(ErrorCode::DatabaseCorrupt) => damaged(path, describe(error)),
        Some(ErrorCode::NotADatabase) => damaged(path, "it is not a journal at all, or its beginning was overwritten"),
        Some(_) => JournalError::Failed(format!("{}: {}", path.display(), describe(error))),
        // Not SQLite's own: a value of another type than was written.
        None => damaged(path, error),
    }
}

/// The one message for a damaged file: what is wrong, and what to do.
pub(super) fn damaged(path: &Path, what: impl std::fmt::Display) -> JournalError {
    JournalError::Damaged(format!(
        "{}: {what}. Stop truycap, keep a copy of this file and of its -wal, and move both aside to start with a new journal. \
         Views that the store had not yet applied are only in them",
        path.display()
    ))
}

fn describe(error: &Error) -> String {
    match error.sqlite_extended_error_code() {
        Some(code) => format!("{error} (SQLite error {code})"),
        None => error.to_string(),
    }
}
