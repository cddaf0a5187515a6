//! The file: created if it does not exist, recognised by its marks if it does, and never overwritten if it is not a store.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

/// `TCst`: marks a file as a store of truycap, for `file(1)` and for [`open`].
const APPLICATION_ID: i32 = 0x5443_7374;

/// The version of the schema.
const VERSION: i32 = 1;

/// How long to wait for another process that has locked the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Readers open the file for writing too: in WAL mode they write to the index in shared memory. No mutex is needed,
/// because each connection stays on one thread.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Why a file cannot be used as a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be used as the store: {reason}", path.display())]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, as a clause that follows a colon.
    pub reason: String,
}

/// Opens the file for writing. Creates it, and the directories above it, if it does not exist.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    let error = |reason| OpenError { path: path.into(), reason };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| error(e.to_string()))?;
    }
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match prepare(path) {
            // SQLite's own busy timeout does not apply if two processes change the journal mode of a new file.
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(10));
            }
            prepared => return prepared.map_err(|e| error(reason(&e)))?.map_err(error),
        }
    }
}

/// Opens a file that [`open`] has prepared, for reading only.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, FLAGS)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

/// What is wrong with a file, for the operator who configured it.
fn reason(e: &rusqlite::Error) -> String {
    match e.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "it is not an SQLite file".into(),
        _ => e.to_string(),
    }
}

/// The inner error reports a file that SQLite can read but that is not a store of this version.
fn prepare(path: &Path) -> rusqlite::Result<Result<Connection, String>> {
    let mut conn = Connection::open_with_flags(path, FLAGS | OpenFlags::SQLITE_OPEN_CREATE)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    // Under the write lock, so that only one of two processes that start at once creates the tables.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let application: i32 = tx.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: u32 = tx.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    match (application, version, tables) {
        (APPLICATION_ID, VERSION, _) => {}
        (APPLICATION_ID, other, _) => {
            return Ok(Err(format!("its schema version is {other}, but this program supports version {VERSION}")));
        }
        (0, 0, 0) => {
            tx.execute_batch(include_str!("schema.sql"))?;
            tx.pragma_update(None, "application_id", APPLICATION_ID)?;
            tx.pragma_update(None, "user_version", VERSION)?;
        }
        _ => return Ok(Err("it is an SQLite file of another program".into())),
    }
    tx.commit()?;
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Ok(Err(format!("its file system does not allow journal mode WAL, only {mode}")));
    }
    conn.pragma_update(None, "synchronous", "full")?;
    Ok(Ok(conn))
}
