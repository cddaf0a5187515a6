//! Opens the configured store, and names its sites.

use std::sync::Arc;

use super::{
    missing_store::{is_missing, refuse_missing_store},
    output::Message,
};
use crate::{
    app,
    config::{Config, StoreUrl},
    store::Store,
};

pub(super) fn open(config: &Config) -> Result<Arc<dyn Store>, Message> {
    app::open_store(config).map_err(|error| error.to_string())
}

/// Opens the store for a command that only reads. Making a new, empty file would hide that the real one is elsewhere.
pub(super) fn open_existing(config: &Config) -> Result<Arc<dyn Store>, Message> {
    match &config.store {
        StoreUrl::Sqlite(path) if is_missing(path) => {
            Err(format!("there is no store {}; check the directory and the configuration", config.store))
        }
        _ => open(config),
    }
}

/// Opens the store for an import. A dry run makes no store, so there can be none.
pub(super) fn open_for_import(config: &Config, dry_run: bool) -> Result<Option<Arc<dyn Store>>, Message> {
    if dry_run && matches!(&config.store, StoreUrl::Sqlite(path) if is_missing(path)) {
        return Ok(None);
    }
    refuse_missing_store(config)?;
    open(config).map(Some)
}

/// The most sites that a message names.
const NAMED: usize = 20;

/// The message for the id of no configured site.
pub(super) fn unknown_site(config: &Config, site: &str) -> Message {
    let known: Vec<_> = config.sites.iter().map(|site| site.id.as_str()).take(NAMED).collect();
    let more = config.sites.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("there is no site {site:?}; configured: {}{more}", known.join(", "))
}
