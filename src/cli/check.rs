//! `truycap check`: verifies the configuration, and that journal and store can be used.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    missing_store::refuse_missing_store,
    output::{Message, print, print_json},
};
use crate::{
    app,
    config::{Config, Effective, StoreUrl},
    domain::producer::ProducerId,
    journal::sqlite::{OpenError, SqliteJournal},
    store,
};

/// The result of a check.
#[derive(Serialize)]
struct Report {
    ok: bool,
    /// The values that differ from the built-in ones, and where they come from.
    values: Vec<Value>,
    /// What is worth a second look.
    advice: Vec<String>,
    sites: Vec<Site>,
    journal: Journal,
    store: Store,
}

#[derive(Serialize)]
struct Value {
    key: String,
    value: String,
    layer: String,
}

#[derive(Serialize)]
struct Site {
    id: String,
    timezone: &'static str,
}

#[derive(Serialize)]
struct Journal {
    path: PathBuf,
    /// Whether a running service holds it.
    in_use: bool,
    error: Option<Message>,
}

#[derive(Serialize)]
struct Store {
    url: String,
    advice: Vec<String>,
    error: Option<Message>,
}

/// Prints what a service would use, and opens journal and store to verify that they can be used. Missing files are made, but not
/// a store's that is missing by the journal. `full` also compares the store's parts with each other.
pub(super) async fn check(config: &Config, full: bool, json: bool) -> Result<(), Message> {
    let sites = config.sites.iter().map(|site| Site { id: site.id.to_string(), timezone: site.timezone.name() }).collect();
    let (journal, store) = (check_journal(config), check_store(config, full).await);
    let value = |value: &Effective| Value { key: value.key.clone(), value: value.value.clone(), layer: value.layer.clone() };
    let (values, advice) = (config.differences().map(value).collect(), config.origin_advice());
    let report = Report { ok: journal.error.is_none() && store.error.is_none(), values, advice, sites, journal, store };
    if json {
        print_json(&report)?
    } else {
        print(&report.text())?
    }
    let problems: Vec<_> = [report.journal.error, report.store.error].into_iter().flatten().collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

impl Report {
    /// Everything except the errors.
    fn text(&self) -> String {
        let ids: Vec<_> = self.sites.iter().map(|site| format!("{} ({})", site.id, site.timezone)).collect();
        let mut text = format!("configuration: valid; sites: {}\n", ids.join(", "));
        text.extend(self.values.iter().map(|value| format!("configuration: {} = {} ({})\n", value.key, value.value, value.layer)));
        text.extend(self.advice.iter().map(|advice| format!("configuration: {advice}\n")));
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
        // A running service holds it, so it can be used.
        Err(OpenError::InUse(_)) => (true, None),
        Err(error) => (false, Some(error.to_string())),
    };
    Journal { path: config.journal.path.clone(), in_use, error }
}

async fn check_store(config: &Config, full: bool) -> Store {
    let (advice, error) = store_advice(config, full).await.map_or_else(|error| (Vec::new(), Some(error)), |advice| (advice, None));
    Store { url: config.store.to_string(), advice, error }
}

/// The most sites that a check names as unusable.
const MAX_NAMED: usize = 10;

/// Asks the store for each site. One of another version fails, and one whose keys are on another node of a cluster.
async fn check_sites(store: &dyn store::Store, config: &Config) -> Result<(), Message> {
    let mut wrong = Vec::new();
    for site in &config.sites {
        if let Err(error) = store.offset(&site.id, ProducerId(0)).await {
            wrong.push(format!("site {}: {error}", site.id));
        }
        if wrong.len() == MAX_NAMED {
            wrong.push("there can be more such sites".into());
            break;
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Opens and verifies the store, and returns its advice.
async fn store_advice(config: &Config, full: bool) -> Result<Vec<String>, Message> {
    refuse_missing_store(config).await?;
    let store = app::open_store(config).map_err(|error| error.to_string())?;
    let named = |error: String| match &config.store {
        StoreUrl::Sqlite(path) => format!("{}: {error}", path.display()),
        // A Redis store's errors name their server.
        StoreUrl::Redis(_) => error,
    };
    let advice = async {
        store.ping().await.map_err(|error| named(error.to_string()))?;
        store.verify(full).await.map_err(|error| named(error.to_string()))?;
        check_sites(&*store, config).await.map_err(named)?;
        store.advice().await.map_err(|error| named(error.to_string()))
    };
    let advice = advice.await;
    store.close().await;
    advice
}
