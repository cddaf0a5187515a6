//! Looks into a journal without opening it as a process that counts does: nothing is made, changed or locked.
//!
//! SQLite takes locks to read, and a service that starts meanwhile would be refused. So the files are read without locks, and
//! afterwards it is verified that no other process has used them.

use std::{
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::{
    errors::OpenError,
    handles::log_path,
    open::{is_journal, load, open_error, refuse_orphaned_log},
    read::Reader,
};
use crate::{
    domain::producer::Seq,
    journal::{Backlog, JournaledSite},
};

/// What a path has in a URI as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// What is in a journal that no process has open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The last entry.
    pub head: Seq,
    /// The sites, with what waits of each by what the journal knows of the store.
    pub sites: Vec<JournaledSite>,
}

impl Survey {
    /// What waits, by what the journal knows of the store.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        let waiting = self.sites.iter().filter_map(|site| Some((site.id.clone(), site.unapplied?)));
        Backlog::of(waiting, self.head)
    }
}

/// Why a journal could not be looked into.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SurveyError {
    /// There is none.
    #[error("there is no journal {}; check the directory and the configuration", .0.display())]
    Missing(PathBuf),
    /// A running process has it open.
    #[error("the journal {} is held by {}", .path.display(), process(*.pid))]
    Held {
        /// The journal.
        path: PathBuf,
        /// The process, if it can be seen from here.
        pid: Option<i32>,
    },
    /// It cannot be read.
    #[error("{0}")]
    Open(#[from] OpenError),
}

fn process(pid: Option<i32>) -> String {
    pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
}

/// Looks into a journal. Its process must not have it open: closing a file drops a process's own locks on it.
///
/// # Errors
/// If there is none, a process has it open, or it cannot be read.
pub fn survey(path: &Path) -> Result<Survey, SurveyError> {
    let io = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => SurveyError::Missing(path.into()),
        _ => OpenError::io(path, error).into(),
    };
    refuse_orphaned_log(path)?;
    let file = fs::File::open(path).map_err(io)?;
    refuse_held(&file, path)?;
    let before = stamps(path);
    let survey = read(path);
    refuse_held(&file, path)?;
    if stamps(path) != before {
        return Err(SurveyError::Held { path: path.into(), pid: None });
    }
    Ok(survey?)
}

fn refuse_held(file: &fs::File, path: &Path) -> Result<(), SurveyError> {
    let held = fcntl_getlk(file, &Flock::from(FlockType::WriteLock)).map_err(|error| OpenError::io(path, error))?;
    match held {
        Some(lock) => Err(SurveyError::Held { path: path.into(), pid: lock.pid.map(|pid| pid.as_raw_nonzero().get()) }),
        None => Ok(()),
    }
}

/// What changes if another process writes to the file or its log.
fn stamps(path: &Path) -> [Option<(u64, u64, i64, i64)>; 2] {
    [path.to_owned(), log_path(path)].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    })
}

fn read(path: &Path) -> Result<Survey, OpenError> {
    let sqlite = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    let conn = open(path).map_err(sqlite)?;
    if !is_journal(&conn, path)? {
        return Ok(Survey::default());
    }
    let (state, runs) = load(&conn, path)?;
    let entries = Reader { conn: &conn, path, state: &state, runs: &runs };
    let sites = entries.digest(state.head.seq).and_then(|_| entries.sites());
    Ok(Survey { head: state.head.seq, sites: sites.map_err(|error| open_error(path, error))? })
}

/// Opens the file for reading, without locks. The log's index is in memory.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let has_log = fs::metadata(log_path(path)).is_ok_and(|log| log.len() > 0);
    // SQLite makes the log of a file if it looks for one.
    let log = if has_log { "" } else { "&immutable=1" };
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let uri = format!("file:{}?mode=ro&vfs=unix-none{log}", percent_encode(absolute.as_os_str().as_bytes(), PATH));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(uri, flags)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    Ok(conn)
}
