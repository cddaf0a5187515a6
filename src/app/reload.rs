//! What can change in a running service: sites with their origins and time zones, the maximum number of connections, the
//! log level.
//!
//! A configuration with a mistake changes nothing. Changed keys that take effect only at a start are logged.

use std::{
    collections::BTreeMap,
    future::pending,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use chrono::Utc;
use prometheus::IntGauge;
use rlimit::Resource;
use tokio::{
    signal::unix::Signal,
    sync::{mpsc, watch},
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use tracing::{error, info, warn};

use super::service_manager;
use crate::{
    audience::Audience,
    config::{Config, Mistakes, site_identity},
    domain::site::{Site, SiteId},
    http::{ReloadCall, ReloadRefused, Reloaded, SiteNames},
    recorder::Recorder,
    telemetry::{logging, metrics::Metrics},
    titles::Titles,
};

/// How long the configuration can take to be loaded again: the disk can hang, and a file can be a pipe without a writer.
const LOAD: Duration = Duration::from_secs(10);

/// How many threads may wait for files that hang, so that a reload of a good file does not wait for them.
const MAX_LATE: usize = 4;

/// How many requests to reload wait for the one that is running.
pub(super) const WAITING_RELOADS: usize = 1;

/// How many removed sites the log names.
const MAX_LOGGED: usize = 10;

/// How many sites of each kind an answer names.
const MAX_NAMED: usize = 100;

/// Loads the configuration again.
pub(super) type Load = dyn Fn() -> Result<Config, Mistakes> + Send + Sync;

/// Loads the configuration at SIGHUP and on request, one at a time and on a thread of its own.
pub(super) struct Loader {
    load: Arc<Load>,
    hang_up: Signal,
    calls: mpsc::Receiver<ReloadCall>,
    /// Threads that wait for a file that hangs.
    late: Vec<JoinHandle<Result<Config, Mistakes>>>,
}

impl Loader {
    pub(super) fn new(load: Arc<Load>, hang_up: Signal, calls: mpsc::Receiver<ReloadCall>) -> Self {
        Self { load, hang_up, calls, late: Vec::new() }
    }

    /// Waits for a signal or a request, and loads the configuration. Returns who gets the answer.
    pub(super) async fn next(&mut self) -> (Option<ReloadCall>, Result<Config, ReloadRefused>) {
        let call = tokio::select! {
            Some(()) = self.hang_up.recv() => None,
            Some(call) = self.calls.recv() => Some(call),
            else => pending().await,
        };
        (call, self.load().await)
    }

    async fn load(&mut self) -> Result<Config, ReloadRefused> {
        service_manager::reloading();
        // A thread cannot be stopped. What a late one returns is outdated.
        self.late.retain(|load| !load.is_finished());
        if self.late.len() >= MAX_LATE {
            return Err(refused(format!("{MAX_LATE} earlier reloads still wait for a file; restart the service when it can be read")));
        }
        let load = Arc::clone(&self.load);
        let mut running = spawn_blocking(move || load());
        let Ok(loaded) = timeout(LOAD, &mut running).await else {
            self.late.push(running);
            return Err(refused(format!("the configuration could not be read within {LOAD:?}")));
        };
        let loaded = loaded.map_err(|error| refused(format!("the configuration could not be read: {error}")))?;
        loaded.map_err(|mistakes| ReloadRefused { mistakes: mistakes.lines().to_vec(), more: mistakes.more() })
    }
}

fn refused(reason: String) -> ReloadRefused {
    ReloadRefused { mistakes: vec![reason], more: 0 }
}

/// The file descriptors that everything but the connections of the public listener can need.
const OTHER_FILES: u64 = 100;

/// As many connections as the process has file descriptors for. If connections took them all, the admin listener, the store and
/// a reload would fail.
fn affordable(configured: usize) -> usize {
    let Ok((open_files, _)) = Resource::NOFILE.get() else { return configured };
    let most = usize::try_from(open_files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX).max(1);
    if most >= configured {
        return configured;
    }
    let needed = configured as u64 + OTHER_FILES;
    warn!(
        event = "open_files_too_low",
        open_files,
        needed,
        "the limit of open files is too low for listen.max_connections = {configured}, so at most {most} connections are open at once"
    );
    most
}

/// Applies a changed configuration to the running service.
#[derive(Debug)]
pub(super) struct Reloader {
    /// The configuration of the start.
    started: Config,
    /// The configured sites, each with a hash of its configuration.
    sites: BTreeMap<SiteId, u64>,
    /// Whether there are no sites but the built-in one.
    built_in_sites: bool,
    max_connections: watch::Sender<usize>,
    max_connections_gauge: IntGauge,
    metrics: crate::telemetry::metrics::Config,
    audience: Arc<Audience>,
    titles: Arc<Titles>,
}

impl Reloader {
    pub(super) fn new(started: Config, metrics: &Metrics, audience: Arc<Audience>, titles: Arc<Titles>) -> Self {
        let max_connections = watch::Sender::new(started.listen.max_connections);
        let max_connections_gauge = metrics.http.max_connections.with_label_values(&["public"]);
        let (sites, built_in_sites, metrics) = (hashes(&started), started.has_built_in_sites(), metrics.config.clone());
        let reloader = Self { started, sites, built_in_sites, max_connections, max_connections_gauge, metrics, audience, titles };
        reloader.set_max_connections(reloader.started.listen.max_connections);
        reloader.loaded(&reloader.started);
        reloader
    }

    /// The maximum number of open connections of the public listener, and its changes.
    pub(super) fn max_connections(&self) -> watch::Receiver<usize> {
        self.max_connections.subscribe()
    }

    /// Applies a configuration that was loaded again, or logs why it is refused.
    pub(super) fn apply(&mut self, loaded: Result<Config, ReloadRefused>, recorder: &mut Recorder) -> Result<Reloaded, ReloadRefused> {
        let result = self.apply_valid(loaded, recorder);
        service_manager::ready();
        result
    }

    fn apply_valid(&mut self, loaded: Result<Config, ReloadRefused>, recorder: &mut Recorder) -> Result<Reloaded, ReloadRefused> {
        let config = loaded.and_then(|config| self.refuse_no_sites(config)).inspect_err(|refused| {
            self.metrics.last_reload_successful.set(0);
            for mistake in &refused.mistakes {
                error!(event = "config_mistake", mistake, "the configuration is invalid");
            }
            let mistakes = refused.mistakes.len() + refused.more;
            error!(event = "reload_refused", mistakes, "the configuration was not reloaded; the previous one stays in effect");
        })?;
        Ok(self.take(config, recorder))
    }

    /// Refuses a configuration without sites if the one in effect has some: the file is empty or half written.
    fn refuse_no_sites(&self, config: Config) -> Result<Config, ReloadRefused> {
        if config.has_built_in_sites() && !self.built_in_sites {
            let sites = self.sites.len();
            return Err(refused(format!("sites: found none, although {sites} are in effect; expected one or more tables [[sites]]")));
        }
        Ok(config)
    }

    fn take(&mut self, config: Config, recorder: &mut Recorder) -> Reloaded {
        let restart = self.started.fixed_differences(&config);
        for key in &restart {
            warn!(event = "key_needs_restart", key, "this key was changed; the change takes effect at the next start");
        }
        let hashes = hashes(&config);
        let added = hashes.keys().filter(|id| !self.sites.contains_key(*id));
        let changed = hashes.iter().filter(|(id, hash)| self.sites.get(*id).is_some_and(|old| old != *hash));
        let removed: Vec<_> = self.sites.keys().filter(|id| !hashes.contains_key(*id)).collect();
        log_removed(&removed);
        let (added, changed, removed) = (names(added), names(changed.map(|(id, _)| id)), names(removed.into_iter()));
        (self.sites, self.built_in_sites) = (hashes, config.has_built_in_sites());
        logging::set_level(config.log.level);
        self.set_max_connections(config.listen.max_connections);
        self.loaded(&config);
        let sites = config.sites.len();
        self.titles.configure(&config.sites);
        recorder.configure(config.sites);
        // Before the line, because a view can arrive as soon as the reload is logged.
        self.audience.reloaded();
        info!(
            event = "reloaded",
            sites,
            added = added.count,
            changed = changed.count,
            removed = removed.count,
            "the configuration was reloaded"
        );
        Reloaded { sites, added, changed, removed, restart }
    }

    /// Measures a configuration that was taken.
    fn loaded(&self, config: &Config) {
        self.metrics.last_reload_successful.set(1);
        self.metrics.last_reload_timestamp.set(Utc::now().timestamp());
        self.metrics.sites_hash.set(i64::try_from(config.sites_hash()).unwrap_or(0));
    }

    fn set_max_connections(&self, configured: usize) {
        let max_connections = affordable(configured);
        self.max_connections.send_replace(max_connections);
        self.max_connections_gauge.set(i64::try_from(max_connections).unwrap_or(i64::MAX));
    }
}

fn hashes(config: &Config) -> BTreeMap<SiteId, u64> {
    let hash = |site: &Site| {
        let mut hasher = DefaultHasher::new();
        site_identity(site).hash(&mut hasher);
        hasher.finish()
    };
    config.sites.iter().map(|site| (site.id.clone(), hash(site))).collect()
}

fn names<'a>(ids: impl Iterator<Item = &'a SiteId>) -> SiteNames {
    let mut names = SiteNames::default();
    for id in ids {
        names.count += 1;
        if names.count <= MAX_NAMED {
            names.first.push(id.to_string());
        }
    }
    names
}

fn log_removed(removed: &[&SiteId]) {
    for site in removed.iter().take(MAX_LOGGED) {
        warn!(event = "site_removed", %site, "this site is no longer configured; requests for it get 404");
    }
    if removed.len() > MAX_LOGGED {
        warn!(event = "sites_removed", sites = removed.len() - MAX_LOGGED, "further sites are no longer configured");
    }
}
