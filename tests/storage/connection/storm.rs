//! Connections that break continually under load.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::Utc;
use chrono_tz::Tz;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use truycap::{
    domain::{
        article::ArticleId,
        period::Bucket,
        site::{Rules, Site, SiteId},
    },
    journal::sqlite::{Config as JournalConfig, SqliteJournal},
    recorder::{self, APPLY_SUMS, Config, Handle, NewView},
    store::Store,
};

use super::{
    RedisStore,
    proxy::{Fault, Proxy, Way},
    redis_server::Server,
    redis_store::open,
};

const SITES: [&str; 3] = ["portal", "press", "shop"];
const STORM: Duration = Duration::from_secs(4);
/// How many views are in flight at any time.
const VISITORS: u64 = 8;

/// Acknowledged views of each article, and of the sites themselves (`""`).
type Tally = BTreeMap<(&'static str, String), u64>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_view_is_counted_once_despite_resets_and_cuts() {
    let server = Server::start_on_port(&[]);
    let (proxy, dir) = (Proxy::to(&server).await, TempDir::new().unwrap());
    let journal = JournalConfig { path: dir.path().join("journal.db"), max_bytes: 64 << 20 };
    let journal = Arc::new(SqliteJournal::open(journal).unwrap());
    let store = Arc::new(open(&proxy.url(), "p"));
    let config = Config { flush_interval: Duration::from_millis(10), retain: Duration::from_secs(900), apply_sums: APPLY_SUMS };
    let sites = SITES
        .map(|id| Site {
            id: SiteId::parse(id).unwrap(),
            aliases: Vec::new(),
            origins: Vec::new(),
            timezone: Tz::UTC,
            sections: Vec::new(),
            rules: Rules::default(),
        })
        .to_vec();
    let clock = Utc::now;
    let (handle, recorder) = recorder::spawn(config, sites, journal.clone(), store.clone(), clock).await.unwrap();

    let (over, tally) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Tally::new())));
    let mut visitors = JoinSet::new();
    for seed in 0..VISITORS {
        visitors.spawn(visit(handle.clone(), StdRng::seed_from_u64(seed), Arc::clone(&over), Arc::clone(&tally)));
    }
    break_connections(&proxy).await;
    over.store(true, Ordering::Relaxed);
    visitors.join_all().await;
    let drained = recorder.shutdown(Duration::from_secs(30)).await;
    assert_eq!(drained.waiting.sites, []);

    let acknowledged = tally.lock().unwrap().clone();
    assert!(acknowledged.values().sum::<u64>() > 100, "too little load: {acknowledged:?}");
    let straight = server.store("p");
    for site in SITES {
        let of_site = acknowledged.iter().filter(|(key, _)| key.0 == site).map(|((_, article), views)| (article.clone(), *views));
        counted_are(&straight, site, of_site.collect()).await;
    }
}

/// Records one view at a time until the storm is over.
async fn visit(handle: Handle, mut random: StdRng, over: Arc<AtomicBool>, tally: Arc<Mutex<Tally>>) {
    while !over.load(Ordering::Relaxed) {
        let site = SITES[random.random_range(0..SITES.len())];
        let article = format!("/{}", random.random_range(0..20));
        handle.record(&handle.site(site).unwrap(), NewView::of(Some(ArticleId::parse(&article).unwrap()))).await.unwrap();
        let mut tally = tally.lock().unwrap();
        for article in [article, String::new()] {
            *tally.entry((site, article)).or_default() += 1;
        }
    }
}

/// Breaks connections at random times and bytes, and delivers some requests after later ones.
async fn break_connections(proxy: &Proxy) {
    let mut random = StdRng::seed_from_u64(1);
    let end = Instant::now() + STORM;
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(random.random_range(1..60))).await;
        let way = if random.random() { Way::ToRedis } else { Way::FromRedis };
        match random.random_range(0..10) {
            0..5 => proxy.reset(),
            5..9 => proxy.cut(way, random.random_range(0..3000), Fault::Lost),
            _ => {
                proxy.cut(Way::ToRedis, random.random_range(0..3000), Fault::Held);
                tokio::time::sleep(Duration::from_millis(300)).await;
                proxy.release();
            }
        }
    }
    assert!(proxy.made() > 5, "only {} connections were opened", proxy.made());
    proxy.cancel_cut();
}

/// Checks that a site has exactly these counters, in each kind of bucket.
async fn counted_are(store: &RedisStore, site: &str, expected: BTreeMap<String, u64>) {
    let (sender, mut rows) = mpsc::channel(10_000);
    store.export(&SiteId::parse(site).unwrap(), sender).await.unwrap();
    let mut counted: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    while let Ok((bucket, subject, views)) = rows.try_recv() {
        let kind = match bucket {
            Bucket::Total => "total",
            Bucket::Day(_) => "day",
            Bucket::Week { .. } => "week",
            Bucket::Month { .. } => "month",
            Bucket::Year(_) => "year",
        };
        let article = subject.article().map_or_else(String::new, ToString::to_string);
        *counted.entry(kind).or_default().entry(article).or_default() += views;
    }
    assert_eq!(counted.len(), 5, "{site}: {:?}", counted.keys());
    for (kind, counted) in counted {
        assert_eq!(counted, expected, "{site}, by {kind}");
    }
}
