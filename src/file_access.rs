//! Why a file of SQLite cannot be used: SQLite itself says "disk I/O error" or "unable to open database file".

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::{MetadataExt, fchown},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, AtFlags, CWD, accessat, statvfs},
    io::Errno,
    process::geteuid,
};

/// On a disk with less room than this, SQLite's errors are those of a full disk: it writes several pages at once.
const FULL_BYTES: u64 = 1 << 20;

/// Fails if this user cannot read and write a database, or cannot make the files that SQLite keeps beside it. A missing file
/// is not an error: SQLite creates it.
///
/// # Errors
/// A sentence that names the file, its owner and the user.
pub fn check_access(path: &Path) -> Result<(), String> {
    // SQLite keeps its files beside the one to which a symbolic link leads.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.into());
    for file in [path.clone(), beside(path, "-wal"), beside(path, "-shm")] {
        can(&file, Access::READ_OK | Access::WRITE_OK).map_err(|error| denied(&file, "read and write", error))?;
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    can(directory, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| denied(directory, "make SQLite's files (-wal, -shm) in", error))
}

/// Fails if this user cannot make files in a directory.
///
/// # Errors
/// A sentence that names the directory, its owner and the user.
pub fn check_directory(path: &Path) -> Result<(), String> {
    can(path, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| denied(path, "make files in", error))
}

/// Makes an empty file that is missing, if this is root in a directory of another user: the file belongs to that user, who runs the
/// service and must be able to write to it. SQLite gives the files that it keeps beside a database the same owner.
///
/// # Errors
/// If the file cannot be made, or its owner not be changed.
pub fn make_for_owner(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let owner = fs::metadata(directory)?;
    if !geteuid().is_root() || owner.uid() == 0 {
        return Ok(());
    }
    match fs::File::options().write(true).create_new(true).open(path) {
        Ok(file) => fchown(file, Some(owner.uid()), Some(owner.gid())),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Why an error of a database happened, if that can be seen: its disk is full, or this user cannot use it.
#[must_use]
pub fn find_reason(path: &Path) -> Option<String> {
    if is_disk_full(path) {
        return Some(format!("the disk of {} is full", path.display()));
    }
    check_access(path).err()
}

/// An error of SQLite with its code, which says more than the text, and what it means if only a file system can cause it.
#[must_use]
pub fn describe(error: &rusqlite::Error) -> String {
    use rusqlite::ffi::{SQLITE_IOERR_LOCK, SQLITE_IOERR_RDLOCK, SQLITE_IOERR_SHMLOCK, SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMOPEN};
    match error.sqlite_extended_error_code() {
        Some(code @ (SQLITE_IOERR_LOCK | SQLITE_IOERR_RDLOCK | SQLITE_IOERR_SHMLOCK | SQLITE_IOERR_SHMMAP | SQLITE_IOERR_SHMOPEN)) => {
            format!("its file system cannot lock or share files, like some network file systems: use a local disk (SQLite error {code})")
        }
        Some(code) => format!("{error} (SQLite error {code})"),
        None => error.to_string(),
    }
}

/// Whether the disk of a file, or of the directory in which it would be, has less than 1 MiB free.
#[must_use]
pub fn is_disk_full(path: &Path) -> bool {
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    statvfs(existing).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < FULL_BYTES)
}

fn can(path: &Path, access: Access) -> Result<(), Errno> {
    // Without a flag, it is a system call that every kernel and container engine knows. The user is the effective one too.
    match accessat(CWD, path, access, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

fn denied(path: &Path, what: &str, error: Errno) -> String {
    let path_shown = path.display();
    match error {
        Errno::ACCESS | Errno::PERM => {
            let owner = fs::metadata(path).map(|found| format!("it belongs to uid {} with mode {:o}", found.uid(), found.mode() & 0o7777));
            let owner = owner.unwrap_or_else(|_| "a directory above it is closed to this user".into());
            format!("this user (uid {}) cannot {what} {path_shown}: {owner}", geteuid().as_raw())
        }
        Errno::ROFS => format!("cannot {what} {path_shown}: its file system is read-only"),
        other => format!("cannot {what} {path_shown}: {}", io::Error::from(other)),
    }
}

/// A file that SQLite keeps beside a database, such as `-wal`.
#[must_use]
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
