//! The sites that faults are tried on.

use std::path::{Path, PathBuf};

use crate::process::Place;

/// The sites that are counted.
pub const SITES: [&str; 2] = ["portal", "khoa"];

/// A place where these sites are counted, and views reach the store soon.
pub fn sites() -> Place {
    let sites = SITES.map(|id| format!("{{ id = \"{id}\", origins = [\"https://{id}.example.vn\"] }}")).join(", ");
    let place = Place::new().with("SITES", &format!("[{sites}]")).with("STORE__FLUSH_INTERVAL", "20ms");
    place.with_journal(place.path("journal.db"))
}

impl Place {
    /// The same with a journal elsewhere.
    pub fn with_journal(&self, path: impl AsRef<Path>) -> Self {
        self.clone().with("JOURNAL__PATH", &path.as_ref().display().to_string())
    }

    pub fn journal(&self) -> PathBuf {
        self.environment["TRUYCAP_JOURNAL__PATH"].as_str().into()
    }
}
