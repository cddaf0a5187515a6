//! The code that every view runs, in parts and as a whole. `cargo bench -p truycap-micro-benches --bench hot_path`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

use std::{
    collections::BTreeMap,
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{NaiveDate, Utc};
use chrono_tz::Tz;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};
use tokio::{runtime::Runtime, task::JoinSet};
use truycap::{
    audience::{ClientNetwork, ClientResolver, ProxyHeader, RateLimits},
    domain::{
        article::ArticleId,
        counts::{Deltas, SiteViews},
        figures::Figures,
        retention::Retention,
        site::{Rules, Site, SiteId},
    },
    journal::{
        Entry, Journal,
        sqlite::{self, SqliteJournal},
    },
    recorder::{self, Handle, NewView, Recorder},
    store::memory::MemoryStore,
};

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 23).unwrap()
}

fn article(number: usize) -> ArticleId {
    ArticleId::parse(&format!("/tin/{number}")).unwrap()
}

/// The views of one commit under load: one for each connection, each of a different article.
fn batch(size: usize) -> SiteViews {
    let mut views = SiteViews::default();
    (0..size).for_each(|number| views.count(Some(article(number))));
    views
}

fn pieces(criterion: &mut Criterion) {
    criterion
        .bench_function("read an article id", |bencher| bencher.iter(|| ArticleId::parse(black_box("/tin/2026/11/duong-moi")).unwrap()));
    criterion.bench_function("add today's views to figures", |bencher| {
        let mut figures = Figures::default();
        bencher.iter(|| figures.add(black_box(day()), day(), 1));
    });
    criterion.bench_function("sum the counts of 1000 articles", |bencher| {
        let views = batch(1000);
        bencher.iter(|| Deltas::from_iter([(day(), black_box(&views))]));
    });
}

/// The cost of the rate limit per request, with 50 000 known clients.
fn limit(criterion: &mut Criterion) {
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    let resolver = ClientResolver { header: Some(ProxyHeader::XForwardedFor), trusted_proxies };
    let limits = RateLimits::new(100_000, Instant::now);
    (0..50_000_u32).for_each(|number| limits.take_request(|| Some(ClientNetwork::of(Ipv4Addr::from(number).into()))).unwrap());
    let peer = IpAddr::from(Ipv4Addr::LOCALHOST);
    let name = HeaderName::from_static("x-forwarded-for");
    let headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("203.0.113.5"))]);
    let client = |peer| resolver.resolve(peer, headers.get_all(&name).iter().map(HeaderValue::as_bytes));
    criterion.bench_function("check the rate of a client, by its address", |bencher| {
        let other = IpAddr::from([203, 0, 113, 6]);
        bencher.iter(|| limits.take_request(|| resolver.limited(client(black_box(other)))));
    });
    criterion.bench_function("check the rate of a client behind a proxy", |bencher| {
        bencher.iter(|| limits.take_request(|| resolver.limited(client(black_box(peer)))));
    });
}

fn journal(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let place = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(sqlite::Config { path: place.path().join("journal.db"), max_bytes: 1 << 30 }).unwrap();
    let views = BTreeMap::from([((SiteId::parse("portal").unwrap(), day()), batch(64))]);
    let entry = Arc::new(Entry { at: Utc::now(), views });
    criterion.bench_function("append 64 views durably", |bencher| {
        bencher.to_async(&runtime).iter(|| async { journal.append(Arc::clone(&entry)).await.unwrap() });
    });
}

async fn start(place: &tempfile::TempDir) -> (Handle, Recorder) {
    let clock = Utc::now;
    let journal = SqliteJournal::open(sqlite::Config { path: place.path().join("recorder.db"), max_bytes: 1 << 30 }).unwrap();
    let store = MemoryStore::new(Retention::default(), clock);
    let config =
        recorder::Config { flush_interval: Duration::from_millis(250), retain: Duration::from_secs(60), apply_sums: recorder::APPLY_SUMS };
    let site = Site {
        id: SiteId::parse("portal").unwrap(),
        aliases: Vec::new(),
        origins: Vec::new(),
        timezone: Tz::Asia__Ho_Chi_Minh,
        sections: Vec::new(),
        rules: Rules::default(),
    };
    recorder::spawn(config, vec![site], Arc::new(journal), Arc::new(store), clock).await.unwrap()
}

/// Simulates 64 connections, each of which records a view and reads its figures 16 times.
fn record(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let place = tempfile::tempdir().unwrap();
    let (handle, recorder) = runtime.block_on(start(&place));
    let mut group = criterion.benchmark_group("recorder");
    group.throughput(Throughput::Elements(64 * 16));
    group.bench_function("record 64 × 16 views and read their figures", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let mut visitors = JoinSet::new();
            for visitor in 0..64 {
                visitors.spawn(visit(handle.clone(), visitor));
            }
            while let Some(done) = visitors.join_next().await {
                done.unwrap();
            }
        });
    });
    group.finish();
    drop(runtime.block_on(recorder.shutdown(Duration::from_secs(5))));
}

async fn visit(handle: Handle, visitor: usize) {
    let counter = &handle.site("portal").unwrap();
    for number in 0..16 {
        let article = article((visitor * 16 + number) % 1000);
        handle.record(counter, NewView::of(Some(article.clone()))).await.unwrap();
        black_box(handle.figures(counter, &[article]).await);
    }
}

criterion_group!(benches, pieces, limit, journal, record);
criterion_main!(benches);
