//! The time of a report while views are counted.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use chrono::{Datelike, Days, NaiveDate, Utc};
use hdrhistogram::Histogram;

use super::{
    driver,
    requests::{Kind, Load, article, site},
    scenarios::{Bench, OURS},
    servers::Server,
    subject::Subject,
};

/// The rate of the views.
const VIEWS: f64 = 10_000.0;
/// How many days the site has, and how many of its articles have views on each of the last ones.
const SITE_DAYS: u64 = 3 * 365;
const ARTICLE_DAYS: u64 = 60;
const ARTICLES_OF_A_DAY: usize = 2000;
const VIEWS_OF_A_DAY: u64 = 100_000;
/// So that no report is younger than a second when it is asked for again.
const PAUSE: Duration = Duration::from_millis(200);

/// What was asked beside the views.
#[derive(Debug)]
struct Asked {
    /// Microseconds of each report.
    latency: Histogram<u64>,
    /// The period of the longest one.
    slowest: (Duration, String),
    figures: u32,
    stale: u32,
}

pub(crate) fn report(bench: &Bench) {
    println!("\n### Reports of a site with {} articles and {SITE_DAYS} days, while {VIEWS} views a second are due\n", bench.articles);
    println!("| | views/s | reports | p50 ms | p99 ms | longest ms | its period | figures asked for | stale |");
    println!("|---|--:|--:|--:|--:|--:|---|--:|--:|");
    for subject in OURS {
        let server = large_portal(subject, bench.articles);
        let (public, admin) = (server.place.address, server.place.admin);
        let seconds = bench.seconds * bench.rounds as u64;
        let load = Load { articles: bench.articles, zipf: true, rate: Some(VIEWS), seconds, ..bench.load(Kind::Views, 64) };
        let stop = AtomicBool::new(false);
        let (views, asked) = thread::scope(|scope| {
            let asked = scope.spawn(|| ask(public, admin, &stop));
            let views = driver::run(public, load, || ());
            stop.store(true, Ordering::Relaxed);
            (views, asked.join().expect("all reports were made"))
        });
        server.acknowledged.set(server.acknowledged.get() + views.all);
        let ms = |of: f64| asked.latency.value_at_quantile(of) as f64 / 1e3;
        println!(
            "| {} | {:.0} | {} | {:.1} | {:.1} | {:.1} | {} | {} | {} |",
            subject.name(),
            views.per_second(),
            asked.latency.len(),
            ms(0.5),
            ms(0.99),
            asked.slowest.0.as_secs_f64() * 1e3,
            asked.slowest.1,
            asked.figures,
            asked.stale,
        );
        server.check();
    }
}

fn today() -> NaiveDate {
    Utc::now().with_timezone(&chrono_tz::Asia::Ho_Chi_Minh).date_naive()
}

fn before(days: u64) -> NaiveDate {
    today().checked_sub_days(Days::new(days)).expect("a date")
}

/// A server whose site has all articles, and days of three years.
fn large_portal(subject: Subject, articles: usize) -> Server {
    let server = Server::with_articles(subject, articles);
    let site = site(0);
    let of_site = (1..=SITE_DAYS).map(|days| format!("{site},,{},{VIEWS_OF_A_DAY}", before(days)));
    let of_day = |days: u64| {
        // Each day has articles of its own and shares some with others, and few have most views.
        let first = usize::try_from(days).expect("few") * 300;
        let site = site.clone();
        (0..ARTICLES_OF_A_DAY)
            .map(move |rank| format!("{site},{},{},{}", article((first + rank) % articles), before(days), 20_000 / (rank + 1) + 1))
    };
    server.place.import("site,article,period,views", of_site.chain((1..=ARTICLE_DAYS).flat_map(of_day)));
    server.acknowledged.set(server.figures(0).0);
    server
}

/// The queries of a few periods, from a day to all days.
fn periods() -> Vec<String> {
    let (today, month) = (today(), before(u64::from(today().day())));
    let range = |from: NaiveDate, to: NaiveDate| format!("from={from}&to={to}");
    vec![
        range(today, today),
        range(before(6), today),
        format!("month={}", month.format("%Y-%m")),
        String::new(),
        range(before(30), before(1)),
        range(before(38), before(9)),
        format!("year={}", today.year()),
        range(before(SITE_DAYS), today),
        range(before(365), today) + "&by=day",
    ]
}

/// Asks for reports and for figures in turn.
fn ask(public: SocketAddr, admin: SocketAddr, stop: &AtomicBool) -> Asked {
    let latency = Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds in order");
    let mut asked = Asked { latency, slowest: (Duration::ZERO, String::new()), figures: 0, stale: 0 };
    for period in periods().iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
        thread::sleep(PAUSE);
        let begin = Instant::now();
        let url = format!("http://{admin}/v1/sites/{}/report.csv?lang=en&{period}", site(0));
        let file = ureq::get(url).call().and_then(|mut answer| answer.body_mut().read_to_string()).expect("a report");
        let time = begin.elapsed();
        assert!(file.contains("Total views"), "{file}");
        asked.latency.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        asked.slowest = asked.slowest.max((time, period.clone()));
        let figures = ureq::get(format!("http://{public}/v1/sites/{}/figures", site(0))).call();
        let figures: serde_json::Value = figures.and_then(|mut answer| answer.body_mut().read_json()).expect("figures");
        asked.figures += 1;
        asked.stale += u32::from(figures["stale"] == true);
    }
    asked
}
