//! A place with two sites, whose files can be elsewhere, and can be put back from a copy.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::process::Place;

/// The sites that are counted.
pub(crate) const SITES: [&str; 2] = ["portal", "khoa"];

/// A place where these sites are counted, and views reach the store soon.
pub(crate) fn place() -> Place {
    let sites = SITES.map(|id| format!("{{ id = \"{id}\", origins = [\"https://{id}.example.vn\"] }}")).join(", ");
    let place = Place::new().with("SITES", &format!("[{sites}]")).with("STORE__FLUSH_INTERVAL", "20ms");
    place.with_journal(place.path("journal.db")).with_store(place.path("truycap.db"))
}

impl Place {
    /// The same with a journal elsewhere.
    pub(crate) fn with_journal(&self, path: impl AsRef<Path>) -> Self {
        self.clone().with("JOURNAL__PATH", &path.as_ref().display().to_string())
    }

    /// The same with a store elsewhere.
    pub(crate) fn with_store(&self, path: impl AsRef<Path>) -> Self {
        self.clone().with("STORE__URL", &format!("sqlite:{}", path.as_ref().display()))
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.environment["TRUYCAP_JOURNAL__PATH"].as_str().into()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.environment["TRUYCAP_STORE__URL"].trim_start_matches("sqlite:").into()
    }
}

/// Copies a file that nobody has open, with what belongs to it.
pub(crate) fn copy_aside(path: &Path) -> PathBuf {
    let copy = path.with_extension("copy");
    let log = fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "{} is not closed", path.display());
    fs::copy(path, &copy).unwrap();
    copy
}

/// Puts a copy back in the place of a file that nobody has open.
pub(crate) fn put_back(path: &Path, copy: &Path) {
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(beside(path, suffix));
    }
    fs::copy(copy, path).unwrap();
}

/// A file that SQLite keeps beside another.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", path.display()).into()
}
