//! What can change while the service runs: sites and their origins and time zones, the most connections, the log's level.
//!
//! A configuration with a mistake in it changes nothing. Keys that are taken at a start only are named where they differ.

use prometheus::IntGauge;
use tokio::{net::TcpListener, sync::watch};
use tracing::{error, info, warn};

use crate::{
    config::{Config, Mistakes},
    domain::site::{Origin, Site, SiteId},
    recorder::Recorder,
    telemetry::logging,
};

/// The demo page's site, and where somebody on this machine may open the page, whatever the port; other hosts are
/// configured.
#[derive(Debug)]
pub(super) struct Demo {
    site: SiteId,
    origins: Vec<Origin>,
}

impl Demo {
    pub(super) fn new(site: SiteId, listener: &TcpListener) -> Self {
        let hosts = listener.local_addr().map(|address| {
            let port = address.port();
            [address.to_string(), format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")]
        });
        let hosts = hosts.into_iter().flatten();
        Self { site, origins: hosts.filter_map(|host| Origin::parse(&format!("http://{host}")).ok()).collect() }
    }

    /// Lets the demo page count.
    pub(super) fn welcome(&self, sites: &mut [Site]) {
        if let Some(site) = sites.iter_mut().find(|site| site.id == self.site) {
            let new = self.origins.iter().filter(|origin| !site.origins.contains(origin)).cloned().collect::<Vec<_>>();
            site.origins.extend(new);
        }
    }
}

/// What is needed to take another configuration.
#[derive(Debug)]
pub(super) struct Reload {
    /// The configuration of the start.
    started: Config,
    demo: Option<Demo>,
    max_connections: watch::Sender<usize>,
    gauge: IntGauge,
}

impl Reload {
    pub(super) fn new(started: Config, demo: Option<Demo>, gauge: IntGauge) -> Self {
        let max_connections = watch::Sender::new(started.listen.max_connections);
        let reload = Self { started, demo, max_connections, gauge };
        reload.limit(reload.started.listen.max_connections);
        reload
    }

    /// The site of the demo page, where there is one.
    pub(super) fn demo(&self) -> Option<&SiteId> {
        self.demo.as_ref().map(|demo| &demo.site)
    }

    /// The most open connections of the public listener, now and later.
    pub(super) fn max_connections(&self) -> watch::Receiver<usize> {
        self.max_connections.subscribe()
    }

    /// Takes a configuration that was read again.
    pub(super) fn take(&self, loaded: Result<Config, Mistakes>, recorder: &mut Recorder) {
        let mut config = match loaded {
            Ok(config) => config,
            Err(mistakes) => {
                for mistake in mistakes.lines() {
                    error!(mistake, "the configuration is wrong");
                }
                error!(mistakes = mistakes.lines().len(), "nothing was taken of the configuration: all stays as it was");
                return;
            }
        };
        for key in self.started.fixed_differences(&config) {
            warn!(key, "this was changed in the configuration, but is taken at the next start only");
        }
        logging::set_level(config.log.level);
        self.limit(config.listen.max_connections);
        self.demo.iter().for_each(|demo| demo.welcome(&mut config.sites));
        let sites = config.sites.len();
        recorder.configure(config.sites);
        info!(sites, "the configuration was read again");
    }

    fn limit(&self, max_connections: usize) {
        self.max_connections.send_replace(max_connections);
        self.gauge.set(i64::try_from(max_connections).unwrap_or(i64::MAX));
    }
}
