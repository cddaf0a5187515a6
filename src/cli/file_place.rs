//! Whether a file of the service can be used by this user, without making or changing anything.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{statfs, statvfs},
    process::geteuid,
};

use super::output::Message;
use crate::file_access::{beside, check_access, check_directory};

/// What lies around the entries of a journal: its write-ahead log and spare pages.
const MARGIN_BYTES: u64 = 10 << 20;

/// File systems that lose files or locks: their number for the kernel, their name, and what is wrong with them.
const UNSAFE: [(u32, &str, &str); 11] = [
    (0x0102_1994, "tmpfs", MEMORY),
    (0x8584_58f6, "ramfs", MEMORY),
    (0x794c_7630, "overlay", LAYER),
    (0x6969, "NFS", NETWORK),
    (0xff53_4d42, "CIFS", NETWORK),
    (0xfe53_4d42, "SMB", NETWORK),
    (0x517b, "SMB", NETWORK),
    (0x0102_1997, "9P", NETWORK),
    (0x00c3_6400, "Ceph", NETWORK),
    (0x0bd0_0bd0, "Lustre", NETWORK),
    (0x6573_5546, "FUSE", "may be on another machine, where SQLite's locks and syncs are not reliable: make sure that it is local"),
];
/// File systems in which no file can be made: of processes, and of devices.
const WITHOUT_FILES: [u32; 2] = [0x9fa0, 0x6265_6572];

const MEMORY: &str = "is in memory, and empty after the machine restarts: use a disk";
const LAYER: &str = "can be a container's own layer, which is deleted with the container: use a volume";
const NETWORK: &str = "is on another machine, where SQLite's locks and syncs are not reliable: use a local disk";

/// A file, or the place for one.
pub(super) struct FilePlace<'a> {
    path: &'a Path,
    /// The directory of the file, or the nearest one above it that exists.
    directory: PathBuf,
}

impl<'a> FilePlace<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
        let directory = absolute.ancestors().skip(1).find(|directory| directory.exists()).unwrap_or(Path::new("/"));
        Self { path, directory: directory.into() }
    }

    /// The file and those that SQLite keeps beside it, if they exist.
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        ["", "-wal", "-shm"].map(|ending| beside(self.path, ending)).into_iter().filter(|path| path.exists())
    }

    /// Fails if this user cannot write the files, or make them.
    pub(super) fn verify(&self) -> Result<(), Message> {
        if self.files().next().is_some() {
            check_access(self.path)?;
        }
        self.verify_directory()
    }

    /// Fails if this user cannot make files in the directory.
    pub(super) fn verify_directory(&self) -> Result<(), Message> {
        check_directory(&self.directory)?;
        if self.directory.is_dir() && !self.kind().is_some_and(|kind| WITHOUT_FILES.contains(&kind)) {
            return Ok(());
        }
        Err(format!("no file can be made in {}", self.directory.display()))
    }

    /// The number of the file system for the kernel.
    fn kind(&self) -> Option<u32> {
        statfs(&self.directory).ok().and_then(|found| u32::try_from(found.f_type).ok())
    }

    /// What an operator should know of the place of a file that must survive a restart.
    pub(super) fn advice(&self) -> Vec<String> {
        let mut advice: Vec<_> = self.owners().into_iter().collect();
        let kind = self.kind();
        if let Some((_, name, what)) = UNSAFE.iter().find(|(number, ..)| Some(*number) == kind) {
            advice.push(format!("{} ({name}) {what}", self.directory.display()));
        }
        advice
    }

    /// Root may write everything; the service may not.
    fn owners(&self) -> Option<String> {
        let directory = fs::metadata(&self.directory).ok()?.uid();
        let foreign = self.files().find(|file| fs::metadata(file).is_ok_and(|metadata| metadata.uid() != directory));
        if let Some(file) = foreign {
            let file = file.display();
            return Some(format!(
                "{file} does not belong to the owner of its directory (uid {directory}): if the service runs as that user, it cannot write \
                 the file; run chown --reference={} {file}",
                self.directory.display()
            ));
        }
        (geteuid().is_root() && directory != 0).then(|| {
            format!("{} belongs to uid {directory}, and root may write everything: run this check as that user", self.directory.display())
        })
    }

    /// Says if the disk has no room for a journal of this size.
    pub(super) fn room_advice(&self, max_bytes: u64) -> Option<String> {
        let disk = statvfs(&self.directory).ok()?;
        let used: u64 = self.files().filter_map(|file| fs::metadata(file).ok()).map(|metadata| metadata.len()).sum();
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let size = bytesize::ByteSize;
        (free.saturating_add(used) < max_bytes.saturating_add(MARGIN_BYTES)).then(|| {
            format!(
                "{} has {} free, and journal.max_bytes is {}: the disk is full before the journal is, and no alert comes before that; \
                 lower journal.max_bytes, or make room",
                self.directory.display(),
                size(free),
                size(max_bytes)
            )
        })
    }
}
