//! Measuring servers in turns, A B C A B C …, so that whatever else the machine does falls on all of them alike.

use std::sync::Mutex;

use super::{
    driver::{self, Kind, Load},
    servers::{Server, Subject, Usage},
    table,
};

/// One run of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) per_second: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// Microseconds of processor time for each request, of the server and of Redis.
    pub(crate) cpu: f64,
    pub(crate) redis: Option<f64>,
    /// Views in one entry of the journal.
    pub(crate) batch: f64,
    pub(crate) fsyncs: f64,
    pub(crate) memory: f64,
}

/// A server under a load, and what came of each round.
pub(crate) struct Lane<'a> {
    pub(crate) label: String,
    pub(crate) server: &'a Server,
    pub(crate) load: Load,
    pub(crate) runs: Vec<Run>,
    /// The views that were acknowledged.
    acknowledged: u64,
}

impl<'a> Lane<'a> {
    pub(crate) fn new(label: impl Into<String>, server: &'a Server, load: Load) -> Self {
        Self { label: label.into(), server, load, runs: Vec::new(), acknowledged: 0 }
    }

    /// The middle one of what was measured.
    pub(crate) fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        table::spread(self.runs.iter().map(of).collect()).1
    }

    /// What was acknowledged is counted, or the rest is worth nothing.
    pub(crate) fn check(&self) {
        if self.server.subject != Subject::Bare {
            assert_eq!(self.server.counted(self.load.sites), self.acknowledged, "{}", self.label);
        }
    }

    fn run(&mut self) {
        let usage: Mutex<Vec<Usage>> = Mutex::default();
        let outcome = driver::run(self.server.address, self.load, || usage.lock().expect("no panic").push(self.server.usage()));
        let usage = usage.into_inner().expect("no panic");
        let [before, after] = usage[..] else { unreachable!("measuring begins once and ends once") };
        let per_request = |seconds: f64| seconds * 1e6 / outcome.answers as f64;
        let commits = after.commits - before.commits;
        let quantile = |of: f64| outcome.latency.value_at_quantile(of) as f64;
        self.runs.push(Run {
            per_second: outcome.per_second(),
            p50: quantile(0.5),
            p99: quantile(0.99),
            p999: quantile(0.999),
            cpu: per_request(after.server - before.server),
            redis: after.redis.zip(before.redis).map(|(after, before)| per_request(after - before)),
            batch: if commits > 0.0 { (after.views - before.views) / commits } else { 0.0 },
            fsyncs: commits / outcome.elapsed,
            memory: self.server.memory() as f64,
        });
        if self.load.kind == Kind::Views {
            self.acknowledged += outcome.all;
        }
    }
}

/// Runs all lanes in turns.
pub(crate) fn turns(lanes: &mut [Lane<'_>], rounds: usize) {
    for round in 0..rounds {
        for lane in lanes.iter_mut() {
            eprint!("\r\x1b[Kround {} of {rounds}: {}", round + 1, lane.label);
            lane.run();
        }
    }
    eprint!("\r\x1b[K");
}
