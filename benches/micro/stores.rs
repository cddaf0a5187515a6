//! What an article costs in each store: processor time and wall time per apply, bytes, and the time of a question, with a
//! million articles. Run it with `make bench-stores`; `BENCH_ARTICLES` sets another number of articles.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use std::{
    collections::HashSet,
    fs,
    path::Path,
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{Days, NaiveDate, NaiveTime, Utc};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use truycap::{
    domain::{
        article::ArticleId,
        counts::{Deltas, SiteViews},
        producer::{Digest, Position, ProducerId, Seq},
        retention::Retention,
        site::SiteId,
    },
    store::{
        Applied, Store,
        redis::{RedisStore, RedisStoreConfig},
        sqlite::SqliteStore,
    },
};
use truycap_test_support::redis_server::Server;

/// How many articles one apply has.
const APPLY: usize = 1000;

/// How many applies are measured.
const APPLIES: usize = 200;

/// On how many days the articles are read for the first time.
const DAYS: usize = 200;

/// A store that is measured, and what it uses.
struct Subject {
    name: &'static str,
    store: Arc<dyn Store>,
    /// The process that does the work.
    process: u32,
    bytes: Box<dyn Fn() -> u64>,
    log_bytes: Box<dyn Fn() -> u64>,
    site: SiteId,
    at: Position,
    day: NaiveDate,
}

/// The clock of the store: noon of the day that is being applied.
#[derive(Clone)]
struct Today(Arc<std::sync::Mutex<NaiveDate>>);

impl Subject {
    /// Applies one view of each article.
    async fn apply(&mut self, today: &Today, articles: &[usize]) {
        *today.0.lock().unwrap() = self.day;
        let mut views = SiteViews::default();
        for article in articles {
            views.count(Some(id(*article)));
        }
        let deltas: Deltas = [(self.day, &views)].into_iter().collect();
        let seq = self.at.seq + 1;
        let to = Position { seq, digest: Digest(seq) };
        let answer = self.store.apply(&self.site, ProducerId(1), self.at, to, Arc::new(deltas)).await.unwrap();
        assert!(matches!(answer, Applied::Done(_)), "{answer:?}");
        self.at = to;
    }

    /// The processor time of the store's process.
    fn processor(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process)).unwrap();
        let nanos = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
        Duration::from_nanos(nanos.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum())
    }

    async fn measure(&mut self, today: &Today, what: &str, work: Vec<Vec<usize>>) {
        let articles: usize = work.iter().map(Vec::len).sum();
        let (wall, processor, log) = (Instant::now(), self.processor(), (self.log_bytes)());
        for articles in work {
            self.apply(today, &articles).await;
        }
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / articles as f64;
        let log = ((self.log_bytes)() as f64 - log as f64) / articles as f64;
        println!(
            "{:7} {what:10} {:6.1} us wall, {:6.1} us processor, {log:6.0} B of log per article",
            self.name,
            micros(wall.elapsed()),
            micros(self.processor() - processor)
        );
    }

    fn print_bytes(&self, what: &str, articles: usize) {
        println!("{:7} {what:10} {:6.0} B per article", self.name, (self.bytes)() as f64 / articles as f64);
    }

    /// Asks for one article at a time, each of them for the first time.
    async fn ask(&self, articles: &[usize]) {
        let mut times = Vec::new();
        for article in articles {
            let begun = Instant::now();
            self.store.figures(&self.site, &[ProducerId(1)], self.day, &[id(*article)]).await.unwrap();
            times.push(begun.elapsed());
        }
        times.sort();
        let [p50, p99] = [50, 99].map(|percent| times[times.len() * percent / 100].as_secs_f64() * 1e6);
        println!("{:7} question   p50 {p50:.0} us, p99 {p99:.0} us", self.name);
    }

    async fn run(mut self, today: Today, articles: usize) {
        let mut rng = StdRng::seed_from_u64(1);
        let mut order: Vec<usize> = (0..articles).collect();
        for last in (1..articles).rev() {
            order.swap(last, rng.random_range(0..=last));
        }
        let begun = Instant::now();
        for day in order.chunks(articles.div_ceil(DAYS)) {
            for part in day.chunks(APPLY) {
                self.apply(&today, part).await;
            }
            self.day = self.day + Days::new(1);
        }
        println!("{:7} {articles} articles in {:.1} s", self.name, begun.elapsed().as_secs_f64());
        self.print_bytes("read once", articles);
        let mut draw = |choose: &mut dyn FnMut(f64) -> usize| {
            let mut set = HashSet::new();
            while set.len() < APPLY.min(articles) {
                set.insert(choose(rng.random()));
            }
            set.into_iter().collect::<Vec<_>>()
        };
        let n = articles as f64;
        let uniform: Vec<_> = (0..APPLIES).map(|_| draw(&mut |x| (x * n) as usize)).collect();
        let zipf: Vec<_> = (0..APPLIES).map(|_| draw(&mut |x| (x * n.ln()).exp() as usize - 1)).collect();
        let hot = vec![(0..APPLY).collect::<Vec<_>>(); APPLIES];
        self.measure(&today, "uniform", uniform.clone()).await;
        self.measure(&today, "Zipf", zipf).await;
        self.measure(&today, "hot", hot).await;
        for _ in 0..5 {
            self.day = self.day + Days::new(1);
            for _ in 0..articles / 5 / APPLY {
                let part = draw(&mut |x| (x * n) as usize);
                self.apply(&today, &part).await;
            }
        }
        self.print_bytes("six days", articles);
        self.ask(&uniform.concat()[..10_000.min(articles)]).await;
        self.store.close().await;
    }
}

fn id(article: usize) -> ArticleId {
    ArticleId::parse(&format!("/tin-tuc/thoi-su/bai-viet-so-{article:07}")).unwrap()
}

fn file_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn main() {
    let articles = std::env::var("BENCH_ARTICLES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let kinds = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect::<Vec<_>>();
    let wanted = |kind: &str| kinds.is_empty() || kinds.iter().any(|word| word == kind);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let begin = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let today = Today(Arc::new(std::sync::Mutex::new(begin)));
    let clock = {
        let today = today.clone();
        move || today.0.lock().unwrap().and_time(NaiveTime::from_hms_opt(12, 0, 0).unwrap()).and_local_timezone(Utc).unwrap()
    };
    let subject = |name, store, process, bytes, log_bytes| Subject {
        name,
        store,
        process,
        bytes,
        log_bytes,
        site: SiteId::parse("portal").unwrap(),
        at: Position::START,
        day: begin,
    };
    if wanted("sqlite") {
        let directory = tempfile::Builder::new().prefix("stores").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = directory.path().join("truycap.db");
        let store = Arc::new(SqliteStore::open(&path, Retention::default(), clock.clone()).unwrap());
        let bytes = Box::new(move || file_bytes(&path));
        runtime.block_on(subject("SQLite", store, process::id(), bytes, Box::new(|| 0)).run(today.clone(), articles));
    }
    if wanted("redis") {
        let server = Arc::new(Server::start(&["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--save", ""]));
        let config = RedisStoreConfig { url: server.url().parse().unwrap(), prefix: "truycap".parse().unwrap() };
        let _runtime = runtime.enter();
        let store = Arc::new(RedisStore::open(config, Retention::default(), clock));
        let empty = info(&server, "used_memory");
        let (memory, log) = (Arc::clone(&server), Arc::clone(&server));
        let bytes = Box::new(move || info(&memory, "used_memory") - empty);
        let log_bytes = Box::new(move || info(&log, "aof_current_size"));
        let process = u32::try_from(info(&server, "process_id")).unwrap();
        runtime.block_on(subject("Redis", store, process, bytes, log_bytes).run(today, articles));
    }
}

/// A number of the server's `INFO`.
fn info(server: &Server, field: &str) -> Seq {
    let info: String = redis::cmd("INFO").query(&mut server.raw()).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|value| value.trim().parse().ok()).unwrap()
}
