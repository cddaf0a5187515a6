//! What can change in a running service: sites with their origins and time zones, the maximum number of connections, the
//! log level.
//!
//! A configuration with a mistake changes nothing. Changed keys that take effect only at a start are logged.

use std::net::SocketAddr;

use prometheus::IntGauge;
use rlimit::Resource;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::service_manager;
use crate::{
    config::{Config, Mistakes},
    domain::site::{Origin, Site, SiteId},
    recorder::Recorder,
    telemetry::logging,
};

/// The site of the demo page, and the origins under which a browser on this machine opens the page, on any port. Origins
/// with other hosts are configured.
#[derive(Debug)]
pub(super) struct DemoSite {
    id: SiteId,
    origins: Vec<Origin>,
}

impl DemoSite {
    pub(super) fn new(id: SiteId, address: Option<SocketAddr>) -> Self {
        let hosts = address.map(|address| {
            let port = address.port();
            [address.to_string(), format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")]
        });
        let hosts = hosts.into_iter().flatten();
        Self { id, origins: hosts.filter_map(|host| Origin::parse(&format!("http://{host}")).ok()).collect() }
    }

    /// Adds the local origins to the demo page's site, so that views of the page count.
    pub(super) fn allow_local_origins(&self, sites: &mut [Site]) {
        if let Some(site) = sites.iter_mut().find(|site| site.id == self.id) {
            let new = self.origins.iter().filter(|origin| !site.origins.contains(origin)).cloned().collect::<Vec<_>>();
            site.origins.extend(new);
        }
    }
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
    demo: Option<DemoSite>,
    max_connections: watch::Sender<usize>,
    max_connections_gauge: IntGauge,
}

impl Reloader {
    pub(super) fn new(started: Config, demo: Option<DemoSite>, max_connections_gauge: IntGauge) -> Self {
        let max_connections = watch::Sender::new(started.listen.max_connections);
        let reloader = Self { started, demo, max_connections, max_connections_gauge };
        reloader.set_max_connections(reloader.started.listen.max_connections);
        reloader
    }

    /// The site of the demo page, if it is served.
    pub(super) fn demo(&self) -> Option<&SiteId> {
        self.demo.as_ref().map(|demo| &demo.id)
    }

    /// The maximum number of open connections of the public listener, and its changes.
    pub(super) fn max_connections(&self) -> watch::Receiver<usize> {
        self.max_connections.subscribe()
    }

    /// Applies a configuration that was loaded again.
    pub(super) fn apply(&self, loaded: Result<Config, Mistakes>, recorder: &mut Recorder) {
        service_manager::reloading();
        self.apply_valid(loaded, recorder);
        service_manager::ready();
    }

    fn apply_valid(&self, loaded: Result<Config, Mistakes>, recorder: &mut Recorder) {
        let mut config = match loaded {
            Ok(config) => config,
            Err(mistakes) => {
                for mistake in mistakes.lines() {
                    error!(mistake, "the configuration is invalid");
                }
                error!(mistakes = mistakes.lines().len(), "the configuration was not reloaded; the previous one stays in effect");
                return;
            }
        };
        for key in self.started.fixed_differences(&config) {
            warn!(key, "this key was changed; the change takes effect at the next start");
        }
        logging::set_level(config.log.level);
        self.set_max_connections(config.listen.max_connections);
        self.demo.iter().for_each(|demo| demo.allow_local_origins(&mut config.sites));
        let sites = config.sites.len();
        recorder.configure(config.sites);
        info!(sites, "the configuration was reloaded");
    }

    fn set_max_connections(&self, configured: usize) {
        let max_connections = affordable(configured);
        self.max_connections.send_replace(max_connections);
        self.max_connections_gauge.set(i64::try_from(max_connections).unwrap_or(i64::MAX));
    }
}
