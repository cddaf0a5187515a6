//! Finds, checks or makes the journal's file.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, config::DbConfig};
use tracing::info;

use super::{
    errors::{OpenError, damaged},
    file::{File, random_producer, reaching},
    handles::{Handles, log_path},
    read::State,
    schema::{APPLICATION_ID, CORRECTIONS, FORMAT, PAGE_BYTES, TABLES, read_confirmed, read_position, read_producer, read_seq},
};
use crate::{
    domain::{producer::Position, site::SiteId},
    file_access::check_access,
    journal::{JournalError, Run},
};

/// Where a journal is, and how large it can become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file. It is made if it does not exist, and so are the directories above it.
    pub path: PathBuf,
    /// The maximum size of the entries in bytes, rounded down to whole pages of 4 KiB. The write-ahead log comes on top.
    pub max_bytes: u64,
}

/// How long to wait for another process to release the lock, such as one that is just ending.
const LOCK_TIMEOUT: Duration = Duration::from_millis(250);

/// Opens the file for this process alone, and reads the journal's position.
pub(super) fn open(config: &Config) -> Result<File, OpenError> {
    let path = &std::path::absolute(&config.path).map_err(|error| OpenError::io(&config.path, error))?;
    refuse_orphaned_log(path)?;
    let new_names = make_directories(path).map_err(|error| OpenError::io(path, format!("its directory cannot be made: {error}")))?;
    check_access(path).map_err(|reason| OpenError::io(path, reason))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sqlite = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    let mut conn = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    lock(&conn).map_err(sqlite)?;
    check_or_make(&mut conn, path)?;
    configure(&conn).map_err(sqlite)?;
    let (state, earlier) = load(&conn, path)?;
    let io = |error: io::Error| OpenError::io(path, error);
    let handles = Handles::open(path).map_err(io)?;
    // A file without entries can be one whose making failed, before it had a log.
    if state.head == Position::START || !handles.closed_cleanly().map_err(io)? {
        handles.rewrite().map_err(io)?;
    }
    // SQLite syncs the content of its files, but ignores errors when it syncs their names. Both files exist by now.
    for directory in new_names.iter().map(PathBuf::as_path).chain(log_path(path).parent()) {
        sync_directory(directory).map_err(io)?;
    }
    let pages = u32::try_from(config.max_bytes / u64::from(PAGE_BYTES)).unwrap_or(u32::MAX);
    let run = Run { producer: random_producer().map_err(|error| OpenError::io(path, error))?, after: state.head.seq };
    // SQLite takes 0 for no limit, and allows at most 2^32 - 2 pages.
    let file = File::new(conn, handles, path.clone(), pages.clamp(1, u32::MAX / 2), state, earlier, run).map_err(sqlite)?;
    file.read(|entries| entries.digest(file.state().head.seq)).map_err(|error| open_error(path, error))?;
    Ok(file)
}

/// Refuses a log without its file: SQLite would delete it as a leftover, with the views that are only in it.
pub(super) fn refuse_orphaned_log(path: &Path) -> Result<(), OpenError> {
    let bytes = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    if bytes(path) == 0 && bytes(&log_path(path)) > 0 {
        return Err(open_error(path, damaged(path, "it is empty or missing, but its -wal is not")));
    }
    Ok(())
}

/// Makes the directories above a file, and returns those that get a new name in them; the file's own directory is always
/// one of them.
fn make_directories(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut holders = Vec::new();
    for directory in path.ancestors().skip(1) {
        holders.push(directory.to_owned());
        if directory.exists() {
            break;
        }
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(holders)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// The lock is taken by the first transaction and kept until the connection is closed.
fn lock(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(LOCK_TIMEOUT)?;
    // SQLite's checkpoint on close would be a second attempt after a failed fsync.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Set before the first access, this also keeps the log's index in memory, which a full disk does not affect.
    conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "page_size", PAGE_BYTES)
}

/// Makes the tables in an empty file, and refuses a file that is not a journal of a known format.
fn check_or_make(conn: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let sqlite = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    let tx = conn.transaction_with_behavior(TransactionBehavior::Exclusive).map_err(sqlite)?;
    let is_new = !is_journal(&tx, path)?;
    if is_new {
        make(&tx).map_err(sqlite)?;
    }
    tx.execute_batch(CORRECTIONS).map_err(sqlite)?;
    tx.commit().map_err(sqlite)?;
    if is_new {
        info!(event = "journal_made", path = %path.display(), "a new journal was made");
    }
    Ok(())
}

/// Whether a file is a journal of a known format; false if it is empty.
pub(super) fn is_journal(conn: &Connection, path: &Path) -> Result<bool, OpenError> {
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| OpenError::sqlite(path, &error));
    let application = number("PRAGMA application_id")?;
    let format = number("PRAGMA user_version")?;
    match (application, format, number("SELECT count(*) FROM sqlite_schema")?) {
        (0, 0, 0) => Ok(false),
        (id, _, _) if id != i64::from(APPLICATION_ID) => Err(OpenError::Foreign(path.into())),
        (_, FORMAT, _) => Ok(true),
        (_, found, _) if found > 0 => Err(OpenError::Format { path: path.into(), found }),
        _ => Err(open_error(path, damaged(path, format!("its format {format} does not exist")))),
    }
}

fn make(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(TABLES)?;
    let start = Position::START.to_string();
    conn.execute("INSERT INTO meta(key, value) VALUES ('upto', 0), ('trimmed', ?1), ('probe', 0)", [start])?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.pragma_update(None, "user_version", FORMAT)
}

/// Sets what SQLite does not keep in the file.
fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "cell_size_check", true)
}

/// Reads the journal's position, and its runs. Verifies that the last entries are still there.
pub(super) fn load(conn: &Connection, path: &Path) -> Result<(State, Vec<Run>), OpenError> {
    let sqlite = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    let broken = |what: String| open_error(path, damaged(path, what));
    let meta = "SELECT value FROM meta WHERE key = ?1";
    let upto = conn.query_row(meta, ["upto"], |row| read_seq(row, 0)).map_err(sqlite)?;
    let trimmed = conn.query_row(meta, ["trimmed"], |row| row.get::<_, String>(0)).map_err(sqlite)?;
    let trimmed = trimmed.parse::<Position>().map_err(|error| broken(error.to_string()))?;

    let mut confirmed = HashMap::new();
    let mut statement = conn.prepare("SELECT site, producer, seq FROM confirmed").map_err(sqlite)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, read_confirmed(row, 1, 2)?))).map_err(sqlite)?;
    for row in rows {
        let (site, row) = row.map_err(sqlite)?;
        confirmed.insert(SiteId::parse(&site).map_err(|error| broken(error.to_string()))?, row);
    }
    let mut statement = conn.prepare("SELECT after, producer FROM runs ORDER BY after").map_err(sqlite)?;
    let runs = statement.query_map([], |row| Ok(Run { after: read_seq(row, 0)?, producer: read_producer(row, 1)? }));
    let runs = runs.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).map_err(sqlite)?;

    let first = conn.query_row("SELECT min(seq) FROM entries", [], |row| row.get::<_, Option<i64>>(0)).map_err(sqlite)?;
    let last = "SELECT seq, digest FROM entries ORDER BY seq DESC LIMIT 1";
    let last = conn.query_row(last, [], |row| read_position(row, 0, 1)).optional().map_err(sqlite)?;
    let head = last.unwrap_or(trimmed);
    // A run gets its row with its first entry.
    let held = runs.last().map_or(0, |run| run.after.saturating_add(1)).max(trimmed.seq).max(upto);
    if first.is_some_and(|first| u64::try_from(first).is_ok_and(|first| first <= trimmed.seq)) || head.seq < held {
        return Err(broken(format!("it ends with entry {}, but it held entries up to {held}", head.seq)));
    }
    let runs = reaching(&runs, head.seq, trimmed.seq);
    Ok((State { head, upto, trimmed, confirmed }, runs))
}

pub(super) fn open_error(path: &Path, error: JournalError) -> OpenError {
    match error {
        JournalError::Damaged(message) => OpenError::Damaged(message),
        JournalError::Full(reason) | JournalError::Gone(reason) | JournalError::Failed(reason) => OpenError::io(path, reason),
    }
}
