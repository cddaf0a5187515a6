//! `truycap check`: the configuration, and whether journal and store can be used.

use super::{Sentence, say};
use crate::{
    app,
    config::{Config, StoreUrl},
    journal::sqlite::{OpenError, SqliteJournal},
    store::Store,
};

/// Tells what would be used, and opens journal and store to see that they can be. Files are made where they are not there.
pub(super) async fn check(config: &Config) -> Result<(), Sentence> {
    let ids: Vec<_> = config.sites.iter().map(|site| format!("{} ({})", site.id, site.timezone)).collect();
    say(&format!("configuration: right; sites: {}\n", ids.join(", ")))?;
    let problems: Vec<_> = [check_journal(config), check_store(config).await].into_iter().filter_map(Result::err).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

fn check_journal(config: &Config) -> Result<(), Sentence> {
    let journal = config.journal.path.display();
    match SqliteJournal::open(config.journal.clone()) {
        Ok(_) => say(&format!("journal: {journal} can be used\n")),
        // What a running service holds is in use, so it can be used.
        Err(OpenError::Held(_)) => say(&format!("journal: {journal} is in use by a running truycap\n")),
        Err(error) => Err(error.to_string()),
    }
}

async fn check_store(config: &Config) -> Result<(), Sentence> {
    let store = app::open_store(config).map_err(|failure| failure.to_string())?;
    let found = async {
        store.ping().await?;
        store.verify().await?;
        store.advise().await
    };
    let found = found.await;
    store.close().await;
    let advice = found.map_err(|error| match &config.store {
        StoreUrl::Sqlite(path) => format!("{}: {error}", path.display()),
        // These name their place themselves.
        StoreUrl::Redis(_) => error.to_string(),
    })?;
    say(&format!("store: {} can be used\n", config.store))?;
    advice.iter().try_for_each(|advice| say(&format!("store: {advice}\n")))
}
