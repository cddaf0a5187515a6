//! Access to the store's file.

use rusqlite::Connection;

use super::process::{Place, wait::PATIENCE};

/// Opens the store's file, which other processes can have open too.
pub(crate) fn store(place: &Place) -> Connection {
    let store = Connection::open(place.path("data/truycap.db")).unwrap();
    store.busy_timeout(PATIENCE).unwrap();
    store
}
