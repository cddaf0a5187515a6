//! Random operations: the stores agree with the memory store, and all of them with a simple recount.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use chrono::{Days, NaiveDate, Utc};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use truycap::{
    domain::{
        MAX_COUNT,
        article::{ArticleId, Section},
        correction::{Change, CorrectionKind, Note},
        counts::{Deltas, Kind, SiteViews, Subject},
        figures::{Figure, Figures},
        period::{Bucket, BucketSet},
        producer::ProducerId,
        site::SiteId,
    },
    store::{Applied, Corrected, LIST_LEAST, Step, Store},
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
            let kind = Kind::ALL.choose(rng).copied().filter(|_| rng.random_bool(0.1));
            deltas.add(set, kind.map_or(id.into(), Subject::Kind), views);
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

/// The same of a step of a correction.
fn outcome(corrected: Corrected) -> (Option<(Applied, u64)>, Corrected) {
    match corrected {
        Corrected::Done { done, number } => (Some((Applied::Done(done), number)), Corrected::Undone(0)),
        other => (None, other),
    }
}

fn some_subject(rng: &mut StdRng) -> Subject {
    match rng.random_range(0..10) {
        0..2 => Subject::Site,
        2 => Subject::Kind(*Kind::ALL.choose(rng).unwrap()),
        _ => Subject::Article(some_article(rng)),
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
    /// How many corrections took views away, and how many were refused for that.
    shrunk: u32,
    below_zero: u32,
    undone: u32,
}

impl<H: Harness> Pair<H> {
    async fn start(seed: u64) -> Self {
        let clock = TestClock::at("2031-01-03T10:00:00Z");
        let (model, tested) = (Memory::start_by(clock.clock()).await, H::start_by(clock.clock()).await);
        let sections = SITES.map(|site| (site, vec![])).into();
        let mut pair = Self {
            model,
            tested,
            clock,
            rng: StdRng::seed_from_u64(seed),
            sections,
            saturated: 0,
            jumped: 0,
            shrunk: 0,
            below_zero: 0,
            undone: 0,
        };
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

    /// Views that are added, and views that are taken away from counters that readers see.
    async fn some_changes(&mut self, site: &SiteId) -> Vec<Change> {
        let (mut changes, today) = (Vec::new(), self.today());
        for _ in 0..*[0, 1, 5, 100].choose(&mut self.rng).unwrap() {
            let subject = some_subject(&mut self.rng);
            if self.rng.random_bool(0.4) {
                let views = if self.rng.random_bool(0.01) { MAX_COUNT.cast_signed() - 1 } else { self.rng.random_range(0..5) };
                changes.push(Change { subject, buckets: some_set(&mut self.rng, today), views });
                continue;
            }
            for (bucket, views) in self.model.store().counts(site, &subject).await.unwrap() {
                let less = match self.rng.random_range(0..100) {
                    0..60 => views.cast_signed(),
                    60..99 => self.rng.random_range(0..=views.cast_signed()),
                    _ => views.cast_signed() + 1,
                };
                if self.rng.random_bool(0.7) {
                    changes.push(Change { subject: subject.clone(), buckets: BucketSet::from_iter([bucket]), views: -less });
                }
            }
        }
        changes.truncate(1000);
        changes
    }

    async fn correct(&mut self, site: &SiteId) {
        let changes = self.some_changes(site).await;
        let producer = ProducerId(self.rng.random_range(20..26));
        let undoes = self.rng.random_bool(0.05).then(|| self.rng.random_range(0..9));
        self.correct_by(site, producer, changes, undoes).await;
    }

    async fn correct_by(&mut self, site: &SiteId, producer: ProducerId, changes: Vec<Change>, undoes: Option<u64>) -> bool {
        let stored = self.model.store().offset(site, producer).await.unwrap();
        let from = if self.rng.random_bool(0.95) { stored } else { at(self.rng.random_range(0..20)) };
        let of = *[CorrectionKind::Import, CorrectionKind::Merge].choose(&mut self.rng).unwrap();
        let note = Note { at: self.clock.now(), kind: of, what: "một".into(), reason: String::new(), undoes };
        let shrinks = changes.iter().any(|change| change.views < 0);
        let step = Arc::new(Step { producer, from, to: at(from.seq + 1), changes, note });
        let (mine, expected) = outcome(self.model.store().correct(site, Arc::clone(&step)).await.unwrap());
        let (its, corrected) = outcome(self.tested.store().correct(site, step).await.unwrap());
        assert_eq!(corrected, expected);
        let [mine, its] = [mine, its].map(|done| done.map(|(done, number)| (kind(done), number)));
        assert_eq!(its, mine);
        self.shrunk += u32::from(shrinks && its.is_some());
        self.below_zero += u32::from(matches!(corrected, Corrected::BelowZero(_)));
        self.undone += u32::from(matches!(corrected, Corrected::Undone(_)));
        its.is_some()
    }

    /// Takes back a correction by what is kept of it, as far as that is possible.
    async fn undo(&mut self, site: &SiteId) {
        // What has expired for a clock that is trusted is dropped by one store earlier than by another.
        self.trust().await;
        let audit = self.model.store().audit(site, 0).await.unwrap();
        let Some(entry) = audit.choose(&mut self.rng) else { return };
        let producer = ProducerId(1000 + u128::from(entry.number));
        for step in (1..=entry.steps).rev() {
            let Some(kept) = self.model.store().changes(site, entry.number, step).await.unwrap() else { return };
            let inverse = kept.iter().rev().map(Change::inverse).collect();
            if !self.correct_by(site, producer, inverse, Some(entry.number)).await {
                return;
            }
        }
    }

    /// Waits until the stores trust the clock.
    async fn trust(&mut self) {
        self.touch().await;
        self.clock.pass(7);
        self.touch().await;
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
        match self.rng.random_range(0..28) {
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
            20..26 => self.correct(&site).await,
            26 => self.undo(&site).await,
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
            self.correct(&site).await;
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
        self.corrections(site, &asked[..5]).await;
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
        assert_eq!(two.history(site, &Subject::Site, &buckets).await, one.history(site, &Subject::Site, &buckets).await);
        for id in asked.iter().take(3).cloned().map(Subject::Article) {
            assert_eq!(two.history(site, &id, &buckets).await, one.history(site, &id, &buckets).await, "{today} of {id:?}");
        }
    }

    /// The audit list, what is kept of it, and the counts that corrections begin with.
    async fn corrections(&self, site: &SiteId, articles: &[ArticleId]) {
        let (one, two) = (self.model.store(), self.tested.store());
        let audit = two.audit(site, 0).await.unwrap();
        assert_eq!(audit, one.audit(site, 0).await.unwrap());
        for entry in audit {
            for step in [1, entry.steps, entry.steps + 1] {
                let expected = one.changes(site, entry.number, step).await;
                assert_eq!(two.changes(site, entry.number, step).await, expected, "step {step} of {entry:?}");
            }
        }
        let kinds = Kind::ALL.map(Subject::Kind).into_iter().chain([Subject::Site]);
        for subject in kinds.chain(articles.iter().cloned().map(Subject::Article)) {
            assert_eq!(two.counts(site, &subject).await, one.counts(site, &subject).await, "{subject:?}");
        }
    }

    async fn lists(&self, site: &SiteId, bucket: Bucket, all_whole: bool) {
        let (one, two) = (self.model.store(), self.tested.store());
        for name in [None].into_iter().chain(SECTIONS.map(|name| Some(section(name)))) {
            let expected = one.top(site, name.as_ref(), bucket, LIST_LEAST).await.unwrap();
            let list = two.top(site, name.as_ref(), bucket, LIST_LEAST).await.unwrap();
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
        self.trust().await;
        for id in SITES {
            let site = site(id);
            maintain(self.tested.store(), &site, &self.sections[id]).await;
            maintain(self.model.store(), &site, &self.sections[id]).await;
            let rows = export(self.model.store(), &site).await.unwrap();
            assert_eq!(export(self.tested.store(), &site).await.unwrap(), rows);
            let mut articles: Vec<_> = rows.iter().filter_map(|row| row.1.article().cloned()).collect();
            articles.dedup();
            self.corrections(&site, &articles).await;
            self.tested.store().verify(true).await.unwrap();
            for ago in [0, 1, 7, 40, 365] {
                self.figures(&site, self.today() - Days::new(ago), &articles).await;
            }
            let mut buckets: Vec<_> = rows.iter().map(|row| row.0).collect();
            buckets.sort();
            buckets.dedup();
            for bucket in &buckets {
                self.lists(&site, *bucket, true).await;
            }
            let own = [Subject::Site].into_iter().chain(Kind::ALL.map(Subject::Kind));
            for subject in own.chain(articles.into_iter().take(30).map(Subject::Article)) {
                let expected = self.model.store().history(&site, &subject, &buckets).await;
                assert_eq!(self.tested.store().history(&site, &subject, &buckets).await, expected, "{subject:?}");
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
    let (begin, mut saturated, mut jumped, mut corrected) = (Instant::now(), 0, 0, [0; 3]);
    // More seeds, and other ones, are run with these variables.
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (first, seconds) = (number("STORE_SEED").unwrap_or(0), number("STORE_SECONDS").unwrap_or(seconds));
    for seed in first.. {
        if seed >= first + SEEDS && begin.elapsed().as_secs() >= seconds {
            break;
        }
        eprintln!("seed {seed}");
        let mut pair = Pair::<H>::start(seed).await;
        for _ in 0..100 {
            pair = pair.step().await;
        }
        pair.compare_all().await;
        saturated += pair.saturated;
        jumped += pair.jumped;
        for (sum, number) in corrected.iter_mut().zip([pair.shrunk, pair.below_zero, pair.undone]) {
            *sum += number;
        }
    }
    assert!(saturated > 0, "no seed reached the maximum count");
    assert!(jumped > 0, "no seed had a clock that jumped");
    let few = "few corrections took views away, would have taken too many, or were undone";
    assert!(corrected.iter().all(|number| *number > 2), "{few}: {corrected:?}");
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
