//! A server for a service, and what is compared in the end.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    time::{Duration, Instant},
};

use redis::FromRedisValue;

use crate::{
    counts::{Counts, shown_fit, total},
    load::{Load, Tally, pages},
    process::{Place, Service, eventually, wait::within},
    redis_server::Server,
    sites::{SITES, sites},
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

/// The name of one of a site's keys.
pub(crate) fn key(site: &str, name: &str) -> String {
    format!("truycap:{{{site}}}:{name}")
}

impl Server {
    /// Kills the server where it stands. Its files stay.
    pub(crate) fn crash(&mut self) {
        self.end("keep\n");
    }

    /// Starts the server, and waits until it has read its files.
    pub(crate) fn restart(&mut self) {
        self.run();
        let ping = || redis::cmd("PING").query::<String>(&mut redis::Client::open(self.url()).ok()?.get_connection().ok()?).ok();
        eventually("Redis answers", ping);
    }

    /// What `redis-cli` would answer to a line.
    pub(crate) fn cli<T: FromRedisValue>(&self, line: &str) -> T {
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        command.query(&mut self.raw()).unwrap()
    }

    /// The counters as an operator finds them. There is nothing else but offsets and what belongs to them.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for name in self.cli::<Vec<String>>("KEYS *") {
            let site = SITES.into_iter().find(|site| name.starts_with(&key(site, ""))).unwrap_or_else(|| panic!("what is key {name:?}?"));
            let kind = name.strip_prefix(&key(site, "")).unwrap();
            if kind == "views" {
                for (bucket, views) in self.cli::<BTreeMap<String, u64>>(&format!("HGETALL {name}")) {
                    counts.add((site.into(), String::new()), &bucket, views);
                }
            } else if let Some(bucket) = kind.strip_prefix("articles:") {
                for (article, views) in self.cli::<BTreeMap<String, u64>>(&format!("ZRANGE {name} 0 -1 WITHSCORES")) {
                    counts.add((site.into(), article), bucket, views);
                }
            } else {
                assert!(matches!(kind, "offsets" | "offsets:seen"), "what is key {name:?}?");
            }
        }
        counts
    }

    /// The producers' offsets of a site.
    pub(crate) fn offsets(&self, site: &str) -> BTreeMap<String, u64> {
        self.cli(&format!("HGETALL {}", key(site, "offsets")))
    }

    /// Whether everything that was acknowledged is in it.
    pub(crate) fn has(&self, tally: &Tally) -> bool {
        let counts = self.counts();
        tally.sent.iter().all(|((site, article), sent)| counts.total(site, article) >= sent.acknowledged)
    }

    /// Waits until everything that was acknowledged is in it, and tells how long that took.
    pub(crate) fn wait_for(&self, what: &str, tally: &Tally) {
        let start = Instant::now();
        within(Duration::from_secs(30), what, || self.has(tally).then_some(()));
        println!("{what}: after {:?}", start.elapsed());
    }
}

impl Service {
    /// The lines of the log that have all of these words.
    pub(crate) fn logged(&self, words: &[&str]) -> Vec<String> {
        lines(&self.process.log(), words)
    }

    pub(crate) fn wait_for_log(&self, words: &[&str]) {
        eventually(&format!("the log says {words:?}"), || self.logged(words).pop());
    }

    /// Waits until it shows everything that was acknowledged, by other instances too.
    pub(crate) fn wait_for_views(&self, tally: &Tally) {
        for site in SITES {
            within(Duration::from_secs(5), "all views are shown", || {
                (total(self, site, "") >= tally.of(site, "").acknowledged).then_some(())
            });
        }
    }

    /// Whether it says that it cannot tell what others have counted.
    pub(crate) fn is_stale(&self) -> bool {
        let answer = self.get("/v1/sites/portal/figures");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["stale"] == true
    }

    /// Stops it when all is in step, and compares: what it shows, what it exports, what is in Redis, what was sent.
    /// Answers with the whole log.
    pub(crate) fn settle(self, place: &Place, server: &Server, tally: &Tally) -> String {
        shown_fit(&self, tally, || tally.clone());
        let log = self.stop().err;
        assert_eq!(lines(&log, &["lacks this site's last views"]), [""; 0]);
        let counts = server.counts();
        counts.fit(tally);
        assert_eq!(counts, Counts::exported(place));
        log
    }
}

fn lines(log: &str, words: &[&str]) -> Vec<String> {
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
}

/// Checks that one outage was logged: when it began, and when it ended, with how much waited.
pub(crate) fn told_once(log: &str) {
    assert_eq!(lines(log, &["the store is away"]).len(), 1, "{log}");
    let back = lines(log, &["the store is back"]);
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
