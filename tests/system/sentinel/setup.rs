//! A service on a set with load, and the checks at the end.

use super::{
    LOGGING, all_acknowledged, load,
    load::{Load, Tally},
    process::{Place, Service},
    redis_server::Server,
    sentinel_set::SentinelSet,
    sites::{SITES, sites},
};

/// A place whose store is this set.
pub(crate) fn place(set: &SentinelSet) -> Place {
    sites().with("STORE__URL", &set.url())
}

/// A service that counts on a set while views are sent.
pub(crate) struct Scene {
    pub(crate) set: SentinelSet,
    pub(crate) place: Place,
    pub(crate) service: Service,
    pub(crate) load: Load,
}

impl Scene {
    pub(crate) fn begin() -> Self {
        Self::on(SentinelSet::start(&LOGGING))
    }

    pub(crate) fn on(set: SentinelSet) -> Self {
        let place = place(&set);
        let service = place.start();
        let load = load(&service, "");
        let scene = Self { set, place, service, load };
        scene.reaches(0, "the first views are in the primary");
        scene
    }

    pub(crate) fn server(&self, number: usize) -> &Server {
        &self.set.servers[number].server
    }

    /// Waits until a server has all views that are acknowledged by now, and some more.
    pub(crate) fn reaches(&self, server: usize, what: &str) {
        self.load.wait_for(50);
        let tally = self.load.tally();
        self.server(server).wait_for(what, &tally);
    }

    /// Waits until the log says of each site that the store went back.
    pub(crate) fn went_back(&self) {
        for site in SITES {
            self.service.wait_for_log(&["WARN", &format!("site={site}"), "the store went back"]);
        }
    }

    /// Stops the load, and checks that every view was acknowledged and is counted once. Returns the log.
    pub(crate) fn end(self) -> (String, Tally) {
        self.set.wait_until_whole();
        self.load.wait_for(50);
        let tally = self.load.finish();
        all_acknowledged(&tally);
        let primary = self.set.primary().unwrap();
        let server = &self.set.servers[primary].server;
        server.wait_for("all views are in the primary", &tally);
        let log = self.service.settle(&self.place, server, &tally);
        assert!(!log.contains("ERROR"), "{log}");
        (log, tally)
    }
}
