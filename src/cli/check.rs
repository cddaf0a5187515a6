//! `truycap check`: verifies the configuration, and that addresses, journal and store can be used. It makes nothing.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    file_place::FilePlace,
    journal,
    missing_store::{is_missing, refuse_missing_store},
    output::{Message, print, print_json},
};
use crate::{
    app,
    audience::proxy_advice,
    config::{Config, Effective, PublicAddress, StoreUrl},
    domain::{producer::ProducerId, site},
    http::box_policy_bytes,
    journal::{
        Backlog,
        sqlite::{SurveyError, survey},
    },
    store,
    transfer::spool::directory_of,
};

/// The most sites that a check names.
const MAX_NAMED: usize = 10;

/// The header of a response above which the buffers of some proxies are too small, with what else is in the head.
const MAX_HEADER_BYTES: usize = 2048;

/// The result of a check.
#[derive(Serialize)]
struct Report {
    ok: bool,
    /// The values that differ from the built-in ones, and where they come from.
    values: Vec<Value>,
    /// What is valid in the configuration and perhaps not meant.
    advice: Vec<String>,
    sites: Vec<Site>,
    listen: Listen,
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
struct Listen {
    public: Listener,
    admin: Listener,
}

#[derive(Serialize)]
struct Listener {
    address: String,
    error: Option<Message>,
}

#[derive(Serialize)]
struct Journal {
    path: PathBuf,
    exists: bool,
    /// Whether a running service holds it.
    in_use: bool,
    /// What waits in it, if that is known.
    waiting: Option<Backlog>,
    advice: Vec<String>,
    error: Option<Message>,
}

#[derive(Serialize)]
struct Store {
    url: String,
    exists: bool,
    advice: Vec<String>,
    error: Option<Message>,
}

/// Prints what a service would use, and whether it can. `full` also compares the store's parts with each other.
pub(super) async fn check(config: &Config, full: bool, json: bool) -> Result<(), Message> {
    let sites = config.sites.iter().map(|site| Site { id: site.id.to_string(), timezone: site.timezone.name() }).collect();
    let (journal, store) = (check_journal(config), check_store(config, full).await);
    // A running service has its addresses.
    let listener = |address: String, error: Result<(), Message>| Listener { address, error: error.err() };
    let is_free = |check: &dyn Fn() -> Result<(), Message>| if journal.in_use { Ok(()) } else { check() };
    let value = |value: &Effective| Value { key: value.key.clone(), value: value.value.clone(), layer: value.layer.clone() };
    let values = config.differences().map(value).collect();
    let public = is_free(&|| check_public(&config.listen.public));
    let admin = is_free(&|| check_tcp("listen.admin", config.listen.admin));
    let listen =
        Listen { public: listener(config.listen.public.to_string(), public), admin: listener(config.listen.admin.to_string(), admin) };
    let mut report = Report { ok: false, values, advice: advice(config), sites, listen, journal, store };
    let errors = [&report.listen.public.error, &report.listen.admin.error, &report.journal.error, &report.store.error];
    let problems: Vec<_> = errors.into_iter().flatten().cloned().collect();
    report.ok = problems.is_empty();
    if json {
        print_json(&report)?
    } else {
        print(&report.text(config))?
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

impl Report {
    /// Everything except the errors.
    fn text(&self, config: &Config) -> String {
        let mut text = format!("configuration: valid; sites: {}\n", self.site_names());
        text.extend(self.values.iter().map(|value| format!("configuration: {} = {} ({})\n", value.key, value.value, value.layer)));
        let lines = |part: &str, advice: &[String]| advice.iter().map(|advice| format!("{part}: {advice}\n")).collect::<String>();
        text += &lines("configuration", &self.advice);
        let (path, journal) = (self.journal.path.display(), &self.journal);
        text += &match journal {
            Journal { error: Some(_), .. } => String::new(),
            Journal { in_use: true, .. } => format!("journal: {path} is in use by a running truycap\n"),
            Journal { exists: false, .. } => format!("journal: {path} does not exist yet; the service makes it\n"),
            Journal { .. } => format!("journal: {path} can be used\n"),
        };
        if let Some(waiting) = journal.waiting.as_ref().filter(|waiting| !waiting.is_empty()) {
            text += &format!("journal: {}\n", journal::text(waiting, config));
        }
        text += &lines("journal", &journal.advice);
        text += &match &self.store {
            Store { error: Some(_), .. } => String::new(),
            Store { exists: false, url, .. } => format!("store: {url} does not exist yet; the service makes it\n"),
            Store { url, .. } => format!("store: {url} can be used\n"),
        };
        text + &lines("store", &self.store.advice)
    }

    fn site_names(&self) -> String {
        if self.sites.len() > MAX_NAMED {
            return self.sites.len().to_string();
        }
        let names: Vec<_> = self.sites.iter().map(|site| format!("{} ({})", site.id, site.timezone)).collect();
        names.join(", ")
    }
}

/// What is valid in the configuration and perhaps not meant.
fn advice(config: &Config) -> Vec<String> {
    let long = |site: &&site::Site| box_policy_bytes(site) > MAX_HEADER_BYTES;
    let long = config.sites.iter().find(long).map(|site| {
        format!(
            "the box of site {} names its {} origins in a header of {} bytes, which is too long for some proxies: use wildcards such as \
             https://*.example.vn, or raise proxy_buffer_size of nginx",
            site.id,
            site.origins.len(),
            box_policy_bytes(site)
        )
    });
    let directory = match &config.listen.public {
        PublicAddress::Unix(path) => Some(directory_of(path)).filter(|directory| is_made_by_unit(directory)),
        _ => None,
    };
    let directory = directory.map(|directory| {
        let directory = directory.display();
        format!("listen.public: {directory} does not exist, and the service does not make it: its unit must, by RuntimeDirectory=")
    });
    config.origin_advice().into_iter().chain(proxy_advice(&config.clients, &config.sites)).chain(long).chain(directory).collect()
}

fn check_public(address: &PublicAddress) -> Result<(), Message> {
    match address {
        PublicAddress::Ip(address) => check_tcp("listen.public", *address),
        PublicAddress::Unix(path) => check_unix(path).map_err(|error| format!("listen.public: cannot listen on {address}: {error}")),
        // The service manager passes it to the service only.
        PublicAddress::Systemd => Ok(()),
    }
}

fn check_unix(path: &Path) -> Result<(), Message> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => return Err("the file exists and is not a socket".into()),
        Ok(_) if app::is_served(path).unwrap_or(false) => return Err("another process listens on it".into()),
        _ => {}
    }
    let directory = directory_of(path);
    if is_made_by_unit(directory) {
        return Ok(());
    }
    if !directory.is_dir() {
        return Err(format!("the directory {} does not exist, and the service does not make it", directory.display()));
    }
    FilePlace::new(path).verify_directory()
}

/// Whether a directory that does not exist can be one that a systemd unit makes at its start.
fn is_made_by_unit(directory: &Path) -> bool {
    directory.starts_with("/run") && !directory.exists()
}

fn check_tcp(key: &str, address: SocketAddr) -> Result<(), Message> {
    TcpListener::bind(address).map(drop).map_err(|error| format!("{key}: cannot listen on {address}: {error}"))
}

fn check_journal(config: &Config) -> Journal {
    let path = config.journal.path.clone();
    let place = FilePlace::new(&config.journal.path);
    let (exists, in_use, waiting, error) = match survey(&path) {
        Err(SurveyError::Held { .. }) => (true, true, journal::look(config).ok().map(|status| status.backlog), None),
        Err(SurveyError::Missing(_)) => (false, false, None, place.verify().err()),
        // A permission says more than what SQLite says about it.
        Err(SurveyError::Open(error)) => (true, false, None, Some(place.verify().err().unwrap_or_else(|| error.to_string()))),
        Ok(survey) => (true, false, Some(survey.backlog()), place.verify().err()),
    };
    let advice = place.advice().into_iter().chain(place.room_advice(config.journal.max_bytes)).collect();
    let error = error.map(|error| format!("journal.path: {error}"));
    Journal { path, exists, in_use, waiting, advice, error }
}

async fn check_store(config: &Config, full: bool) -> Store {
    let url = config.store.to_string();
    let (exists, mut advice) = match &config.store {
        StoreUrl::Sqlite(path) => (!is_missing(path), FilePlace::new(path).advice()),
        StoreUrl::Redis(_) => (true, Vec::new()),
    };
    let checked = match &config.store {
        StoreUrl::Sqlite(path) if is_missing(path) => {
            let missing = refuse_missing_store(config);
            missing.and_then(|()| FilePlace::new(path).verify().map_err(|error| format!("store.url: {error}"))).map(|()| Vec::new())
        }
        _ => store_advice(config, full).await,
    };
    let error = match checked {
        Ok(more) => {
            advice.extend(more);
            None
        }
        Err(error) => Some(error),
    };
    Store { url, exists, advice, error }
}

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

/// Opens and verifies a store that exists, and returns its advice.
async fn store_advice(config: &Config, full: bool) -> Result<Vec<String>, Message> {
    if let StoreUrl::Sqlite(path) = &config.store {
        FilePlace::new(path).verify().map_err(|error| format!("store.url: {error}"))?;
    }
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
