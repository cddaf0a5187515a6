//! Puts a backup into the place of the store's file.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, fchown},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::file;
use crate::file_access::beside;

/// Why the file of a store was not replaced. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// It has counts, and the caller does not want to lose them.
    #[error("{} has counts: to replace them with those of the backup, add --replace", .0.display())]
    HasCounts(PathBuf),
    /// Another process uses it.
    #[error("{} is in use by another process: stop the service, and wait until other commands have ended", .0.display())]
    InUse(PathBuf),
    /// There was none, but another process has made one.
    #[error("another process made {} meanwhile: stop the service, and repeat the restore", .0.display())]
    Made(PathBuf),
    /// It is not a store.
    #[error("{} is not replaced: {reason}", .0.display(), reason = .1)]
    Foreign(PathBuf, String),
    /// It cannot be read, as a damaged one.
    #[error("{} cannot be read ({reason}): to replace it by the backup, add --replace", .0.display(), reason = .1)]
    Unreadable(PathBuf, String),
    /// The system refused it.
    #[error("{}: {reason}", .0.display(), reason = .1)]
    Io(PathBuf, String),
}

/// The file of a store, locked against other processes, and ready to be replaced.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    old: Old,
}

/// What is replaced.
#[derive(Debug)]
enum Old {
    /// There is no file.
    Missing,
    /// A file that no process can use as a store.
    Damaged,
    /// The connection keeps other processes away.
    Locked(Connection),
}

impl Target {
    /// Checks that the file can be replaced: it does not exist, has no counts, or `replace` is set. Changes nothing.
    ///
    /// # Errors
    /// If it must not be replaced.
    pub fn open(path: &Path, replace: bool) -> Result<Self, ReplaceError> {
        // A symbolic link stays, and the file behind it is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
        if !path.try_exists().map_err(|error| ReplaceError::Io(path.clone(), error.to_string()))? {
            return Ok(Self { path, old: Old::Missing });
        }
        match lock(&path) {
            Ok((conn, sites)) if sites == 0 || replace => Ok(Self { path, old: Old::Locked(conn) }),
            Ok(_) => Err(ReplaceError::HasCounts(path)),
            Err(Locking::Foreign(reason)) => Err(ReplaceError::Foreign(path, reason)),
            Err(Locking::Sqlite(error)) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Err(ReplaceError::InUse(path)),
                _ if replace => Ok(Self { path, old: Old::Damaged }),
                _ => {
                    let reason = file::reason(&path, &error);
                    Err(ReplaceError::Unreadable(path, reason))
                }
            },
        }
    }

    /// The directory of the file, to which the backup is copied first.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// Gives a copy of the backup, which is in the same directory, the owner and the mode of the file that it replaces. Without
    /// one, its owner is that of the directory: the user of the service must be able to write to it.
    ///
    /// # Errors
    /// If this process may not change the owner, and it is another one.
    pub fn adopt(&self, copy: &fs::File) -> Result<(), ReplaceError> {
        let adopt = || {
            let (like, mode) = match fs::metadata(&self.path) {
                Ok(old) => (old.clone(), Some(old.permissions())),
                Err(_) => (fs::metadata(self.directory())?, None),
            };
            let own = copy.metadata()?;
            if (own.uid(), own.gid()) != (like.uid(), like.gid()) && (own.uid() != like.uid() || mode.is_some()) {
                fchown(copy, Some(like.uid()), Some(like.gid())).map_err(|error| {
                    io::Error::new(
                        error.kind(),
                        format!("it must belong to user {}: run this command as that user or as root ({error})", like.uid()),
                    )
                })?;
            }
            mode.map_or(Ok(()), |mode| copy.set_permissions(mode))
        };
        adopt().map_err(|error| ReplaceError::Io(self.path.clone(), error.to_string()))
    }

    /// Replaces the file. `rename` moves the copy of the backup to this path, in one atomic step; it overwrites a file there only if
    /// it is passed true.
    ///
    /// # Errors
    /// If that fails. The file is as it was, unless it was damaged.
    pub fn replace(self, rename: impl FnOnce(&Path, bool) -> io::Result<()>) -> Result<(), ReplaceError> {
        let Self { path, old } = &self;
        let failed = |error: String| ReplaceError::Io(path.clone(), error);
        match old {
            // The old file takes in its log, so that it is whole without it until the moment it is replaced.
            Old::Locked(conn) => conn
                .pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))
                .map_err(|error| failed(file::reason(path, &error)))?,
            // The log of a store that was made meanwhile must stay.
            Old::Missing if path.exists() => return Err(ReplaceError::Made(path.clone())),
            Old::Missing | Old::Damaged => {}
        }
        self.remove_logs().map_err(|error| failed(error.to_string()))?;
        // The lock is kept until the new file is in place: SQLite writes nothing when it closes a file without a log.
        rename(path, !matches!(old, Old::Missing)).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => ReplaceError::Made(path.clone()),
            _ => failed(error.to_string()),
        })
    }

    /// SQLite would take the log of another file for that of the new one, also if a power cut undid the removal but not the rename.
    fn remove_logs(&self) -> io::Result<()> {
        for suffix in ["-wal", "-shm", "-journal"] {
            match fs::remove_file(beside(&self.path, suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::File::open(self.directory())?.sync_all()
    }
}

enum Locking {
    Foreign(String),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Locking {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Locks the file against all other processes, also against those that read, and returns how many sites it has.
fn lock(path: &Path) -> Result<(Connection, u64), Locking> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Set before the first access: then SQLite fails if any other connection is open.
    conn.pragma_update(None, "locking_mode", "exclusive")?;
    conn.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
    if !file::check_marks(&conn)?.map_err(Locking::Foreign)? {
        return Ok((conn, 0));
    }
    let sites = conn.query_row("SELECT count(*) FROM sites", (), |row| super::site::number(row, 0))?;
    Ok((conn, sites))
}
