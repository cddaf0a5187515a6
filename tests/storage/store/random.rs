//! Random operations: the stores agree with the memory store, and all of them with a simple recount.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{Days, NaiveDate, Utc};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use truycap::{
    domain::{
        MAX_COUNT,
        article::ArticleId,
        counts::{DayViews, Deltas},
        figures::{Figure, Figures},
        period::Bucket,
        producer::ProducerId,
        site::SiteId,
    },
    store::{Applied, Store, StoreError},
};

use super::{Harness, Memory, Redis, Sqlite, article, export, on_every_store, site};

const SITES: [&str; 3] = ["a", "b", "c"];
const ARTICLES: [&str; 6] = ["/", "/a", "/b", "/ă", "'", "total"];

fn pick(rng: &mut StdRng, from: &[&'static str]) -> &'static str {
    from.choose(rng).copied().unwrap()
}

/// A recent or an old day, so that some buckets are kept and some have expired.
fn some_day(rng: &mut StdRng) -> NaiveDate {
    Utc::now().date_naive() - Days::new(*[0, 1, 7, 31, 60, 365, 800, 3000].choose(rng).unwrap())
}

fn some_bucket(rng: &mut StdRng) -> Bucket {
    *Bucket::of_day(some_day(rng)).choose(rng).unwrap()
}

fn some_deltas(rng: &mut StdRng) -> Arc<Deltas> {
    let mut deltas = Deltas::default();
    for _ in 0..rng.random_range(0..6) {
        let id = rng.random_bool(0.7).then(|| article(pick(rng, &ARTICLES)));
        let views = if rng.random_bool(0.02) { MAX_COUNT - 2 } else { rng.random_range(0..4) };
        let bucket = some_bucket(rng);
        deltas.add(bucket, id, views);
    }
    Arc::new(deltas)
}

/// The kind of an apply's answer. The wording of errors differs between stores.
#[derive(Debug, PartialEq)]
enum Kind {
    Answer(Applied),
    TooMany,
    Other,
}

fn kind(answer: Result<Applied, StoreError>) -> Kind {
    match answer {
        Ok(applied) => Kind::Answer(applied),
        Err(StoreError::TooMany { .. }) => Kind::TooMany,
        Err(_) => Kind::Other,
    }
}

/// Runs one random operation on both stores. Returns whether a count would have exceeded the maximum.
async fn step(rng: &mut StdRng, one: &impl Store, two: &impl Store) -> bool {
    let (site, producer) = (site(pick(rng, &SITES)), ProducerId(rng.random_range(1..3)));
    let bucket = some_bucket(rng);
    match rng.random_range(0..8) {
        0..4 => {
            let deltas = some_deltas(rng);
            let stored = one.figures(&site, producer, some_day(rng), &[]).await.unwrap().offset;
            let from = if rng.random_bool(0.8) { stored } else { rng.random_range(0..20) };
            let to = from + rng.random_range(1..3);
            let answer = kind(one.apply(&site, producer, from, to, deltas.clone()).await);
            assert_eq!(kind(two.apply(&site, producer, from, to, deltas).await), answer);
            return answer == Kind::TooMany;
        }
        4 => {
            let (today, asked) = (some_day(rng), ARTICLES.map(article));
            let figures = one.figures(&site, producer, today, &asked).await;
            assert_eq!(two.figures(&site, producer, today, &asked).await, figures);
        }
        5 => {
            let limit = rng.random_range(0..8);
            assert_eq!(two.top(&site, bucket, limit).await, one.top(&site, bucket, limit).await);
        }
        6 => {
            let (id, buckets) = (article(pick(rng, &ARTICLES)), [bucket, some_bucket(rng)]);
            assert_eq!(two.history(&site, Some(&id), &buckets).await, one.history(&site, Some(&id), &buckets).await);
            assert_eq!(two.history(&site, None, &buckets).await, one.history(&site, None, &buckets).await);
        }
        _ => assert_eq!(export(two, &site).await, export(one, &site).await),
    }
    false
}

#[tokio::test]
async fn sqlite_agrees_with_memory() {
    agrees_with_memory::<Sqlite>().await;
}

#[tokio::test]
async fn redis_agrees_with_memory() {
    agrees_with_memory::<Redis>().await;
}

async fn agrees_with_memory<H: Harness>() {
    let mut refusals = 0;
    for seed in 0..12 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (one, mut two) = (Memory::start().await, H::start().await);
        for _ in 0..150 {
            refusals += u32::from(step(&mut rng, one.store(), two.store()).await);
            if rng.random_bool(0.01) {
                two = two.restart().await;
            }
        }
        for id in SITES {
            assert_eq!(export(two.store(), &site(id)).await, export(one.store(), &site(id)).await, "seed {seed}");
        }
    }
    assert!(refusals > 0, "no seed reached the maximum count");
}

on_every_store! {
    counters_match_a_recount_of_all_views
}

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
            let mut days: BTreeMap<NaiveDate, DayViews> = BTreeMap::new();
            for _ in 0..rng.random_range(0..12) {
                let day = now - Days::new(rng.random_range(0..35));
                let id = rng.random_bool(0.6).then(|| article(pick(&mut rng, &ARTICLES)));
                views.push((site.clone(), day, id.clone()));
                days.entry(day).or_default().count(id);
            }
            let deltas = Arc::new(days.iter().map(|(day, views)| (*day, views)).collect());
            assert_eq!(store.apply(site, producer, seq, seq + 1, deltas).await, Ok(Applied::Done(0)));
        }
    }
    let asked = ARTICLES.map(article);
    for site in SITES.map(site) {
        for ago in 0..70 {
            let today = now + Days::new(30) - Days::new(ago);
            let figures =
                |id: Option<ArticleId>| Figures::new(Figure::buckets(today).map(|bucket| recount(&views, &site, bucket, id.as_ref())));
            let snapshot = store.figures(&site, ProducerId(1), today, &asked).await.unwrap();
            assert_eq!(snapshot.site, figures(None), "{site} on {today}");
            assert_eq!(snapshot.articles, asked.clone().map(|id| figures(Some(id))), "{site} on {today}");
        }
        let sum: u64 = store.top(&site, Bucket::Total, 99).await.unwrap().iter().map(|(_, views)| views).sum();
        assert_eq!(sum, views.iter().filter(|(of, _, id)| *of == site && id.is_some()).count() as u64);
    }
}
