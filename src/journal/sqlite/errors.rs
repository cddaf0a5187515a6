//! What SQLite's errors mean for the caller.

use std::path::{Path, PathBuf};

use rusqlite::{Error, ErrorCode};

use super::schema::FORMAT;
use crate::{
    file_access::{describe, find_reason, is_disk_full},
    journal::JournalError,
};

/// Why a journal could not be opened. The file is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another part of this one, has it open.
    #[error("the journal {} is held by another process: each truycap instance needs its own journal", .0.display())]
    InUse(PathBuf),
    /// Another program's database.
    #[error("{} is not a truycap journal but another program's database; it was not changed", .0.display())]
    Foreign(PathBuf),
    /// Of another format, older or newer.
    #[error("{}", refusal(.path, *.found))]
    Format {
        /// The journal.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// It does not hold what was written to it.
    #[error("{0}")]
    Damaged(String),
    /// The file, its directory or the disk cannot be used.
    #[error("cannot use the journal {}: {reason}", .path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
}

impl OpenError {
    pub(super) fn io(path: &Path, reason: impl ToString) -> Self {
        Self::Io { path: path.into(), reason: reason.to_string() }
    }

    pub(super) fn sqlite(path: &Path, error: &Error) -> Self {
        if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) {
            return Self::InUse(path.into());
        }
        match journal_error(path, error) {
            JournalError::Damaged(message) => Self::Damaged(message),
            JournalError::Full(_) | JournalError::Gone(_) | JournalError::Failed(_) => {
                Self::io(path, find_reason(path).unwrap_or_else(|| describe(error)))
            }
        }
    }
}

/// Why a journal of another format cannot be used.
fn refusal(path: &Path, found: i64) -> String {
    let instead = if found > FORMAT {
        "use the newer program that wrote it".into()
    } else {
        format!("a journal of format {found} must be drained by the program that wrote it, and then be moved aside")
    };
    format!("the journal {} has format {found}, and this program has format {FORMAT}: {instead}", path.display())
}

/// What an error of a read, write, commit or checkpoint means.
///
/// Only a full disk or file is known to leave nothing behind: SQLite reports it before the commit begins. After any other
/// error, above all that of an fsync, the content of the disk is unknown.
pub(super) fn journal_error(path: &Path, error: &Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) if is_disk_full(path) => JournalError::Full(format!("the disk of {} is full", path.display())),
        Some(ErrorCode::DiskFull) => JournalError::Full(format!("{} has reached journal.max_bytes", path.display())),
        Some(ErrorCode::DatabaseCorrupt) => damaged(path, describe(error)),
        Some(ErrorCode::NotADatabase) => damaged(path, "it is not a journal, or its beginning was overwritten"),
        Some(_) => {
            let reason = find_reason(path).map_or_else(String::new, |reason| format!("; {reason}"));
            JournalError::Failed(format!("{}: {}{reason}", path.display(), describe(error)))
        }
        // Not an error of SQLite itself: a value has another type than the one written.
        None => damaged(path, error),
    }
}

/// The message for a damaged file: what is wrong, and what to do.
pub(super) fn damaged(path: &Path, what: impl std::fmt::Display) -> JournalError {
    JournalError::Damaged(format!(
        "{}: {what}. Stop truycap, keep a copy of this file and of its -wal, and move both aside to start with a new journal. \
         They hold the only copy of the views that the store has not applied yet",
        path.display()
    ))
}

/// The message for a file that is no longer where it was.
pub(super) fn gone(missing: &Path) -> JournalError {
    JournalError::Gone(format!(
        "{} was deleted, renamed or replaced while truycap had it open. If you moved the journal and its -wal, move both back \
         before you start truycap again",
        missing.display()
    ))
}
