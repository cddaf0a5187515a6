//! The bytes of articles in a store, and truycap's memory. `cargo bench --bench load -- memory`.

use std::{
    thread,
    time::{Duration, Instant},
};

use chrono::Utc;

use super::{
    machine,
    place::Place,
    requests::{Kind, Load, site},
    rounds::Lane,
    scenarios::{Bench, MIB, OURS, starts},
    servers::Server,
    spread::spread,
    subject::Subject,
};

/// The number of views that wait for the store: those of a day.
const BACKLOG_VIEWS: u64 = 100_000;
/// The time limit for applying them.
const APPLY_TIMEOUT: Duration = Duration::from_secs(120);

/// The form of ids; the number is below 10 000 000.
#[derive(Clone, Copy)]
enum Ids {
    Short,
    Long,
}

impl Ids {
    fn id(self, number: usize) -> String {
        match self {
            Self::Short => format!("/tin/{number:06}"),
            // Of a portal that names its pages after their titles.
            Self::Long => format!("/tin-tuc/thoi-su/2026/11/khanh-thanh-cau-moi-qua-song-hong-{number:07}.html"),
        }
    }
}

/// A line of the table that compares results with their limits.
struct Reached {
    what: String,
    measured: f64,
    unit: &'static str,
    most: f64,
}

pub(crate) fn memory(bench: &Bench) {
    let mut reached = Vec::new();
    bytes(bench, &mut reached);
    resident(bench, &mut reached);
    println!("\n### Reached\n\n| what | measured | at most |\n|---|--:|--:|");
    for Reached { what, measured, unit, most } in reached {
        println!("| {what} | {measured:.1} {unit} | {most:.0} {unit} |");
    }
}

fn bytes(bench: &Bench, reached: &mut Vec<Reached>) {
    println!("\n### Bytes per article\n");
    println!("| id | bytes of it | counters | articles | Redis | SQLite |\n|---|--:|---|--:|--:|--:|");
    for ids in [Ids::Short, Ids::Long] {
        for today in [false, true] {
            for articles in [bench.articles / 100, bench.articles / 10, bench.articles] {
                let [sqlite, redis] = OURS.map(|subject| weigh(subject, ids, today, articles));
                let (id, length) = (ids.id(0), ids.id(0).len());
                let counters = if today { "total, day, week, month, year" } else { "total" };
                println!("| `{id}` | {length} | {counters} | {articles} | {redis:.0} | {sqlite:.0} |");
                if !today && articles == bench.articles {
                    let what = format!("Redis per article, total only, {articles} articles, ids of {length} bytes");
                    reached.push(Reached { what, measured: redis, unit: "bytes", most: 160.0 });
                }
            }
        }
    }
}

/// The bytes per article in a store of `articles`: with a total only, or with all counters of an article read `today`.
fn weigh(subject: Subject, ids: Ids, today: bool, articles: usize) -> f64 {
    let place = Place::new(subject, 1);
    let site = site(0);
    let head = if today { "site,article,period,views" } else { "site,article,bucket,views" };
    let when = if today { Utc::now().date_naive().to_string() } else { "total".into() };
    // What exists before any article: files, scripts, the site's own counters.
    place.import(head, std::iter::once(format!("{site},,{when},1")));
    let empty = place.store_bytes();
    place.import(head, (0..articles).map(|number| format!("{site},{},{when},{}", ids.id(number), number % 1000 + 1)));
    (place.store_bytes() - empty) as f64 / articles as f64
}

fn resident(bench: &Bench, reached: &mut Vec<Reached>) {
    println!("\n### Resident memory\n\n| | MiB |\n|---|--:|");
    for subject in OURS {
        let (times, idle) = starts(bench, subject);
        let (time, idle) = (spread(times).1, spread(idle).1);
        let name = subject.name();
        println!("| {name}: idle after the start | {idle:.1} |");
        reached.push(Reached { what: format!("{name}: resident, idle"), measured: idle, unit: "MiB", most: 25.0 });
        reached.push(Reached { what: format!("{name}: from the start to the first answer"), measured: time, unit: "ms", most: 100.0 });
        let mut greatest = 0.0_f64;
        for (connections, articles) in [(128, 1000), (512, 1000), (128, bench.articles)] {
            let server = Server::start(subject, 1);
            let load = Load { articles, ..bench.load(Kind::Views, connections) };
            Lane::new(name, &server, load).run();
            let most = machine::memory(server.pid(), "VmHWM") as f64 / MIB;
            println!("| {name}: maximum under {connections} connections, {articles} articles | {most:.1} |");
            greatest = greatest.max(most);
        }
        reached.push(Reached { what: format!("{name}: resident, under load"), measured: greatest, unit: "MiB", most: 100.0 });
    }
    backlog();
}

/// Stops Redis while a day's views arrive, and starts it again.
fn backlog() {
    let mut server = Server::start(Subject::Redis, 1);
    for redis in &mut server.place.redis {
        redis.end("and keep its files\n");
    }
    let load = Load { articles: 5000, ..Load::new(Kind::Views, 64, 1) };
    while server.acknowledged.get() < BACKLOG_VIEWS {
        Lane::new("", &server, load).run();
    }
    let views = server.acknowledged.get();
    println!("| truycap, Redis: {views} views of 5000 articles wait in the journal, Redis is down | {:.1} |", server.memory() as f64 / MIB);
    for redis in &mut server.place.redis {
        redis.run();
    }
    let restarted = Instant::now();
    while server.figures(0) != (views, false) || server.metrics(["truycap_store_lag_seconds"]) != [0.0] {
        assert!(restarted.elapsed() < APPLY_TIMEOUT, "the backlog is applied");
        thread::sleep(Duration::from_millis(5));
    }
    let took = restarted.elapsed().as_secs_f64();
    println!("| … {took:.1} s after Redis is back, when all are applied | {:.1} |", server.memory() as f64 / MIB);
    server.check();
}
