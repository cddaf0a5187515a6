//! Random operations: the stores agree with the memory store, and all of them with a simple recount.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use chrono::{Days, NaiveDate, Utc};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use truycap::{
    domain::{
        MAX_COUNT,
        article::{ArticleId, Section},
        counts::{Deltas, SiteViews},
        figures::{Figure, Figures},
        period::{Bucket, BucketSet},
        producer::ProducerId,
        site::SiteId,
    },
    store::{Applied, LIST_LEAST, Store},
};

use super::{Harness, Memory, Redis, Sqlite, TestClock, apply, article, as_deltas, at, export, maintain, on_every_store, section, site};

const SITES: [&str; 2] = ["a", "b"];
const PREFIXES: [&str; 7] = ["/tin/", "/tin", "/t*", "/ế/", "'", "total", "/🇻🇳"];
const SECTIONS: [&str; 6] = ["/tin", "/tin/", "/t", "/t*", "/ế/1", "nothing"];
/// How long each store is tested: new seeds begin until then.
const SECONDS: u64 = 6;
/// The seeds that are always run.
const SEEDS: u64 = 3;

fn pick(rng: &mut StdRng, from: &[&'static str]) -> &'static str {
    from.choose(rng).copied().unwrap()
}

fn some_article(rng: &mut StdRng) -> ArticleId {
    let number = rng.random_range(0..40_u32).min(rng.random_range(0..40));
    article(&format!("{}{number}", pick(rng, &PREFIXES)))
}

/// Usually a recent day, sometimes an old or a future one.
fn some_day(rng: &mut StdRng, today: NaiveDate) -> NaiveDate {
    let ago = *[0, 0, 0, 0, 1, 1, 2, 7, 31, 39, 42, 60, 100, 365, 800, 3000, 30_000].choose(rng).unwrap();
    if rng.random_bool(0.05) { today + Days::new(ago.min(800)) } else { today - Days::new(ago) }
}

fn some_set(rng: &mut StdRng, today: NaiveDate) -> BucketSet {
    let day = some_day(rng, today);
    if rng.random_bool(0.7) {
        return BucketSet::of_day(day);
    }
    let bucket = *Bucket::of_day(day).choose(rng).unwrap();
    if rng.random_bool(0.5) { BucketSet::from_iter([bucket]) } else { bucket.and_larger().unwrap_or(vec![bucket]).into_iter().collect() }
}

fn some_deltas(rng: &mut StdRng, today: NaiveDate) -> Arc<Deltas> {
    let mut deltas = Deltas::default();
    for _ in 0..rng.random_range(0..4) {
        let set = some_set(rng, today);
        for _ in 0..*[1, 3, 10, 60].choose(rng).unwrap() {
            let id = rng.random_bool(0.9).then(|| some_article(rng));
            let views = match rng.random_range(0..400) {
                0 => MAX_COUNT - 2,
                1 => 123_456_789_012_345,
                2 => u64::MAX,
                _ => rng.random_range(0..4),
            };
            deltas.add(set, id, views);
        }
    }
    deltas.into()
}

/// What does not depend on how a store makes its revisions.
fn kind(applied: Applied) -> (Option<bool>, Option<bool>, u64, Applied) {
    match applied {
        Applied::Done(done) => (Some(done.saturated), Some(done.jumped), done.after.number - done.before.number, Applied::Refused(at(0))),
        refused => (None, None, 0, refused),
    }
}

/// Two stores on which the same operations are run.
struct Pair<H: Harness> {
    model: Memory,
    tested: H,
    clock: TestClock,
    rng: StdRng,
    sections: BTreeMap<&'static str, Vec<Section>>,
    saturated: u32,
    jumped: u32,
}

impl<H: Harness> Pair<H> {
    async fn start(seed: u64) -> Self {
        let clock = TestClock::at("2031-01-03T10:00:00Z");
        let (model, tested) = (Memory::start_by(clock.clock()).await, H::start_by(clock.clock()).await);
        let sections = SITES.map(|site| (site, vec![])).into();
        let mut pair = Self { model, tested, clock, rng: StdRng::seed_from_u64(seed), sections, saturated: 0, jumped: 0 };
        // A clock that is ahead is only wrong if the store has seen a time before.
        pair.touch().await;
        pair
    }

    fn today(&self) -> NaiveDate {
        self.clock.now().date_naive()
    }

    async fn apply(&mut self, site: &SiteId, deltas: Arc<Deltas>) {
        let producer = ProducerId(self.rng.random_range(1..4));
        let stored = self.model.store().offset(site, producer).await.unwrap();
        let from = if self.rng.random_bool(0.9) { stored } else { at(self.rng.random_range(0..20)) };
        let to = at(from.seq + self.rng.random_range(1..3));
        let earlier = self.rng.random_bool(0.1).then(|| (ProducerId(self.rng.random_range(1..4)), self.rng.random_range(0..20)));
        let expected = self.model.store().apply_after(site, earlier, producer, from, to, deltas.clone()).await.unwrap();
        let applied = self.tested.store().apply_after(site, earlier, producer, from, to, deltas).await.unwrap();
        assert_eq!(kind(applied), kind(expected));
        if let Applied::Done(done) = applied {
            self.saturated += u32::from(done.saturated);
            self.jumped += u32::from(done.jumped);
        }
    }

    /// An apply without views on each site, so that the stores see the time.
    async fn touch(&mut self) {
        for site in SITES.map(site) {
            let producer = ProducerId(9);
            let from = self.model.store().offset(&site, producer).await.unwrap().seq;
            apply(self.model.store(), &site, producer, from, from + 1, Arc::default()).await;
            apply(self.tested.store(), &site, producer, from, from + 1, Arc::default()).await;
        }
    }

    /// One operation.
    async fn step(mut self) -> Self {
        let id = pick(&mut self.rng, &SITES);
        let site = site(id);
        match self.rng.random_range(0..20) {
            0..10 => {
                let today = self.today();
                let deltas = some_deltas(&mut self.rng, today);
                self.apply(&site, deltas).await;
            }
            10..12 => {
                // More than a day is a jump, after a silence.
                self.clock.pass(self.rng.random_range(1..30));
                self.touch().await;
            }
            12 => self.clock_ahead().await,
            13 => self.tested = self.tested.restart().await,
            14 => {
                let count = self.rng.random_range(0..4);
                self.sections.insert(id, SECTIONS.sample(&mut self.rng, count).map(|text| section(text)).collect());
            }
            15..18 => {
                self.tested.store().maintain(&site, &self.sections[id]).await.unwrap();
                self.model.store().maintain(&site, &self.sections[id]).await.unwrap();
            }
            _ => self.compare(&site).await,
        }
        self
    }

    /// The clock is ahead for some operations, and then right again.
    async fn clock_ahead(&mut self) {
        let days = *[2, 45, 400].choose(&mut self.rng).unwrap();
        self.clock.pass(24 * days);
        for _ in 0..self.rng.random_range(1..5) {
            let id = pick(&mut self.rng, &SITES);
            let site = site(id);
            let today = self.today();
            let deltas = some_deltas(&mut self.rng, today);
            self.apply(&site, deltas).await;
            self.tested.store().maintain(&site, &self.sections[id]).await.unwrap();
            self.model.store().maintain(&site, &self.sections[id]).await.unwrap();
            self.compare(&site).await;
        }
        self.clock.pass(-24 * days);
        self.touch().await;
    }

    /// Compares some reads.
    async fn compare(&mut self, site: &SiteId) {
        let today = self.today();
        let today = some_day(&mut self.rng, today);
        let asked: Vec<_> = (0..20).map(|_| some_article(&mut self.rng)).collect();
        self.figures(site, today, &asked).await;
        for bucket in Bucket::of_day(today) {
            self.lists(site, bucket, false).await;
        }
    }

    async fn figures(&self, site: &SiteId, today: NaiveDate, asked: &[ArticleId]) {
        let (one, two) = (self.model.store(), self.tested.store());
        let producers = [ProducerId(1), ProducerId(3), ProducerId(2)];
        let mut figures = two.figures(site, &producers, today, asked).await.unwrap();
        let expected = one.figures(site, &producers, today, asked).await.unwrap();
        figures.revision = expected.revision;
        assert_eq!(figures, expected, "figures of {today}");
        let buckets = Bucket::of_day(today);
        assert_eq!(two.history(site, None, &buckets).await, one.history(site, None, &buckets).await);
        for id in asked.iter().take(3) {
            assert_eq!(two.history(site, Some(id), &buckets).await, one.history(site, Some(id), &buckets).await, "{today} of {id}");
        }
    }

    async fn lists(&self, site: &SiteId, bucket: Bucket, all_whole: bool) {
        let (one, two) = (self.model.store(), self.tested.store());
        for name in [None].into_iter().chain(SECTIONS.map(|name| Some(section(name)))) {
            let expected = one.top(site, name.as_ref(), bucket, LIST_LEAST).await.unwrap();
            let list = two.top(site, name.as_ref(), bucket, LIST_LEAST).await.unwrap();
            assert!(name.is_some() || list.whole);
            if all_whole {
                assert_eq!(list.whole, expected.whole, "{bucket} of {name:?}");
            }
            // One that the model has dropped can be there until the next steps.
            if list.whole && expected.whole {
                assert_eq!(list.articles, expected.articles, "{bucket} of {name:?}");
            }
        }
    }

    /// Compares everything.
    async fn compare_all(&mut self) {
        // A new store trusts its clock at once, and this one after six hours.
        self.touch().await;
        self.clock.pass(7);
        self.touch().await;
        for id in SITES {
            let site = site(id);
            maintain(self.tested.store(), &site, &self.sections[id]).await;
            maintain(self.model.store(), &site, &self.sections[id]).await;
            let rows = export(self.model.store(), &site).await.unwrap();
            assert_eq!(export(self.tested.store(), &site).await.unwrap(), rows);
            let mut articles: Vec<_> = rows.iter().filter_map(|row| row.1.clone()).collect();
            articles.dedup();
            for ago in [0, 1, 7, 40, 365] {
                self.figures(&site, self.today() - Days::new(ago), &articles).await;
            }
            let mut buckets: Vec<_> = rows.iter().map(|row| row.0).collect();
            buckets.sort();
            buckets.dedup();
            for bucket in &buckets {
                self.lists(&site, *bucket, true).await;
            }
            for article in [None].into_iter().chain(articles.into_iter().take(30).map(Some)) {
                let expected = self.model.store().history(&site, article.as_ref(), &buckets).await;
                assert_eq!(self.tested.store().history(&site, article.as_ref(), &buckets).await, expected, "{article:?}");
            }
            // An export into an empty store of the same kind is the same again.
            let copy = H::start_by(self.clock.clock()).await;
            apply(copy.store(), &site, ProducerId(1), 0, 1, as_deltas(&rows)).await;
            assert_eq!(export(copy.store(), &site).await.unwrap(), rows);
            for bucket in buckets {
                let list = copy.store().top(&site, None, bucket, LIST_LEAST).await.unwrap().articles;
                assert_eq!(list, self.tested.store().top(&site, None, bucket, LIST_LEAST).await.unwrap().articles);
            }
        }
    }
}

#[tokio::test]
async fn memory_agrees_with_itself() {
    agrees_with_memory::<Memory>(1).await;
}

#[tokio::test]
async fn sqlite_agrees_with_memory() {
    agrees_with_memory::<Sqlite>(SECONDS).await;
}

#[tokio::test]
async fn redis_agrees_with_memory() {
    agrees_with_memory::<Redis>(SECONDS).await;
}

async fn agrees_with_memory<H: Harness>(seconds: u64) {
    let (begin, mut saturated, mut jumped) = (Instant::now(), 0, 0);
    // More seeds, and other ones, are run with these variables.
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (first, seconds) = (number("STORE_SEED").unwrap_or(0), number("STORE_SECONDS").unwrap_or(seconds));
    for seed in first.. {
        if seed >= first + SEEDS && begin.elapsed().as_secs() >= seconds {
            break;
        }
        eprintln!("seed {seed}");
        let mut pair = Pair::<H>::start(seed).await;
        for _ in 0..80 {
            pair = pair.step().await;
        }
        pair.compare_all().await;
        saturated += pair.saturated;
        jumped += pair.jumped;
    }
    assert!(saturated > 0, "no seed reached the maximum count");
    assert!(jumped > 0, "no seed had a clock that jumped");
}

on_every_store! {
    counters_match_a_recount_of_all_views
}

const ARTICLES: [&str; 6] = ["/", "/a", "/b", "/ă", "'", "total"];

/// One view, as kept for the recount.
type View = (SiteId, NaiveDate, Option<ArticleId>);

fn recount(views: &[View], site: &SiteId, bucket: Bucket, article: Option<&ArticleId>) -> u64 {
    let counted = |(of, day, id): &&View| of == site && bucket.contains(*day) && (article.is_none() || id.as_ref() == article);
    views.iter().filter(counted).count() as u64
}

/// Views on days that have not expired, applied in chunks by two producers.
async fn counters_match_a_recount_of_all_views<H: Harness>() {
    let mut rng = StdRng::seed_from_u64(2020);
    let harness = H::start().await;
    let store = harness.store();
    let (now, mut views) = (Utc::now().date_naive(), Vec::new());
    for seq in 0..20 {
        for (site, producer) in SITES.map(site).iter().zip([1, 2, 1].map(ProducerId)) {
            let mut days: BTreeMap<NaiveDate, SiteViews> = BTreeMap::new();
            for _ in 0..rng.random_range(0..12) {
                let day = now - Days::new(rng.random_range(0..35));
                let id = rng.random_bool(0.6).then(|| article(pick(&mut rng, &ARTICLES)));
                views.push((site.clone(), day, id.clone()));
                days.entry(day).or_default().count(id);
            }
            let deltas = Arc::new(days.iter().map(|(day, views)| (*day, views)).collect());
            apply(store, site, producer, seq, seq + 1, deltas).await;
        }
    }
    let asked = ARTICLES.map(article);
    for site in SITES.map(site) {
        for ago in 0..70 {
            let today = now + Days::new(30) - Days::new(ago);
            let figures =
                |id: Option<ArticleId>| Figures::new(Figure::buckets(today).map(|bucket| recount(&views, &site, bucket, id.as_ref())));
            let snapshot = store.figures(&site, &[ProducerId(1)], today, &asked).await.unwrap();
            assert_eq!(snapshot.site, figures(None), "{site} on {today}");
            assert_eq!(snapshot.articles, asked.clone().map(|id| figures(Some(id))), "{site} on {today}");
        }
        let sum: u64 = store.top(&site, None, Bucket::Total, 99).await.unwrap().articles.iter().map(|(_, views)| views).sum();
        assert_eq!(sum, views.iter().filter(|(of, _, id)| *of == site && id.is_some()).count() as u64);
    }
}
