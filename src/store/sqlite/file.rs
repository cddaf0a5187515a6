//! The file: created if it does not exist, recognised by its marks if it does, and never overwritten if it is not a store.

use std::{
    fs, io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, TransactionBehavior};
use tracing::info;

use crate::{
    file_access::{beside, check_access, describe, find_reason, make_for_owner},
    store::{StoreError, VERSION, refusal},
};

/// `TCst`: marks a file as a store of truycap, for `file(1)` and for [`open`].
pub(super) const APPLICATION_ID: i32 = 0x5443_7374;

/// How long to wait for another process that has locked the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The tables that every store has.
const TABLES: [&str; 7] = ["sites", "offsets", "site_views", "articles", "past", "sections", "top"];

/// Readers open the file for writing too: in WAL mode they write to the index in shared memory. No mutex is needed,
/// because each connection stays on one thread.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// What is wrong with a file that has other marks.
const FOREIGN: &str = "it is an SQLite file of another program";

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
        fs::create_dir_all(parent).map_err(|e| error(format!("its directory cannot be made: {e}")))?;
    }
    // SQLite would open a file that can only be read, and nothing would ever be applied.
    check_access(path).map_err(error)?;
    make_for_owner(path).map_err(|e| error(format!("it cannot be made: {e}")))?;
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match prepare(path) {
            // SQLite's own busy timeout does not apply if two processes change the journal mode of a new file.
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(10));
            }
            prepared => return prepared.map_err(|e| error(reason(path, &e)))?.map_err(error),
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
pub(super) fn reason(path: &Path, e: &rusqlite::Error) -> String {
    match e.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "it is not an SQLite file".into(),
        Some(ErrorCode::DatabaseBusy) => "another process has locked it".into(),
        _ => find_reason(path).unwrap_or_else(|| describe(e)),
    }
}

/// Makes the tables and the marks in an empty file.
pub(super) fn make(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(include_str!("schema.sql"))?;
    add_tables(conn)?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.pragma_update(None, "user_version", VERSION)
}

/// Adds the tables that files of this version lack if an earlier program made them. That program reads the others as before.
pub(super) fn add_tables(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(include_str!("corrections.sql"))
}

/// Whether a file is a store of this version; false if it is empty. Refuses any other file.
pub(super) fn check_marks(conn: &Connection) -> rusqlite::Result<Result<bool, String>> {
    let application: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: u32 = conn.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    Ok(match (application, u32::try_from(version).unwrap_or(u32::MAX), tables) {
        (APPLICATION_ID, VERSION, _) => Ok(true),
        (APPLICATION_ID, other, _) => Err(refusal("it", other)),
        (0, 0, 0) => Ok(false),
        _ => Err(FOREIGN.into()),
    })
}

/// Refuses a store that lacks a table.
pub(super) fn check_tables(conn: &Connection) -> rusqlite::Result<Result<(), String>> {
    let mut find = conn.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")?;
    for table in TABLES {
        if !find.exists([table])? {
            return Ok(Err(format!("it is damaged: it has no table {table}")));
        }
    }
    Ok(Ok(()))
}

/// The inner error reports a file that SQLite can read but that is not a store of this version.
fn prepare(path: &Path) -> rusqlite::Result<Result<Connection, String>> {
    let mut conn = Connection::open_with_flags(path, FLAGS | OpenFlags::SQLITE_OPEN_CREATE)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    if conn.is_readonly(MAIN_DB)? {
        return Ok(Err("it can be read, but not written".into()));
    }
    // Under the write lock, so that only one of two processes that start at once creates the tables.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let is_new = match check_marks(&tx)? {
        Ok(is_store) => !is_store,
        Err(reason) => return Ok(Err(reason)),
    };
    if is_new {
        make(&tx)?;
    } else {
        if let Err(reason) = check_tables(&tx)? {
            return Ok(Err(reason));
        }
        add_tables(&tx)?;
        // Under the write lock, nothing else writes to the log.
        if let Err(error) = write_log_again(path) {
            return Ok(Err(format!("its -wal cannot be written: {error}")));
        }
    }
    tx.commit()?;
    if is_new {
        info!(event = "store_made", path = %path.display(), "a new store was made: it holds no counts yet");
    }
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Ok(Err(format!("its file system does not allow journal mode WAL, only {mode}")));
    }
    conn.pragma_update(None, "synchronous", "full")?;
    // The first read makes the log of a new file.
    conn.pragma_query_value(None, "user_version", |_| Ok(()))?;
    Ok(Ok(conn))
}

/// The path of the log. SQLite keeps it beside the file to which a symbolic link leads.
pub(super) fn log_of(path: &Path) -> io::Result<PathBuf> {
    Ok(beside(&fs::canonicalize(path)?, "-wal"))
}

/// Writes the log again, byte for byte, and syncs it. After a failed sync, the kernel takes pages for clean that the disk never
/// got: SQLite would read them from memory and build on them.
fn write_log_again(path: &Path) -> io::Result<()> {
    let log = match fs::File::options().read(true).write(true).open(log_of(path)?) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        log => log?,
    };
    let (mut bytes, mut at) = (vec![0; 1 << 20], 0);
    loop {
        let read = log.read_at(&mut bytes, at)?;
        let Some(bytes) = bytes.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        log.write_all_at(bytes, at)?;
        at += read as u64;
    }
    log.sync_all()
}

/// The device and inode of the open file and of its log, to notice that one is deleted or replaced.
#[derive(Clone, Debug)]
pub(super) struct Identity([(PathBuf, (u64, u64)); 2]);

impl Identity {
    /// The file must be open: SQLite keeps its log from the first transaction until the last connection closes.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let of = |path: PathBuf| {
            let metadata = fs::metadata(&path)?;
            Ok::<_, io::Error>((path, (metadata.dev(), metadata.ino())))
        };
        Ok(Self([of(path.into())?, of(log_of(path)?)?]))
    }

    /// Says why a call failed, if that can be seen.
    pub(super) fn explain(&self, error: StoreError) -> StoreError {
        let explain = |message: String| find_reason(&self.0[0].0).map_or(message.clone(), |reason| format!("{reason} ({message})"));
        match error {
            StoreError::NotApplied(message) => StoreError::NotApplied(explain(message)),
            StoreError::PerhapsApplied(message) => StoreError::PerhapsApplied(explain(message)),
            other => other,
        }
    }

    /// Fails if a path does not lead to the open file any more. What is written to it would be lost.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        for (path, id) in &self.0 {
            if !fs::metadata(path).is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == *id) {
                return Err(StoreError::NotApplied(format!(
                    "{} was deleted or replaced while it was open; move it back, or restore it and restart",
                    path.display()
                )));
            }
        }
        Ok(())
    }
}
