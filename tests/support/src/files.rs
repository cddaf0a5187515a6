//! Places with the built-in store, whose files can be elsewhere and can be restored from a copy.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    disk::{Disk, as_root},
    process::Place,
    sites::sites,
};

/// A place with the built-in store.
pub fn place() -> Place {
    let place = sites();
    place.with_store(place.path("truycap.db"))
}

impl Place {
    /// The same place with the store at another path.
    pub fn with_store(&self, path: impl AsRef<Path>) -> Self {
        self.clone().with("STORE__URL", &format!("sqlite:{}", path.as_ref().display()))
    }

    pub fn store(&self) -> PathBuf {
        self.environment["TRUYCAP_STORE__URL"].trim_start_matches("sqlite:").into()
    }
}

impl Disk {
    /// The same place, with its processes in the mount namespace of the disk.
    pub fn visible_to(&self, mut place: Place) -> Place {
        let user: &[&str] = if as_root() { &[] } else { &["--user", "--preserve-credentials"] };
        let words = ["nsenter", "--target", &self.holder.id().to_string(), "--mount"].map(str::to_owned);
        place.launcher = words.into_iter().chain(user.iter().map(|word| (*word).into())).collect();
        place
    }
}

/// Copies a database that no process has open.
pub fn copy_aside(path: &Path) -> PathBuf {
    let copy = path.with_extension("copy");
    let log = fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "{} is not closed", path.display());
    fs::copy(path, &copy).unwrap();
    copy
}

/// Replaces a database that no process has open by a copy.
pub fn put_back(path: &Path, copy: &Path) {
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(beside(path, suffix));
    }
    fs::copy(copy, path).unwrap();
}

/// A file that SQLite keeps beside the database.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", path.display()).into()
}
