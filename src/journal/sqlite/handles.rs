//! The file and its log through handles of our own, beside SQLite's.
//!
//! Closing any handle of a file releases the locks that the process has on it. So these handles are kept until SQLite's
//! connection is closed.

use std::{
    fs, io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use crate::file_access::beside;

/// How many bytes are read and written again at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Where SQLite keeps the write-ahead log: beside the file to which a symbolic link leads.
pub(super) fn log_path(path: &Path) -> PathBuf {
    beside(&fs::canonicalize(path).unwrap_or_else(|_| path.into()), "-wal")
}

#[derive(Debug)]
pub(super) struct Handles {
    log: Handle,
    main: Handle,
}

#[derive(Debug)]
struct Handle {
    path: PathBuf,
    file: fs::File,
    /// Device and inode.
    id: (u64, u64),
}

impl Handles {
    /// Opens both files, which exist, after SQLite has the lock.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { log: Handle::open(log_path(path))?, main: Handle::open(path.into())? })
    }

    /// Whether everything was copied into the file when it was closed.
    pub(super) fn closed_cleanly(&self) -> io::Result<bool> {
        Ok(self.log.file.metadata()?.len() == 0)
    }

    /// Writes all bytes of both files again in place, so that the disk has what the kernel has.
    ///
    /// After a failed sync, the kernel can take pages for clean that never reached the disk. The log is first, so that the file
    /// on the disk is never ahead of its log.
    pub(super) fn rewrite(&self) -> io::Result<()> {
        self.log.rewrite()?;
        self.main.rewrite()
    }

    /// The path that no longer leads to the open file, if there is one.
    pub(super) fn missing(&self) -> Option<&Path> {
        [&self.main, &self.log].into_iter().find(|handle| !handle.is_present()).map(|handle| handle.path.as_path())
    }
}

impl Handle {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = fs::File::options().read(true).write(true).open(&path)?;
        let id = id(&file.metadata()?);
        Ok(Self { path, file, id })
    }

    fn rewrite(&self) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut at = 0;
        loop {
            match self.file.read_at(&mut buffer, at) {
                Ok(0) => return self.file.sync_all(),
                Ok(bytes) => {
                    self.file.write_all_at(&buffer[..bytes], at)?;
                    at += bytes as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn is_present(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| id(&found) == self.id)
    }
}

fn id(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
