//! The setup of Redis, service and load, and the checks at the end.

use std::{fs, os::unix::fs::symlink, path::PathBuf, time::Duration};

use super::{
    load::{Load, Tally, pages},
    on_redis::lines,
    process::{Place, Service},
    redis_server::Server,
    sites::sites,
};

/// Options of a server with an append-only file, as docs/operations.md advises.
pub(crate) const LOGGING: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "everysec"];

/// `more` with `TRUYCAP_SOAK`, otherwise `plain`: a number of repetitions or seconds.
pub(crate) fn soak(plain: u64, more: u64) -> u64 {
    if std::env::var_os("TRUYCAP_SOAK").is_some() { more } else { plain }
}

/// A place whose store is this server.
pub(crate) fn place(server: &Server) -> Place {
    sites().with("STORE__URL", &server.url())
}

/// A symbolic link to the socket of a server, which can be pointed to another one.
pub(crate) struct SocketLink(PathBuf);

impl SocketLink {
    /// A link to a server, and a place whose store is the link's target.
    pub(crate) fn place(server: &Server) -> (Self, Place) {
        let place = sites();
        let link = Self(place.path("redis.sock"));
        link.point_to(server);
        let url = link.url();
        (link, place.with("STORE__URL", &url))
    }

    /// Another place whose store is the link's target.
    pub(crate) fn another_place(&self) -> Place {
        sites().with("STORE__URL", &self.url())
    }

    fn url(&self) -> String {
        format!("redis+unix://{}", self.0.display())
    }

    pub(crate) fn point_to(&self, server: &Server) {
        let new = self.0.with_extension("new");
        symlink(server.dir.join("socket"), &new).unwrap();
        fs::rename(new, &self.0).unwrap();
    }

    /// Removes the link and closes all connections to the server.
    pub(crate) fn cut(&self, server: &Server) {
        fs::remove_file(&self.0).unwrap();
        let _: u64 = server.cli("CLIENT KILL TYPE normal");
    }
}

/// A moderate load on articles whose ids end with `ending`.
pub(crate) fn load(service: &Service, ending: &str) -> Load {
    let load = Load::start(4, pages(8, ending), Duration::from_millis(2));
    load.aim(Some(&service.public));
    load
}

/// Checks that exactly one outage was logged: its beginning, and its end with the number of views that waited.
pub(crate) fn logged_one_outage(log: &str) {
    assert_eq!(lines(log, &["the store is unreachable"]).len(), 1, "{log}");
    let back = lines(log, &["the store is reachable again"]);
    assert_eq!(back.len(), 1, "{log}");
    let (views, unread) = waited(&back[0]);
    assert!(views + unread > 0, "{back:?}");
}

/// The number of views and of unread journal entries that waited, from the line that logs the end of an outage.
pub(crate) fn waited(line: &str) -> (u64, u64) {
    let number = |name: &str| line.split_once(name).and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    (number("views=").unwrap(), number("unread_entries=").unwrap())
}

/// Checks that every view was acknowledged.
pub(crate) fn all_acknowledged(tally: &Tally) {
    assert_eq!((tally.all().unanswered, tally.refused), (0, 0));
    println!("the slowest acknowledgement of {}: {:?}", tally.all().acknowledged, tally.slowest);
}
