//! What is measured.

use super::{
    driver::{Kind, Load},
    rounds::{Lane, turns},
    servers::{Server, Subject},
    table,
};

/// How much is measured.
pub(crate) struct Bench {
    pub(crate) seconds: u64,
    pub(crate) rounds: usize,
}

const ALL: [Subject; 3] = [Subject::Bare, Subject::Sqlite, Subject::Redis];
const OURS: [Subject; 2] = [Subject::Sqlite, Subject::Redis];
const MIB: f64 = 1_048_576.0;

impl Bench {
    fn load(&self, kind: Kind, connections: usize) -> Load {
        Load::new(kind, connections, self.seconds)
    }

    /// Runs lanes that share servers, and prints their table.
    fn compare(&self, title: &str, lanes: &mut [Lane<'_>]) {
        turns(lanes, self.rounds);
        table::print(title, lanes);
    }

    /// All three servers under the same load, from fresh ones.
    fn all(&self, title: &str, load: Load) {
        let servers = ALL.map(|subject| Server::start(subject, load.sites));
        let mut lanes = servers.each_ref().map(|server| Lane::new(server.subject.name(), server, load));
        self.compare(title, &mut lanes);
        if load.kind == Kind::Views {
            lanes.iter().for_each(Lane::check);
        }
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
    for subject in OURS {
        let servers = [16, 64, 128, 512].map(|connections| (connections, Server::start(subject, 1)));
        let lane = |(connections, server)| Lane::new(format!("{connections} connections"), server, bench.load(Kind::Views, connections));
        let mut lanes = servers.each_ref().map(|(connections, server)| lane((*connections, server)));
        bench.compare(&format!("Views by connections, {}", subject.name()), &mut lanes);
    }
}

pub(crate) fn sites(bench: &Bench) {
    for subject in OURS {
        let servers = [1, 1000].map(|sites| (sites, Server::start(subject, sites)));
        let load = |sites| Load { sites, ..bench.load(Kind::Views, 64) };
        let mut lanes = servers.each_ref().map(|(sites, server)| Lane::new(format!("{sites} sites"), server, load(*sites)));
        bench.compare(&format!("Views by sites, {}, 1000 articles each", subject.name()), &mut lanes);
        lanes.iter().for_each(Lane::check);
    }
}

pub(crate) fn articles(bench: &Bench) {
    for subject in OURS {
        let shapes = [(1000, false), (1_000_000, false), (1_000_000, true)].map(|shape| (shape, Server::start(subject, 1)));
        let mut lanes = shapes.each_ref().map(|((articles, zipf), server)| {
            let load = Load { articles: *articles, zipf: *zipf, ..bench.load(Kind::Views, 64) };
            Lane::new(format!("{articles} articles, {}", if *zipf { "Zipf" } else { "uniform" }), server, load)
        });
        bench.compare(&format!("Views by articles, {}", subject.name()), &mut lanes);
        lanes.iter().for_each(Lane::check);
    }
}

/// Latency where requests come when they come, at half of what each server can take.
pub(crate) fn open(bench: &Bench) {
    let servers = ALL.map(|subject| Server::start(subject, 1));
    let mut peak = servers.each_ref().map(|server| Lane::new(server.subject.name(), server, bench.load(Kind::Views, 128)));
    turns(&mut peak, 1);
    let mut lanes = peak.each_ref().map(|lane| {
        let rate = Some(lane.median(|run| run.per_second) / 2.0);
        Lane::new(lane.label.clone(), lane.server, Load { rate, ..lane.load })
    });
    bench.compare("Views at half of the peak rate, open loop, 128 connections", &mut lanes);
}

pub(crate) fn start(bench: &Bench) {
    println!(
        "\n### From the start to the first answer, and resident memory when idle\n\n| | ms, least | median | greatest | RSS MiB |\n|---|--:|--:|--:|--:|"
    );
    for subject in OURS {
        let servers: Vec<_> = (0..bench.rounds.max(5)).map(|_| Server::start(subject, 1)).collect();
        let (least, middle, greatest) = table::spread(servers.iter().map(|server| server.started.as_secs_f64() * 1e3).collect());
        let memory = table::spread(servers.iter().map(|server| server.memory() as f64 / MIB).collect()).1;
        println!("| {} | {least:.0} | {middle:.0} | {greatest:.0} | {memory:.1} |", subject.name());
    }
}
