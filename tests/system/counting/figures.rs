//! What only these tests ask of the store.

use rusqlite::Connection;

use super::process::{Place, wait::PATIENCE};

/// The store's file, opened beside whoever uses it.
pub(crate) fn store(place: &Place) -> Connection {
    let store = Connection::open(place.path("data/truycap.db")).unwrap();
    store.busy_timeout(PATIENCE).unwrap();
    store
}
