//! The configuration: read once at the start, then plain values that the modules are given.
//!
//! Three layers, the later one winning key by key: what is built in (`config/default.toml`), a file, and variables of the
//! environment. Every mistake is reported at once, with its place.
//!
//! - `env`: from variables to keys
//! - `read`: the layers, and how values are taken from them while mistakes are collected
//! - `sections`, `audience`, `sites`: which keys there are, and what they may say
//! - `store_url`: where the counters live

use std::{ffi::OsString, fs, net::SocketAddr, path::Path};

use crate::{
    audience::{BotRules, ClientRules},
    domain::{retention::Retention, site::Site},
    journal, recorder,
    store::redis,
    telemetry::logging,
};

mod audience;
mod env;
mod read;
mod sections;
mod sites;
mod store_url;

pub use store_url::{StoreUrl, StoreUrlError};

/// The built-in configuration: every key, with what it means.
pub const DEFAULT: &str = include_str!("../../config/default.toml");

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether the demo portal is served.
    pub demo: bool,
    /// Where the service listens.
    pub listen: Listen,
    /// Where the counters live.
    pub store: StoreUrl,
    /// What all keys begin with where the counters live in Redis.
    pub prefix: redis::Prefix,
    /// What an apply waits for there.
    pub wait: redis::Wait,
    /// The journal's file, not the store's, and its greatest size: 1 MiB to 64 GiB.
    pub journal: journal::sqlite::Config,
    /// How often counters are applied, and how long the journal keeps what was applied.
    pub recorder: recorder::Config,
    /// How long the buckets of articles are kept.
    pub retention: Retention,
    /// What is logged, and how.
    pub log: logging::Config,
    /// How clients are told apart.
    pub clients: ClientRules,
    /// Which agents are bots.
    pub bots: BotRules,
    /// The portals, at least one, their ids all different.
    pub sites: Vec<Site>,
}

/// Where the service listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// For browsers.
    pub public: SocketAddr,
    /// For health and metrics; differs from `public`, unless both ask for any free port.
    pub admin: SocketAddr,
    /// The most open connections of the public listener, 1 to 1 000 000.
    pub max_connections: usize,
}

/// All that is wrong with a configuration, a line for each mistake: where it stands, what was found, what is expected.
///
/// Values that may hold a password are not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Mistakes(Vec<String>);

impl Mistakes {
    /// The mistakes, a line each.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl Config {
    /// The keys that are taken at a start only, and are different in another configuration.
    #[must_use]
    pub fn fixed_differences(&self, other: &Self) -> Vec<&'static str> {
        let keys = [
            ("demo", self.demo == other.demo),
            ("listen.public", self.listen.public == other.listen.public),
            ("listen.admin", self.listen.admin == other.listen.admin),
            ("store.url", self.store == other.store),
            ("store.prefix", self.prefix == other.prefix),
            ("store.wait_replicas", self.wait.replicas == other.wait.replicas),
            ("store.wait_aof", self.wait.aof == other.wait.aof),
            ("store.flush_interval", self.recorder.flush_interval == other.recorder.flush_interval),
            ("journal.path", self.journal.path == other.journal.path),
            ("journal.retain", self.recorder.retain == other.recorder.retain),
            ("journal.max_bytes", self.journal.max_bytes == other.journal.max_bytes),
            ("retention", self.retention == other.retention),
            ("log.format", self.log.format == other.log.format),
            ("clients", self.clients == other.clients),
            ("bots", self.bots == other.bots),
        ];
        keys.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
    }

    /// Reads the configuration: what is built in, then `file`, then those variables of `env` that begin with `TRUYCAP_`.
    ///
    /// The process's own environment is [`std::env::vars_os`].
    ///
    /// # Errors
    /// Every mistake of the file and of the variables.
    pub fn load(file: Option<&Path>, env: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        let name = file.map(|path| path.display().to_string()).unwrap_or_default();
        let text = file.and_then(|path| fs::read_to_string(path).map_err(|error| mistakes.push(format!("{name}: {error}"))).ok());
        let variables = env::variables(env, &mut mistakes);

        let mut reader = read::Reader::new(mistakes);
        reader.document("built-in configuration", DEFAULT);
        if let Some(text) = &text {
            reader.document(&name, text);
        }
        for variable in &variables {
            reader.variable(variable);
        }
        let config = sections::config(&mut reader);
        let mistakes = reader.finish();
        match config {
            Some(config) if mistakes.is_empty() => Ok(config),
            _ => Err(Mistakes(mistakes)),
        }
    }
}
