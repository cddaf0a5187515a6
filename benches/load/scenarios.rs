//! The parts of the benchmark.

use std::{path::Path, process::Command};

use super::{
    requests::{Kind, Load},
    rounds::{Lane, turns},
    servers::Server,
    spread::spread_text,
    subject::Subject,
    table,
};

/// The extent of the benchmark.
pub(crate) struct Bench {
    pub(crate) seconds: u64,
    pub(crate) rounds: usize,
    /// The number of articles of a large portal.
    pub(crate) articles: usize,
}

const ALL: [Subject; 3] = [Subject::Bare, Subject::Sqlite, Subject::Redis];
pub(crate) const OURS: [Subject; 2] = [Subject::Sqlite, Subject::Redis];
pub(crate) const MIB: f64 = 1_048_576.0;

impl Bench {
    pub(crate) fn load(&self, kind: Kind, connections: usize) -> Load {
        Load::new(kind, connections, self.seconds)
    }

    /// Runs lanes, prints their table, and verifies that their servers have counted correctly.
    fn compare(&self, title: &str, lanes: &mut [Lane<'_>]) {
        turns(lanes, self.rounds);
        table::print(title, lanes);
        lanes.iter().for_each(|lane| lane.server.check());
    }

    /// Compares all three servers, newly started, under the same load.
    fn all(&self, title: &str, load: Load) {
        let servers = ALL.map(|subject| Server::start(subject, load.sites));
        let mut lanes = servers.each_ref().map(|server| Lane::new(server.subject.name(), server, load));
        self.compare(title, &mut lanes);
    }
}

pub(crate) fn views(bench: &Bench) {
    for connections in [64, 128] {
        let load = bench.load(Kind::Views, connections);
        bench.all(&format!("Views, {connections} connections, 1000 articles"), load);
    }
}

pub(crate) fn figures(bench: &Bench) {
    for connections in [64, 128] {
        let load = bench.load(Kind::Figures, connections);
        bench.all(&format!("Figures of the site and an article, {connections} connections, 1000 articles"), load);
    }
}

pub(crate) fn connections(bench: &Bench) {
    for subject in ALL {
        let servers = [16, 64, 128, 512].map(|connections| (connections, Server::start(subject, 1)));
        let lane = |(connections, server)| Lane::new(format!("{connections} connections"), server, bench.load(Kind::Views, connections));
        let mut lanes = servers.each_ref().map(|(connections, server)| lane((*connections, server)));
        bench.compare(&format!("Views by connections, {}", subject.name()), &mut lanes);
    }
}

/// The same number of counters on a thousand sites as on one, and a thousand times as many.
pub(crate) fn sites(bench: &Bench) {
    for subject in OURS {
        let servers = [(1, 1000), (1000, 1), (1000, 1000)].map(|spread| (spread, Server::start(subject, spread.0)));
        let mut lanes = servers.each_ref().map(|((sites, articles), server)| {
            let load = Load { sites: *sites, articles: *articles, ..bench.load(Kind::Views, 64) };
            Lane::new(format!("sites: {sites}, articles of each: {articles}"), server, load)
        });
        bench.compare(&format!("Views by sites, {}", subject.name()), &mut lanes);
    }
}

/// The store already has all articles.
pub(crate) fn articles(bench: &Bench) {
    for subject in OURS {
        let (few, many) = (Server::start(subject, 1), Server::with_articles(subject, bench.articles));
        let lane = |server, articles, zipf| {
            let load = Load { articles, zipf, ..bench.load(Kind::Views, 64) };
            Lane::new(format!("{articles} articles, {}", if zipf { "Zipf" } else { "uniform" }), server, load)
        };
        let mut lanes =
            [lane(&few, 1000, false), lane(&few, 1000, true), lane(&many, bench.articles, false), lane(&many, bench.articles, true)];
        bench.compare(&format!("Views by articles, {}", subject.name()), &mut lanes);
    }
}

/// Latency in an open loop, at half of each server's peak rate.
pub(crate) fn open(bench: &Bench) {
    let servers = ALL.map(|subject| Server::start(subject, 1));
    let mut peak = servers.each_ref().map(|server| Lane::new(server.subject.name(), server, bench.load(Kind::Views, 128)));
    turns(&mut peak, bench.rounds);
    let mut lanes = peak.each_ref().map(|lane| {
        let rate = Some(lane.median(|run| run.per_second) / 2.0);
        Lane::new(lane.label.clone(), lane.server, Load { rate, ..lane.load })
    });
    bench.compare("Views at half of the peak rate, open loop, 128 connections", &mut lanes);
}

/// The same sites on one server and on three primaries of a cluster: the greatest rate, and that of a large portal.
pub(crate) fn primaries(bench: &Bench) {
    for sites in [300, 1000] {
        let servers = [Subject::Port, Subject::Cluster].map(|subject| Server::start(subject, sites));
        for rate in [None, Some(200.0)] {
            let load = Load { sites, articles: 100, rate, ..bench.load(Kind::Views, 64) };
            let mut lanes = servers.each_ref().map(|server| Lane::new(server.subject.name(), server, load));
            let how = rate.map_or("closed loop".into(), |rate| format!("open loop of {rate} a second"));
            bench.compare(&format!("Views of {sites} sites with 100 articles each, {how}"), &mut lanes);
        }
    }
}

/// Milliseconds to the first answer, and resident memory in MiB after it, for several starts.
pub(crate) fn starts(bench: &Bench, subject: Subject) -> (Vec<f64>, Vec<f64>) {
    let servers = (0..bench.rounds.max(5)).map(|_| Server::start(subject, 1));
    servers.map(|server| (server.started.as_secs_f64() * 1e3, server.memory() as f64 / MIB)).unzip()
}

pub(crate) fn start(bench: &Bench) {
    println!("\n### From the start to the first answer, and resident memory when idle\n\n| | ms | RSS MiB |\n|---|--:|--:|");
    for subject in OURS {
        let (times, memory) = starts(bench, subject);
        println!("| {} | {} | {} |", subject.name(), spread_text(times, 0), spread_text(memory, 1));
    }
}

/// Profiles with `perf`; see `scripts/profile.sh`.
pub(crate) fn profile(bench: &Bench) {
    let usual = bench.load(Kind::Views, 64);
    let loads = [("", usual), ("-sites", Load { sites: 1000, ..usual }), ("-articles", Load { articles: bench.articles, ..usual })];
    for subject in OURS {
        for (suffix, load) in loads {
            let server = if load.articles == usual.articles {
                Server::start(subject, load.sites)
            } else {
                Server::with_articles(subject, load.articles)
            };
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{subject:?}{suffix}.perf").to_lowercase());
            let mut perf = Command::new("perf");
            perf.args(["record", "--quiet", "--event", "cpu-clock", "--freq", "997", "-g", "--output"]).arg(&file);
            perf.args(["--pid", &server.pid().to_string()]);
            let mut perf = perf.args(["--", "sleep", &(bench.seconds + 1).to_string()]).spawn().expect("perf is installed");
            Lane::new(subject.name(), &server, load).run();
            assert!(perf.wait().expect("it ends").success(), "perf may record");
            println!("{}", file.display());
        }
    }
}
