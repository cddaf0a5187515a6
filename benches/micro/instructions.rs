//! The number of instructions of a view, in parts and from the request to the response, under valgrind's callgrind.
//! Unlike times, they hardly differ from run to run, even on a busy machine. `make bench-instructions`.
//!
//! Nothing here waits: journal and store are in memory, time is paused, and all tasks run on one thread.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]
#![expect(unused_qualifications, reason = "the macros generate them")]

use std::{collections::BTreeMap, hint::black_box, sync::Arc, time::Duration};

use chrono::{DateTime, NaiveDate, Utc};
use gungraun::{Callgrind, EventKind, OutputFormat, prelude::*};
use http_body_util::Full;
use hyper::{Request, body::Bytes};
use tokio::{runtime::Runtime, task::JoinSet};
use truycap::{
    audience::{Audience, BotRules, Bots, ClientRules},
    domain::{
        article::ArticleId,
        counts::{Deltas, SiteViews},
        figures::Figures,
        producer::{Digest, ProducerId},
        retention::Retention,
        site::{Rules, Site, SiteId},
    },
    http::{Limits, Public, Responder},
    journal::{
        Entry,
        sqlite::entry::{Body, digest},
    },
    recorder::{self, Handle, NewView, Recorder},
    report::Reports,
    store::memory::MemoryStore,
    titles::Titles,
};
use truycap_test_support::memory_journal::MemoryJournal;

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const CRAWLER: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000)
}

fn day() -> NaiveDate {
    now().date_naive()
}

fn site() -> SiteId {
    SiteId::parse("portal").unwrap()
}

fn article(number: usize) -> ArticleId {
    ArticleId::parse(&format!("/tin/{number:07}")).unwrap()
}

fn entry(views: usize) -> Entry {
    let mut sum = SiteViews::default();
    (0..views).for_each(|number| sum.count(Some(article(number))));
    Entry { at: now(), views: BTreeMap::from([((site(), day()), sum)]) }
}

/// The service without sockets and files.
struct Service {
    runtime: Runtime,
    handle: Handle,
    public: Arc<Public>,
    _recorder: Recorder,
}

impl Service {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let config = recorder::Config {
            flush_interval: Duration::from_millis(250),
            retain: Duration::from_secs(900),
            apply_sums: recorder::APPLY_SUMS,
        };
        let site = Site {
            id: site(),
            aliases: Vec::new(),
            origins: Vec::new(),
            timezone: chrono_tz::Asia::Ho_Chi_Minh,
            sections: Vec::new(),
            rules: Rules::default(),
        };
        let store = MemoryStore::new(Retention::default(), now);
        let spawned = recorder::spawn(config, vec![site], Arc::new(MemoryJournal::new(ProducerId(1), 0, 1000)), Arc::new(store), now);
        let (handle, recorder) = runtime.block_on(spawned).unwrap();
        let audience = Audience::new(ClientRules::default(), &BotRules::default(), false, std::time::Instant::now).unwrap();
        let titles = Titles::new(&[], handle.metrics().titles.clone());
        let reports = Arc::new(Reports::new(handle.clone(), Retention::default()));
        let public = Public::new(handle.clone(), None, &Limits::default(), Arc::new(audience), reports, titles);
        Self { runtime, handle, public, _recorder: recorder }
    }

    fn respond(&self, request: Request<Full<Bytes>>) {
        let response = self.runtime.block_on(self.public.respond(std::net::Ipv4Addr::LOCALHOST.into(), request));
        assert_eq!(black_box(response).status(), 200);
    }

    /// Records views concurrently, each as if from its own connection.
    fn record(&self, views: Vec<ArticleId>) {
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for article in views {
                let handle = self.handle.clone();
                tasks.spawn(async move { handle.record(&handle.site("portal").unwrap(), NewView::of(Some(article))).await });
            }
            assert!(tasks.join_all().await.iter().all(Result::is_ok));
        });
    }
}

/// Ignores changes of less than `percent` per cent.
fn tolerant(percent: f64) -> LibraryBenchmarkConfig {
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(Callgrind::default().format([EventKind::Ir, EventKind::EstimatedCycles]));
    config.output_format(OutputFormat::default().tolerance(percent));
    config
}

type Prepared = (Service, Request<Full<Bytes>>);

fn view() -> Request<Full<Bytes>> {
    let request = Request::post("/v1/sites/portal/views").header("host", "127.0.0.1").header("user-agent", BROWSER);
    request.header("content-type", "text/plain").body(Full::from(r#"{"article":"/tin/0000001"}"#)).unwrap()
}

fn figures() -> Request<Full<Bytes>> {
    let request = Request::get("/v1/sites/portal/figures?article=/tin/0000001").header("host", "127.0.0.1");
    request.header("user-agent", BROWSER).body(Full::default()).unwrap()
}

/// A service that already knows the article, and a request for it.
fn prepared(request: fn() -> Request<Full<Bytes>>) -> Prepared {
    let service = Service::start();
    service.respond(view());
    service.respond(request());
    (service, request())
}

/// The rules about bots, and a user agent that was seen before.
fn known(agent: &str) -> (Bots, &str) {
    let (bots, agent) = unknown(agent);
    assert_eq!(bots.is_bot(agent.as_bytes()), agent == CRAWLER);
    (bots, agent)
}

/// The rules about bots, and a new user agent. The rules have been used before, because their first use costs more.
fn unknown(agent: &str) -> (Bots, &str) {
    let bots = Bots::new(&BotRules::default()).unwrap();
    assert_eq!(bots.is_bot(format!("{agent}x").as_bytes()), agent == CRAWLER);
    (bots, agent)
}

fn recording(views: usize) -> (Service, Vec<ArticleId>) {
    let service = Service::start();
    let articles: Vec<_> = (0..views).map(article).collect();
    service.record(articles.clone());
    (service, articles)
}

#[library_benchmark]
#[bench::plain("/tin/2026/11/duong-moi")]
#[bench::vietnamese("/tin/2026/11/đường-mới")]
fn read_an_article_id(text: &str) -> ArticleId {
    black_box(ArticleId::parse(black_box(text)).unwrap())
}

#[library_benchmark]
#[bench::browser(unknown(BROWSER))]
#[bench::crawler(unknown(CRAWLER))]
#[bench::browser_seen_before(known(BROWSER))]
fn look_for_a_bot((bots, agent): (Bots, &str)) -> (Bots, bool) {
    let is_bot = bots.is_bot(black_box(agent.as_bytes()));
    (bots, black_box(is_bot))
}

#[library_benchmark]
#[bench::today(Figures::default())]
fn add_to_figures(mut figures: Figures) -> Figures {
    figures.add(black_box(day()), black_box(day()), 1);
    black_box(figures)
}

// Hash maps have random keys, so their order differs from run to run. The sum of eight maps varies less.
#[library_benchmark(config = tolerant(2.0))]
#[bench::of_64_articles_8_times(vec![64; 8].into_iter().map(entry).collect())]
fn sum_counts(entries: Vec<Entry>) -> Vec<Entry> {
    for entry in &entries {
        black_box(entry.views.iter().map(|((_, day), sum)| (*day, sum)).collect::<Deltas>());
    }
    entries
}

#[library_benchmark]
#[bench::of_64_articles(entry(64))]
fn encode_an_entry(entry: Entry) -> (Entry, Vec<u8>) {
    let bytes = Body::of(black_box(&entry), [7; 8]).encode().unwrap();
    black_box(digest(Digest(1), ProducerId(1), 1, 0, &bytes));
    (entry, black_box(bytes))
}

#[library_benchmark]
#[bench::of_1(recording(1))]
#[bench::of_64(recording(64))]
fn record_views((service, views): (Service, Vec<ArticleId>)) -> Service {
    service.record(black_box(views));
    service
}

#[library_benchmark]
#[bench::a_view(prepared(view))]
#[bench::figures(prepared(figures))]
fn answer_a_request((service, request): Prepared) -> Service {
    service.respond(black_box(request));
    service
}

library_benchmark_group!(
    name = hot_path,
    benchmarks = [read_an_article_id, look_for_a_bot, add_to_figures, sum_counts, encode_an_entry, record_views, answer_a_request]
);

main!(config = tolerant(0.2), library_benchmark_groups = hot_path);
