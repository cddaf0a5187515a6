//! A service on a cluster with load, and the checks at the end.

use std::time::{Duration, Instant};

use super::{
    LOGGING, all_acknowledged,
    cluster::Cluster,
    counts::{Counts, shown_fit, total},
    load,
    load::{Load, Tally},
    process::{Place, Service, wait::within},
    sites::sites,
};

/// The slots of three primaries. The first one has `portal` (slot 1885), the second one `khoa` (4756).
pub(crate) const THREE: [(u16, u16); 3] = [(0, 3000), (3001, 9000), (9001, 16383)];

/// A service that counts on a cluster while views are sent.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) place: Place,
    pub(crate) service: Service,
    pub(crate) load: Load,
}

impl Scene {
    /// Three primaries with a replica each.
    pub(crate) fn begin() -> Self {
        Self::on(Cluster::start(&THREE, true, &LOGGING))
    }

    pub(crate) fn on(cluster: Cluster) -> Self {
        let url = cluster.url();
        Self::on_url(cluster, &url)
    }

    pub(crate) fn on_url(cluster: Cluster, url: &str) -> Self {
        let place = sites().with("STORE__URL", url);
        let service = place.start();
        let load = load(&service, "");
        let scene = Self { cluster, place, service, load };
        scene.reaches("the first views are in the cluster");
        scene
    }

    /// Waits until the primaries have all views that are acknowledged by now, and some more.
    pub(crate) fn reaches(&self, what: &str) {
        self.load.wait_for(50);
        self.cluster.wait_for(what, &self.load.tally());
    }

    /// Waits until the primaries have all views of a site that are acknowledged by now. Prints how long after a moment the first
    /// one of them came.
    pub(crate) fn follows(&self, site: &str, since: Instant, what: &str) {
        let views = |tally: &Tally| tally.of(site, "").acknowledged;
        let before = self.cluster.counts().total(site, "");
        within(Duration::from_secs(30), what, || (self.cluster.counts().total(site, "") > before).then_some(()));
        println!("{what}: the first apply came at most {:?} after the decision", since.elapsed());
        let wanted = views(&self.load.tally());
        within(Duration::from_secs(30), what, || (self.cluster.counts().total(site, "") >= wanted).then_some(()));
    }

    /// Waits until the service shows all views of a site that are acknowledged by now, and calls them current.
    pub(crate) fn is_current(&self, site: &str) {
        let wanted = self.load.tally().of(site, "").acknowledged;
        within(Duration::from_secs(5), "the figures of a site are current", || {
            let body = self.service.get(&format!("/v1/sites/{site}/figures")).json();
            (body["stale"] == false && body["site"]["total"].as_u64()? >= wanted).then_some(())
        });
    }

    pub(crate) fn is_stale(&self, site: &str) -> bool {
        self.service.get(&format!("/v1/sites/{site}/figures")).json()["stale"] == true
    }

    /// Stops the load, and checks that every view was acknowledged and is counted once. Returns the log.
    pub(crate) fn end(self) -> String {
        self.cluster.wait_until_whole();
        self.load.wait_for(50);
        let tally = self.load.finish();
        all_acknowledged(&tally);
        self.cluster.wait_for("all views are in the cluster", &tally);
        settle(&self.cluster, &self.place, vec![self.service], &tally)
    }
}

/// Stops the services, and checks that what they showed, the export and the keys are the views that were sent. Returns the log of
/// the first.
pub(crate) fn settle(cluster: &Cluster, place: &Place, services: Vec<Service>, tally: &Tally) -> String {
    for service in &services {
        for site in ["portal", "khoa"] {
            let all = || (total(service, site, "") >= tally.of(site, "").acknowledged).then_some(());
            within(Duration::from_secs(10), "all views are shown", all);
        }
        shown_fit(service, tally, || tally.clone());
    }
    let logs: Vec<_> = services.into_iter().map(|service| service.stop().err).collect();
    let counts = cluster.counts();
    counts.fit(tally);
    assert_eq!(counts, Counts::exported(place));
    assert!(!logs.iter().any(|log| log.contains("ERROR")), "{logs:?}");
    logs.into_iter().next().unwrap()
}
