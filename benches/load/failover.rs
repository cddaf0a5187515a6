//! The latency of views while a primary of the store is killed and its replica takes over.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    driver::{self, Measurement},
    requests::{Kind, Load},
    scenarios::Bench,
    servers::Server,
    spread::spread_text,
    subject::Subject,
};

const SITES: usize = 300;
/// The length of a run in seconds: a replica takes over after 5 to 10.
const SECONDS: u64 = 20;
/// The longest time after a run until all its views are in the store.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn failover(bench: &Bench) {
    let rounds: Vec<_> = (0..bench.rounds).map(|_| round(bench)).collect();
    println!("\n### Views at half of the peak rate, open loop, {SITES} sites on three primaries with replicas\n");
    println!("| | per second | p50 µs | p99 µs | p99.9 µs | longest µs |\n|---|--:|--:|--:|--:|--:|");
    for (number, label) in ["before", "one primary is killed at the start"].iter().enumerate() {
        let all = |of: &dyn Fn(&Measurement) -> f64| spread_text(rounds.iter().map(|round| of(&round[number])).collect(), 0);
        let quantile = |of: f64| all(&|run| run.latency.value_at_quantile(of) as f64);
        println!(
            "| {label} | {} | {} | {} | {} | {} |",
            all(&Measurement::per_second),
            quantile(0.5),
            quantile(0.99),
            quantile(0.999),
            quantile(1.0)
        );
    }
}

/// The same load before and during a fail-over.
fn round(bench: &Bench) -> [Measurement; 2] {
    let server = Server::start(Subject::Replicated, SITES);
    let load = Load { sites: SITES, articles: 100, ..bench.load(Kind::Views, 64) };
    let run = |load, measuring: &mut dyn FnMut()| {
        let measurement = driver::run(server.place.address, load, measuring);
        server.acknowledged.set(server.acknowledged.get() + measurement.all);
        measurement
    };
    let peak = run(load, &mut || ()).per_second();
    let half = Load { rate: Some(peak / 2.0), seconds: SECONDS, ..load };
    let before = run(half, &mut || ());
    let mut kill = Some(&server.place.redis[0]);
    let during = run(half, &mut || {
        if let Some(primary) = kill.take() {
            primary.signal("KILL");
        }
    });
    let end = Instant::now();
    while !server.counts_all() && end.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(100));
    }
    server.check();
    [before, during]
}
