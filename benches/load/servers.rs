//! The servers that are compared, and their cost.

use std::{
    cell::Cell,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    machine::{self, Processors},
    place::Place,
    requests::{article, site},
    subject::Subject,
};

/// A running server and its place. Both end when it is dropped.
pub(crate) struct Server {
    pub(crate) subject: Subject,
    pub(crate) started: Duration,
    pub(crate) place: Place,
    /// The number of views that it has acknowledged.
    pub(crate) acknowledged: Cell<u64>,
    sites: usize,
    child: Child,
}

impl Server {
    /// Starts a server with `sites` sites.
    pub(crate) fn start(subject: Subject, sites: usize) -> Self {
        let place = Place::new(subject, sites);
        let mut command = if subject == Subject::Bare {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command.args(["bare", &place.address.to_string()]);
            command
        } else {
            place.truycap("serve")
        };
        let begin = Instant::now();
        let child = command.stdin(Stdio::null()).spawn().expect("the server starts");
        let mut server = Self { subject, started: Duration::ZERO, place, acknowledged: Cell::default(), sites, child };
        server.started = server.wait(begin);
        server
    }

    /// Starts a server with one site, whose store already has a total for each of `articles` articles.
    pub(crate) fn with_articles(subject: Subject, articles: usize) -> Self {
        let server = Self::start(subject, 1);
        server.place.import("site,article,bucket,views", (0..articles).map(|number| format!("{},{},total,1", site(0), article(number))));
        server
    }

    /// The time from the start to the first answer.
    fn wait(&self, begin: Instant) -> Duration {
        while begin.elapsed() < Duration::from_secs(20) {
            if ureq::get(self.figures_url(0)).call().is_ok() {
                return begin.elapsed();
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("{} does not answer", self.subject.name());
    }

    fn figures_url(&self, number: usize) -> String {
        format!("http://{}/v1/sites/{}/figures", self.place.address, site(number))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> u64 {
        machine::memory(self.pid(), "VmRSS")
    }

    /// The work done so far.
    pub(crate) fn work(&self) -> Work {
        let [commits, views] = match self.subject {
            Subject::Bare => [0.0; 2],
            _ => self.metrics(["truycap_journal_batch_views_count", "truycap_journal_batch_views_sum"]),
        };
        Work { at: Instant::now(), commits, views, commands: self.place.commands() }
    }

    /// The cost so far.
    pub(crate) fn cost(&self) -> Cost {
        Cost {
            at: Instant::now(),
            server: machine::cpu(self.pid()),
            redis: self.place.redis_cpu(),
            driver: machine::own_cpu(),
            processors: machine::processors(),
            flushes: machine::flushes(self.place.dir.path()),
        }
    }

    /// The values of metrics without labels; 0 if a metric is missing.
    pub(crate) fn metrics<const N: usize>(&self, names: [&str; N]) -> [f64; N] {
        let url = format!("http://{}/metrics", self.place.admin);
        let text = ureq::get(url).call().and_then(|mut answer| answer.body_mut().read_to_string()).expect("metrics");
        names.map(|name| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()).unwrap_or(0.0))
    }

    /// Verifies that every acknowledged view is counted; otherwise the measurements are worthless.
    pub(crate) fn check(&self) {
        if self.subject != Subject::Bare {
            assert_eq!(self.total(), self.acknowledged.get(), "{} counts what it acknowledged", self.subject.name());
        }
    }

    /// Whether every acknowledged view is in the store.
    pub(crate) fn counts_all(&self) -> bool {
        (0..self.sites).all(|number| !self.figures(number).1) && self.total() == self.acknowledged.get()
    }

    fn total(&self) -> u64 {
        (0..self.sites).map(|number| self.figures(number).0).sum()
    }

    /// The total of a site, and whether it is stale.
    pub(crate) fn figures(&self, number: usize) -> (u64, bool) {
        let answer = ureq::get(self.figures_url(number)).call().and_then(|mut answer| answer.body_mut().read_json());
        let body: serde_json::Value = answer.expect("figures");
        (body["site"]["total"].as_u64().unwrap_or(0), body["stale"] == true)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The work since the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) at: Instant,
    /// Entries of the journal, and their views.
    pub(crate) commits: f64,
    pub(crate) views: f64,
    /// Commands that Redis has executed, with those of scripts.
    pub(crate) commands: Option<f64>,
}

/// The cost since the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) at: Instant,
    /// Processor time in seconds.
    pub(crate) server: f64,
    pub(crate) redis: Option<f64>,
    pub(crate) driver: f64,
    pub(crate) processors: Processors,
    pub(crate) flushes: Option<f64>,
}
