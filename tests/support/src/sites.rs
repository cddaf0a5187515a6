//! The sites of tests with faults.

use std::path::{Path, PathBuf};

use crate::process::Place;

/// The sites that are counted.
pub const SITES: [&str; 2] = ["portal", "khoa"];

/// A place with these sites and a short flush interval.
pub fn sites() -> Place {
    let sites = SITES.map(|id| format!("{{ id = \"{id}\", origins = [\"https://{id}.example.vn\"] }}")).join(", ");
    let place = Place::new().with("SITES", &format!("[{sites}]")).with("STORE__FLUSH_INTERVAL", "20ms");
    place.with_journal(place.path("journal.db"))
}

impl Place {
    /// The same place with the journal at another path.
    pub fn with_journal(&self, path: impl AsRef<Path>) -> Self {
        self.clone().with("JOURNAL__PATH", &path.as_ref().display().to_string())
    }

    pub fn journal(&self) -> PathBuf {
        self.environment["TRUYCAP_JOURNAL__PATH"].as_str().into()
    }
}
