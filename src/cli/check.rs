//! `truycap check`: the configuration, and whether journal and store can be used.

use std::path::PathBuf;

use serde::Serialize;

use super::{Sentence, say, say_json};
use crate::{
    app,
    config::{Config, StoreUrl},
    journal::sqlite::{OpenError, SqliteJournal},
};

/// What was found.
#[derive(Serialize)]
struct Report {
    ok: bool,
    sites: Vec<Site>,
    journal: Journal,
    store: Found,
}

#[derive(Serialize)]
struct Site {
    id: String,
    timezone: &'static str,
}

#[derive(Serialize)]
struct Journal {
    path: PathBuf,
    /// Whether a running service has it.
    in_use: bool,
    error: Option<Sentence>,
}

#[derive(Serialize)]
struct Found {
    url: String,
    advice: Vec<String>,
    error: Option<Sentence>,
}

/// Tells what would be used, and opens journal and store to see that they can be. Files are made where they are not there.
pub(super) async fn check(config: &Config, json: bool) -> Result<(), Sentence> {
    let sites = config.sites.iter().map(|site| Site { id: site.id.to_string(), timezone: site.timezone.name() }).collect();
    let (journal, store) = (check_journal(config), check_store(config).await);
    let report = Report { ok: journal.error.is_none() && store.error.is_none(), sites, journal, store };
    if json {
        say_json(&report)?
    } else {
        say(&report.text())?
    }
    let problems: Vec<_> = [report.journal.error, report.store.error].into_iter().flatten().collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

impl Report {
    /// All but what is wrong.
    fn text(&self) -> String {
        let ids: Vec<_> = self.sites.iter().map(|site| format!("{} ({})", site.id, site.timezone)).collect();
        let mut text = format!("configuration: right; sites: {}\n", ids.join(", "));
        let journal = self.journal.path.display();
        match &self.journal {
            Journal { error: Some(_), .. } => {}
            Journal { in_use: true, .. } => text += &format!("journal: {journal} is in use by a running truycap\n"),
            Journal { .. } => text += &format!("journal: {journal} can be used\n"),
        }
        if self.store.error.is_none() {
            text += &format!("store: {} can be used\n", self.store.url);
        }
        text.extend(self.store.advice.iter().map(|advice| format!("store: {advice}\n")));
        text
    }
}

fn check_journal(config: &Config) -> Journal {
    let (in_use, error) = match SqliteJournal::open(config.journal.clone()) {
        Ok(_) => (false, None),
        // What a running service holds is in use, so it can be used.
        Err(OpenError::Held(_)) => (true, None),
        Err(error) => (false, Some(error.to_string())),
    };
    Journal { path: config.journal.path.clone(), in_use, error }
}

async fn check_store(config: &Config) -> Found {
    let found = look(config).await;
    let (advice, error) = found.map_or_else(|error| (Vec::new(), Some(error)), |advice| (advice, None));
    Found { url: config.store.to_string(), advice, error }
}

/// Opens the store, and answers with what could be better about it.
async fn look(config: &Config) -> Result<Vec<String>, Sentence> {
    let store = app::open_store(config).map_err(|failure| failure.to_string())?;
    let found = async {
        store.ping().await?;
        store.verify().await?;
        store.advice().await
    };
    let found = found.await;
    store.close().await;
    found.map_err(|error| match &config.store {
        StoreUrl::Sqlite(path) => format!("{}: {error}", path.display()),
        // These name their place themselves.
        StoreUrl::Redis(_) => error.to_string(),
    })
}
