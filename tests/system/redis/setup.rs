//! A server for a service, and what is compared in the end.

use std::{fs, os::unix::fs::symlink, path::PathBuf, time::Duration};

use super::{
    load::{Load, Tally, pages},
    on_redis::lines,
    process::{Place, Service},
    redis_server::Server,
    sites::sites,
};

/// A server that logs its writes, as operators are advised.
pub(crate) const LOGGING: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "everysec"];

/// How often or for how many seconds: more where there is time for it.
pub(crate) fn soak(plain: u64, more: u64) -> u64 {
    if std::env::var_os("TRUYCAP_SOAK").is_some() { more } else { plain }
}

/// A place that counts on a server.
pub(crate) fn place(server: &Server) -> Place {
    sites().with("STORE__URL", &server.url())
}

/// A way to one server after another: a link to a socket.
pub(crate) struct Way(PathBuf);

impl Way {
    /// A place that counts on the server that the way leads to.
    pub(crate) fn place(server: &Server) -> (Self, Place) {
        let place = sites();
        let way = Self(place.path("redis.sock"));
        way.lead_to(server);
        let url = format!("redis+unix://{}", way.0.display());
        (way, place.with("STORE__URL", &url))
    }

    pub(crate) fn lead_to(&self, server: &Server) {
        let new = self.0.with_extension("new");
        symlink(server.dir.join("socket"), &new).unwrap();
        fs::rename(new, &self.0).unwrap();
    }

    /// Ends all connections with a server, and lets nobody make another one.
    pub(crate) fn cut(&self, server: &Server) {
        fs::remove_file(&self.0).unwrap();
        let _: u64 = server.cli("CLIENT KILL TYPE normal");
    }
}

/// Load as of some readers, on articles with this ending.
pub(crate) fn load(service: &Service, ending: &str) -> Load {
    let load = Load::start(4, pages(8, ending), Duration::from_millis(2));
    load.aim(Some(&service.public));
    load
}

/// Checks that one outage was logged: when it began, and when it ended, with how much waited.
pub(crate) fn told_once(log: &str) {
    assert_eq!(lines(log, &["the store is unreachable"]).len(), 1, "{log}");
    let back = lines(log, &["the store is reachable again"]);
    assert_eq!(back.len(), 1, "{log}");
    let (views, unread) = waited(&back[0]);
    assert!(views + unread > 0, "{back:?}");
}

/// How many views and how many entries of the journal waited, by the line that says so.
pub(crate) fn waited(line: &str) -> (u64, u64) {
    let number = |name: &str| line.split_once(name).and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    (number("views=").unwrap(), number("unread_entries=").unwrap())
}

/// Nothing but answers that acknowledge.
pub(crate) fn all_acknowledged(tally: &Tally) {
    assert_eq!((tally.all().unanswered, tally.refused), (0, 0));
    println!("the slowest acknowledgement of {}: {:?}", tally.all().acknowledged, tally.slowest);
}
