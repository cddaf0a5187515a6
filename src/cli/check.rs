//! `truycap check`: the configuration, and whether journal and store can be used.

use super::{Sentence, say};
use crate::{
    app,
    config::Config,
    journal::sqlite::{OpenError, SqliteJournal},
    store::Store,
};

/// Tells what would be used, and opens journal and store to see that they can be. Files are made where they are not there.
pub(super) async fn check(config: &Config) -> Result<(), Sentence> {
    let ids: Vec<_> = config.sites.iter().map(|site| format!("{} ({})", site.id, site.timezone)).collect();
    say(&format!("configuration: right; sites: {}\n", ids.join(", ")))?;
    let journal = config.journal.path.display();
    match SqliteJournal::open(config.journal.clone()) {
        Ok(_) => say(&format!("journal: {journal} can be used\n"))?,
        // What a running service holds is in use, so it can be used.
        Err(OpenError::Held(_)) => say(&format!("journal: {journal} is in use by a running truycap\n"))?,
        Err(error) => return Err(error.to_string()),
    }
    let store = app::open_store(config).map_err(|failure| failure.to_string())?;
    store.ping().await.map_err(|error| error.to_string())?;
    say(&format!("store: {} can be used\n", config.store))?;
    for advice in store.advise().await.map_err(|error| error.to_string())? {
        say(&format!("store: {advice}\n"))?;
    }
    store.close().await;
    Ok(())
}
