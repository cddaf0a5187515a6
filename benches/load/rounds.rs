//! Measures servers in turns, A B C A B C …, so that other work of the machine affects all of them alike.

use super::{
    driver,
    requests::{Kind, Load},
    servers::{Cost, Server, Work},
    spread::spread,
};

/// One run of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) per_second: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// Microseconds of processor time per request, of the server, of Redis and of the load generator.
    pub(crate) cpu: f64,
    pub(crate) redis: Option<f64>,
    pub(crate) driver: f64,
    /// Commands of Redis per request, with those of scripts.
    pub(crate) commands: Option<f64>,
    /// The share of its threads' time that the generator used.
    pub(crate) driver_busy: f64,
    /// Views in one entry of the journal.
    pub(crate) batch: f64,
    /// Per second: entries of the journal, each with one fsync, and flushes of the disk by any process.
    pub(crate) entries: f64,
    pub(crate) flushes: Option<f64>,
    /// Shares of all processors: idle, and used by processes that are not measured.
    pub(crate) idle: f64,
    pub(crate) others: f64,
    pub(crate) memory: f64,
}

impl Run {
    /// The processor time that a request costs a portal.
    pub(crate) fn cost(&self) -> f64 {
        self.cpu + self.redis.unwrap_or_default()
    }
}

/// A server under a load, and the results of each round.
pub(crate) struct Lane<'a> {
    pub(crate) label: String,
    pub(crate) server: &'a Server,
    pub(crate) load: Load,
    pub(crate) runs: Vec<Run>,
}

impl<'a> Lane<'a> {
    pub(crate) fn new(label: impl Into<String>, server: &'a Server, load: Load) -> Self {
        Self { label: label.into(), server, load, runs: Vec::new() }
    }

    /// The median of all rounds.
    pub(crate) fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        spread(self.runs.iter().map(of).collect()).1
    }

    pub(crate) fn run(&mut self) {
        let (mut begin, mut end) = (None, None);
        // The cost of reading the work is not part of the measurement.
        let measurement = driver::run(self.server.place.address, self.load, || {
            if begin.is_none() {
                let work = self.server.work();
                begin = Some((work, self.server.cost()));
            } else {
                let cost = self.server.cost();
                end = Some((self.server.work(), cost));
            }
        });
        if self.load.kind == Kind::Views {
            self.server.acknowledged.set(self.server.acknowledged.get() + measurement.all);
        }
        let (begin, end) = begin.zip(end).expect("measuring begins and ends");
        self.runs.push(run(&measurement, begin, end, self.server.memory()));
    }
}

fn run(measurement: &driver::Measurement, begin: (Work, Cost), end: (Work, Cost), memory: u64) -> Run {
    let (work, cost) = ((begin.0, end.0), (begin.1, end.1));
    let elapsed = (cost.1.at - cost.0.at).as_secs_f64();
    let per_second = measurement.per_second();
    // By rates, because `/proc` is not read at exactly the moments between which answers are counted.
    let each = |seconds: f64| seconds * 1e6 / elapsed / per_second;
    let quantile = |of: f64| measurement.latency.value_at_quantile(of) as f64;
    let (server, driver) = (cost.1.server - cost.0.server, cost.1.driver - cost.0.driver);
    let redis = cost.1.redis.zip(cost.0.redis).map(|(after, before)| after - before);
    let processors = cost.1.processors.all - cost.0.processors.all;
    let idle = (cost.1.processors.idle - cost.0.processors.idle) / processors;
    let measured = (server + driver + redis.unwrap_or_default()) / processors;
    let commands = work.1.commands.zip(work.0.commands).map(|(after, before)| after - before);
    let commits = work.1.commits - work.0.commits;
    Run {
        per_second,
        p50: quantile(0.5),
        p99: quantile(0.99),
        p999: quantile(0.999),
        cpu: each(server),
        redis: redis.map(each),
        driver: each(driver),
        commands: commands.map(|commands| commands / (work.1.at - work.0.at).as_secs_f64() / per_second),
        driver_busy: driver / elapsed / driver::threads() as f64,
        batch: if commits > 0.0 { (work.1.views - work.0.views) / commits } else { 0.0 },
        entries: commits / (work.1.at - work.0.at).as_secs_f64(),
        flushes: cost.1.flushes.zip(cost.0.flushes).map(|(after, before)| (after - before) / elapsed),
        idle,
        others: (1.0 - idle - measured).max(0.0),
        memory: memory as f64,
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
