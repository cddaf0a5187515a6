//! The real recorder in thousands of simulated worlds in which everything fails, each generated from a seed.
//!
//! Time is simulated, so hours pass in milliseconds. All randomness comes from the seed, so a failure can be reproduced:
//!
//! ```sh
//! TRUYCAP_SIM_SEED=123 cargo test --test simulation      # one seed
//! TRUYCAP_SIM_SEEDS=100000 cargo test --test simulation  # more seeds
//! ```
//!
//! The promise: an acknowledged view is counted exactly once, an unacknowledged one at most once. After every recovery,
//! the store holds what the journals held, for each site, article and bucket; and acknowledged ≤ counted ≤ started. The same is true
//! of what is counted beside the views; while nothing fails, none of it is lost.
//!
//! A process can start with an older copy of its journal and a newer store. Then the views in later entries are lost,
//! except those that the store or another copy of the journal has. All other views must still be counted exactly once. And
//! up to four processes can go on from copies of one journal.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod faults;
mod store;
mod world;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use faults::RandomFaults;
use store::SimulatedStore;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use truycap::{
    domain::{
        article::ArticleId,
        counts::{Deltas, Kind, SiteViews, Subject},
        figures::{Figure, Figures},
        outcome::{Outcome, SiteAlone},
        period::Bucket,
        site::{Rules, Site, SiteId},
    },
    recorder::{self, Config, Handle, NewView, Recorder},
};
use truycap_test_support::faulty::{FaultyJournal, FaultyStore};
use world::{Life, SITES, Tally, World, now, set_clock};

/// How long applied entries are kept.
const RETAIN: Duration = Duration::from_secs(6);
/// How far back the store can be rolled: less than `RETAIN`, with a margin for the ticks in between.
const REACH: Duration = Duration::from_secs(4);

/// How many seeds a test run tries by default.
const SEEDS: u64 = 3000;

/// One in this many seeds is tried on a Redis, which takes that many times longer.
const ON_REDIS: u64 = 60;

fn sites() -> Vec<Site> {
    let site = |id, timezone| Site {
        id: SiteId::parse(id).unwrap(),
        aliases: Vec::new(),
        origins: Vec::new(),
        timezone,
        sections: Vec::new(),
        rules: Rules::default(),
    };
    let [hanoi, berlin] = SITES;
    vec![site(hanoi, Tz::Asia__Ho_Chi_Minh), site(berlin, Tz::Europe__Berlin)]
}

fn article(number: u64) -> Option<ArticleId> {
    (number > 0).then(|| ArticleId::parse(&format!("/tin/{number}")).unwrap())
}

/// One process: a recorder, and visitors who send views to it.
struct Process {
    instance: usize,
    life: Arc<Life>,
    handle: Handle,
    recorder: Recorder,
    visitors: JoinSet<()>,
}

impl Process {
    async fn start(world: &Arc<World>, instance: usize, steps: u64) -> Self {
        let life = Life::new(steps);
        let faults = RandomFaults { world: Arc::clone(world), life: Arc::clone(&life), instance };
        let journal = Arc::clone(&world.lock().instances[instance].journal);
        journal.reopen();
        let journal = Arc::new(FaultyJournal::new(journal, faults.clone()));
        let store = Arc::new(FaultyStore::new(world.store.clone(), faults));
        let config = Config { flush_interval: Duration::from_millis(250), retain: RETAIN, apply_sums: 2 };
        let (handle, recorder) = recorder::spawn(config, sites(), journal, store, now).await.unwrap();
        Self { instance, life, handle, recorder, visitors: JoinSet::new() }
    }

    /// Configures a random choice of the sites: some, none or all of them.
    fn reconfigure(&mut self, world: &World) {
        self.recorder.configure(sites().into_iter().filter(|_| world.random(0..3) > 0).collect());
    }

    fn open(&mut self, world: &Arc<World>) {
        for _ in 0..3 {
            self.visitors.spawn(visit(Arc::clone(world), self.handle.clone(), self.instance));
        }
    }
}

/// Sends views one after the other, and checks the figures after each.
async fn visit(world: Arc<World>, handle: Handle, instance: usize) {
    loop {
        sleep(Duration::from_millis(world.random(0..200))).await;
        let site = SITES[usize::from(world.random(0..4) == 0)];
        let article = article(world.random(0..6));
        // It may not be in the configuration at present.
        let Some(counter) = &handle.site(site) else { continue };
        let key = (counter.site().id.clone(), counter.site().day(handle.now()));
        if world.random(0..3) == 0 {
            let outcome = if world.random(0..2) == 0 { Outcome::Bot } else { Outcome::Limited };
            outcome.kind().into_iter().for_each(|kind| world.lock().started.entry(key.clone()).or_default().count_kind(kind));
            handle.note(counter, outcome);
            continue;
        }
        let site_alone = (article.is_none() && world.random(0..2) == 0).then_some(SiteAlone::ArticleLimit);
        let visit = world.random(0..3) == 0;
        let mut view = SiteViews::default();
        view.count(article.clone());
        (0..u32::from(visit)).for_each(|_| view.count_kind(Kind::Visits));
        site_alone.into_iter().for_each(|reason| view.count_kind(reason.kind()));
        world.lock().started.entry(key.clone()).or_default().add(&view);
        let outcome = handle.record(counter, NewView { article: article.clone(), site_alone, visit }).await;
        if outcome.is_err() {
            continue;
        }
        world.lock().instances[instance].acknowledged.entry(key).or_default().add(&view);
        check_answer(&world, &handle, instance, site, article).await;
    }
}

/// Figures that are not stale include all views that this process had acknowledged before the request, and none that no
/// visitor had sent. This is checked for each of the nine, for the day of the answer.
async fn check_answer(world: &World, handle: &Handle, instance: usize, site: &str, article: Option<ArticleId>) {
    let Some(counter) = &handle.site(site) else { return };
    let least = world.lock().instances[instance].acknowledged.clone();
    let answer = handle.figures(counter, article.as_slice()).await;
    let (most, _) = world.promised();
    if answer.stale {
        return;
    }
    let today = counter.site().day(answer.as_of);
    let sums = |tally: &Tally, figure: Figure, subject: &Subject| {
        let of_site = tally.iter().filter(|((id, day), _)| id.as_str() == site && figure.bucket(today).contains(*day));
        let of_subject = of_site.map(|(_, sum)| match subject {
            Subject::Site => sum.views,
            Subject::Kind(kind) => sum.of_kind(*kind),
            Subject::Article(article) => sum.articles.get(article).copied().unwrap_or(0),
        });
        of_subject.sum::<u64>()
    };
    let known = answer.articles.iter().map(|(article, figures)| (Subject::Article(article.clone()), *figures));
    let of_site = [(Subject::Site, answer.site.unwrap()), (Subject::Kind(Kind::Visits), answer.visits.unwrap())];
    for (subject, figures) in known.chain(of_site) {
        for figure in Figure::ALL {
            let (least, found, most) = (sums(&least, figure, &subject), figures[figure], sums(&most, figure, &subject));
            assert!(
                least <= found && found <= most,
                "instance {instance}: {site} {subject:?} {}: {least} <= {found} <= {most}",
                figure.name()
            );
        }
    }
    assert_eq!(answer.articles.len(), article.iter().len());
}

/// Everything that a store holds of a site.
async fn rows(world: &World, site: &SiteId) -> BTreeMap<(Bucket, Subject), u64> {
    world.store.rows(site).await.into_iter().map(|(bucket, subject, views)| ((bucket, subject), views)).collect()
}

/// What a store should hold of a site: every durable view once, in each of its buckets, and what is counted beside them.
fn expected(tally: &Tally, site: &SiteId) -> BTreeMap<(Bucket, Subject), u64> {
    let deltas: Deltas = tally.iter().filter(|((id, _), _)| id == site).map(|((_, day), sum)| (*day, sum)).collect();
    let mut rows = BTreeMap::new();
    for (set, sum) in deltas.0 {
        for bucket in set.buckets() {
            *rows.entry((bucket, Subject::Site)).or_default() += sum.views;
            for (article, views) in &sum.articles {
                *rows.entry((bucket, Subject::Article(article.clone()))).or_default() += views;
            }
            for (kind, count) in &sum.kinds {
                *rows.entry((bucket, Subject::Kind(*kind))).or_default() += count;
            }
        }
    }
    rows.retain(|_, views| *views > 0);
    rows
}

/// Checks that `tally` contains all views of `least`.
fn assert_contains(least: &Tally, tally: &Tally) {
    for (key, sum) in least {
        let found = tally.get(key).cloned().unwrap_or_default();
        assert!(sum.views <= found.views, "{key:?}: {} <= {}", sum.views, found.views);
        for (article, views) in &sum.articles {
            let found = found.articles.get(article).copied().unwrap_or(0);
            assert!(*views <= found, "{key:?} {article}: {views} <= {found}");
        }
        for (kind, count) in &sum.kinds {
            let found = found.kinds.get(kind).copied().unwrap_or(0);
            assert!(*count <= found, "{key:?} {kind}: {count} <= {found}");
        }
    }
}

/// How much of what is counted beside the views is not in a journal, over all sites and days.
fn missing(world: &World) -> BTreeMap<Kind, u64> {
    let (started, _) = world.promised();
    let mut missing = BTreeMap::new();
    for (tally, sign) in [(started, 1), (world.durable(), -1)] {
        for (kind, count) in tally.values().flat_map(|sum| &sum.kinds) {
            let left: &mut u64 = missing.entry(*kind).or_default();
            *left = left.wrapping_add_signed(sign * count.cast_signed());
        }
    }
    missing.retain(|_, count| *count > 0);
    missing
}

/// Waits until the store holds what the journals hold, and compares everything.
async fn check(world: &World, processes: &[Process]) {
    let deadline = Instant::now() + Duration::from_secs(30);
    for site in sites() {
        loop {
            let (found, expected) = (rows(world, &site.id).await, expected(&world.durable(), &site.id));
            if found == expected && world.lock().copies.is_empty() {
                break;
            }
            let key = |(bucket, subject): &(Bucket, Subject)| *bucket == Bucket::Total && *subject == Subject::Site;
            let total = |rows: &BTreeMap<_, _>| rows.iter().find(|(k, _)| key(k)).map(|(_, views)| *views);
            assert!(
                Instant::now() < deadline,
                "{}: the store holds {:?}, the journals held {:?}",
                site.id,
                total(&found),
                total(&expected)
            );
            sleep(Duration::from_millis(50)).await;
            world.deliver().await;
        }
    }
    let (started, acknowledged) = world.promised();
    assert_contains(&acknowledged, &world.durable());
    assert_contains(&world.durable(), &started);
    // The views of each process show in all others within a second.
    sleep(Duration::from_secs(1)).await;
    for process in processes {
        for site in sites() {
            figures_are_exact(world, &process.handle, &site).await;
        }
    }
}

async fn figures_are_exact(world: &World, handle: &Handle, site: &Site) {
    let articles: Vec<_> = (1..7).filter_map(article).collect();
    let answer = handle.figures(&handle.site(site.id.as_str()).unwrap(), &articles).await;
    let (today, rows) = (site.day(now()), expected(&world.durable(), &site.id));
    let of =
        |subject: Subject| Figures::new(Figure::buckets(today).map(|bucket| rows.get(&(bucket, subject.clone())).copied().unwrap_or(0)));
    assert!(!answer.stale, "{}: the store is reachable again", site.id);
    assert_eq!(answer.site, Some(of(Subject::Site)), "{}", site.id);
    assert_eq!(answer.visits, Some(of(Subject::Kind(Kind::Visits))), "{}", site.id);
    let of_articles = articles.iter().map(|article| (article.clone(), of(Subject::Article(article.clone()))));
    assert_eq!(answer.articles, of_articles.collect::<Vec<_>>());
}

/// Lets everything fail for some seconds.
async fn let_everything_fail(world: &Arc<World>, processes: &mut Vec<Process>, seconds: u64) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        sleep(Duration::from_millis(100)).await;
        world.keep_image(REACH);
        world.roll_back();
        if let Some(instance) = world.copy_instance() {
            let steps = world.random(1..400);
            let process = Process::start(world, instance, steps).await;
            processes.push(process);
            processes[instance].open(world);
        }
        for (instance, process) in processes.iter_mut().enumerate() {
            if timeout(Duration::ZERO, process.life.died.notified()).await.is_ok() {
                process.visitors.shutdown().await;
                world.roll_back_journal(instance).await;
                let steps = world.random(1..400);
                *process = Process::start(world, instance, steps).await;
                process.open(world);
            }
            world.copy_journal(instance);
            if world.random(0..10) == 0 {
                process.reconfigure(world);
            }
            while let Some(ended) = process.visitors.try_join_next() {
                ended.expect("all figures are right");
            }
        }
    }
}

/// `store` creates the store.
async fn simulate(seed: u64, store: fn() -> SimulatedStore) {
    // Times near midnight, also at the end of a year. They are in the future, because a real Redis would expire past
    // buckets.
    let begin: DateTime<Utc> =
        ["2098-12-31T16:59:50Z", "2098-11-23T03:00:00Z", "2096-02-28T16:59:55Z"][(seed % 3) as usize].parse().unwrap();
    set_clock(begin);
    let instances = 1 + (seed % 8 >= 6) as usize;
    let world = World::new(seed, instances, store());
    let mut processes = Vec::new();
    for instance in 0..instances {
        let steps = world.random(1..400);
        processes.push(Process::start(&world, instance, steps).await);
        processes[instance].open(&world);
    }
    for _ in 0..2 {
        world.lock().faults = true;
        let seconds = world.random(2..8);
        let_everything_fail(&world, &mut processes, seconds).await;
        world.lock().faults = false;
        for instance in &mut world.lock().instances {
            instance.full = false;
        }
        world.lock().images.clear();
        for process in &mut processes {
            process.recorder.configure(sites());
        }
        for (instance, process) in processes.iter_mut().enumerate() {
            process.life.end();
            *process = Process::start(&world, instance, u64::MAX).await;
        }
        check(&world, &processes).await;
        for process in &mut processes {
            // From here on it can crash again; in the end, faults are off and it does not.
            process.life.limit(world.random(1..400));
            process.open(&world);
        }
    }
    for process in &mut processes {
        process.life.limit(u64::MAX);
        process.reconfigure(&world);
    }
    sleep(Duration::from_secs(1)).await;
    for process in &mut processes {
        process.recorder.configure(sites());
    }
    // Processes that have run for a while know the views of others as well as those that have just started.
    for process in &mut processes {
        process.visitors.shutdown().await;
    }
    check(&world, &processes).await;
    // From here on, nothing fails.
    sleep(Duration::from_secs(2)).await;
    let lost = missing(&world);
    for process in &mut processes {
        process.open(&world);
    }
    // An orderly shutdown: acknowledged views are applied before the process ends.
    sleep(Duration::from_secs(1)).await;
    for process in processes {
        drop(process.visitors);
        drop(process.handle);
        let drained = process.recorder.shutdown(Duration::from_secs(5)).await;
        assert_eq!(drained.waiting.sites, [], "the store is reachable");
    }
    assert_eq!(missing(&world), lost);
    check(&world, &[]).await;
}

fn run(seed: u64, store: fn() -> SimulatedStore) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(simulate(seed, store));
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect("a whole number"))
}

/// Runs one in `share` of the requested seeds, or the single seed that is requested.
fn run_all(share: u64, store: fn() -> SimulatedStore) {
    if let Some(seed) = number("TRUYCAP_SIM_SEED") {
        return run(seed, store);
    }
    let seeds = number("TRUYCAP_SIM_SEEDS").unwrap_or(SEEDS) / share;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for first in 0..threads as u64 {
            scope.spawn(move || {
                for seed in (first..seeds).step_by(threads) {
                    if catch_unwind(AssertUnwindSafe(|| run(seed, store))).is_err() {
                        panic!("seed {seed} failed; run it again with TRUYCAP_SIM_SEED={seed} cargo test --test simulation");
                    }
                }
            });
        }
    });
}

#[test]
fn an_acknowledged_view_is_counted_exactly_once_whatever_fails() {
    run_all(1, SimulatedStore::in_memory);
}

#[test]
fn an_acknowledged_view_is_counted_exactly_once_on_a_real_redis_whatever_fails() {
    run_all(ON_REDIS, SimulatedStore::on_redis);
}
