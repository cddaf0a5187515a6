//! Does not make the embedded store's file if there should be one: a new, empty file would hide that counts are missing.

use std::path::Path;

use super::output::Message;
use crate::{
    config::{Config, StoreUrl},
    journal::sqlite::{SurveyError, survey},
};

/// Fails if the store's file is missing although the journal shows that there was one.
pub(super) fn refuse_missing_store(config: &Config) -> Result<(), Message> {
    let StoreUrl::Sqlite(store) = &config.store else { return Ok(()) };
    let journal = &config.journal.path;
    if !is_missing(store) || is_missing(journal) {
        return Ok(());
    }
    let why = match survey(journal) {
        Ok(survey) if survey.sites.iter().all(|site| site.confirmed.is_none()) => return Ok(()),
        Ok(_) => format!("although views of the journal {} were applied to a store", journal.display()),
        Err(SurveyError::Held { .. }) => "although truycap is running".into(),
        Err(error) => format!("and the journal does not show whether there was one: {error}"),
    };
    let instead = "restore it; for a new store, move the journal aside as well";
    Err(format!("the store's file {} is missing {why}; {instead}", store.display()))
}

/// Whether there is surely no file.
pub(super) fn is_missing(path: &Path) -> bool {
    matches!(path.try_exists(), Ok(false))
}
