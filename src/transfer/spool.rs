//! Files that other commands do not see before they are complete.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

use rustix::fs::{Mode, OFlags};
use tempfile::{Builder, NamedTempFile};

const PREFIX: &str = ".truycap-";
const SUFFIX: &str = ".tmp";

/// How much is copied before the room on the disk is looked at again.
const STEP: u64 = 4 << 20;

/// How many files are made if other commands delete them. Each of these deletes at most one.
const ATTEMPTS: u32 = 20;

/// A file with a name of its own, which only its owner can read. It is deleted when it is dropped; if the process is killed, the
/// next one that makes one in the same directory deletes it.
#[derive(Debug)]
pub struct Unfinished(NamedTempFile);

impl Unfinished {
    /// Makes an empty file in a directory.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn make_in(directory: &Path) -> io::Result<Self> {
        delete_abandoned(directory);
        for _ in 0..ATTEMPTS {
            let file = Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(directory)?;
            // Shows other processes that it is in use. One that saw it before that can have deleted it.
            file.as_file().lock()?;
            if fs::symlink_metadata(file.path()).is_ok_and(|found| file.as_file().metadata().is_ok_and(|own| found.ino() == own.ino())) {
                return Ok(Self(file));
            }
        }
        Err(io::Error::other("other commands deleted each new file: repeat this command when they have ended"))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &File {
        self.0.as_file()
    }

    /// Syncs it, and moves it to its place in one atomic step. `replace` says whether it replaces a file there.
    ///
    /// # Errors
    /// If the system refuses it, or there is a file that must not be replaced.
    pub fn finish(self, path: &Path, replace: bool) -> io::Result<()> {
        self.0.as_file().sync_all()?;
        if replace { self.0.persist(path) } else { self.0.persist_noclobber(path) }?;
        File::open(directory_of(path))?.sync_all()
    }
}

/// The directory of a file.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Copies all of `from` into a file in a directory, and leaves `reserve` bytes of room on its disk.
///
/// # Errors
/// If `from` cannot be read, or the room does not suffice.
pub fn copy(mut from: impl Read, mut into: &File, directory: &Path, reserve: u64) -> io::Result<()> {
    loop {
        check_room(directory, reserve.saturating_add(STEP))?;
        if io::copy(&mut (&mut from).take(STEP), &mut into)? < STEP {
            return into.flush();
        }
    }
}

/// Copies all of `from` into a file without a name, which is gone when it is closed.
///
/// # Errors
/// See [`copy`].
pub fn spool(from: impl Read, directory: &Path, reserve: u64) -> io::Result<File> {
    let file = tempfile::tempfile_in(directory)?;
    copy(from, &file, directory, reserve)?;
    Ok(file)
}

/// Fails if the disk of a directory does not have as much room.
///
/// # Errors
/// That, or if the system does not tell.
pub fn check_room(directory: &Path, bytes: u64) -> io::Result<()> {
    let disk = rustix::fs::statvfs(directory)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= bytes {
        return Ok(());
    }
    let why = format!(
        "the disk of {} has {} MiB of room, and {} MiB must stay free for the journal",
        directory.display(),
        free >> 20,
        bytes >> 20
    );
    Err(io::Error::new(io::ErrorKind::StorageFull, why))
}

/// Deletes what killed processes have left. A failure only wastes space.
fn delete_abandoned(directory: &Path) {
    let names = fs::read_dir(directory).into_iter().flatten().flatten();
    let ours = names.filter(|name| name.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX)));
    for path in ours.map(|name| name.path()) {
        // The open of a FIFO would wait for a writer.
        let Ok(file) = rustix::fs::open(&path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        else {
            continue;
        };
        let file = File::from(file);
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) && file.try_lock().is_ok() {
            let _ = fs::remove_file(path);
        }
    }
    delete_orphaned_journals(directory);
}

/// SQLite's journal of a copy stays if the process is killed, also if the copy does not.
fn delete_orphaned_journals(directory: &Path) {
    for path in fs::read_dir(directory).into_iter().flatten().flatten().map(|name| name.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).filter(|name| name.starts_with(PREFIX));
        let Some(copy) = name.and_then(|name| name.strip_suffix("-journal")).filter(|copy| copy.ends_with(SUFFIX)) else { continue };
        if !directory.join(copy).exists() {
            let _ = fs::remove_file(&path);
        }
    }
}
