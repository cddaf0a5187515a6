//! The keys of a Redis server as an operator reads them, and checks of a service that counts on it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use redis::FromRedisValue;
use truycap::domain::{
    producer::Position,
    record::{Past, Record},
};

use crate::{
    counts::{Counts, shown_fit, total},
    load::Tally,
    process::{Place, Service, eventually, wait::within},
    redis_server::Server,
    sites::SITES,
};

/// The full name of a key of a site.
pub fn key(site: &str, name: &str) -> String {
    format!("truycap:{{{site}}}:{name}")
}

impl Server {
    /// Kills the server without a shutdown. Its files stay.
    pub fn crash(&mut self) {
        self.end("keep\n");
    }

    /// Starts the server, and waits until it has loaded its files.
    pub fn restart(&mut self) {
        self.run();
        let ping = || redis::cmd("PING").query::<String>(&mut redis::Client::open(self.url()).ok()?.get_connection().ok()?).ok();
        eventually("Redis answers", ping);
    }

    /// Runs a command line as `redis-cli` does.
    pub fn cli<T: FromRedisValue>(&self, line: &str) -> T {
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        command.query(&mut self.raw()).unwrap()
    }

    /// The counters. Checks that there are no unknown keys.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for name in self.cli::<Vec<String>>("KEYS *") {
            let site = SITES.into_iter().find(|site| name.starts_with(&key(site, ""))).unwrap_or_else(|| panic!("unexpected key {name:?}"));
            let kind = name.strip_prefix(&key(site, "")).unwrap();
            if kind == "views" {
                for (bucket, views) in self.cli::<BTreeMap<String, u64>>(&format!("HGETALL {name}")) {
                    counts.add((site.into(), String::new()), &bucket, views);
                }
            } else if kind == "articles" {
                for (article, record) in self.cli::<BTreeMap<String, String>>(&format!("HGETALL {name}")) {
                    let record: Record = record.parse().unwrap();
                    counts.add((site.into(), article.clone()), "total", record.total);
                    for (period, (number, views)) in record.periods() {
                        counts.add((site.into(), article.clone()), &period.numbered(number).unwrap().to_string(), views);
                    }
                }
            } else if kind == "past" {
                for (article, past) in self.cli::<BTreeMap<String, String>>(&format!("HGETALL {name}")) {
                    for (period, (number, views)) in past.parse::<Past>().unwrap().periods() {
                        counts.add((site.into(), article.clone()), &period.numbered(number).unwrap().to_string(), views);
                    }
                }
            } else {
                let known = matches!(kind, "site" | "offsets" | "lists" | "sections" | "audit" | "changes") || kind.starts_with("top:");
                assert!(known, "unexpected key {name:?}");
            }
        }
        counts
    }

    /// The number of the last entry of each producer of a site.
    pub fn offsets(&self, site: &str) -> BTreeMap<String, u64> {
        let offsets = self.cli::<BTreeMap<String, String>>(&format!("HGETALL {}", key(site, "offsets")));
        offsets.into_iter().map(|(producer, offset)| (producer, offset.parse::<Position>().unwrap().seq)).collect()
    }

    /// Whether the server has every acknowledged view.
    pub fn has(&self, tally: &Tally) -> bool {
        let counts = self.counts();
        tally.sent.iter().all(|((site, article), sent)| counts.total(site, article) >= sent.acknowledged)
    }

    /// Waits until the server has every acknowledged view, and prints how long that took.
    pub fn wait_for(&self, what: &str, tally: &Tally) {
        let start = Instant::now();
        within(Duration::from_secs(30), what, || self.has(tally).then_some(()));
        println!("{what}: after {:?}", start.elapsed());
    }
}

impl Service {
    /// The lines of the log that contain all of these texts.
    pub fn logged(&self, words: &[&str]) -> Vec<String> {
        lines(&self.process.log(), words)
    }

    pub fn wait_for_log(&self, words: &[&str]) {
        eventually(&format!("the log contains {words:?}"), || self.logged(words).pop());
    }

    /// Waits until it shows every acknowledged view, including those of other instances.
    pub fn wait_for_views(&self, tally: &Tally) {
        for site in SITES {
            within(Duration::from_secs(5), "all views are shown", || {
                (total(self, site, "") >= tally.of(site, "").acknowledged).then_some(())
            });
        }
    }

    /// Whether its figures are marked stale: they can lack views of other instances.
    pub fn is_stale(&self) -> bool {
        let answer = self.get("/v1/sites/portal/figures");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["stale"] == true
    }

    /// Stops the service once it is in sync, and checks that the figures it showed, its export and the keys in Redis all match
    /// the views sent. Returns the complete log.
    pub fn settle(self, place: &Place, server: &Server, tally: &Tally) -> String {
        shown_fit(&self, tally, || tally.clone());
        let log = self.stop().err;
        assert_eq!(lines(&log, &["lacks the last views"]), [""; 0]);
        let counts = server.counts();
        counts.fit(tally);
        assert_eq!(counts, Counts::exported(place));
        log
    }
}

/// The lines of a log that contain all of these texts.
pub fn lines(log: &str, words: &[&str]) -> Vec<String> {
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
}
