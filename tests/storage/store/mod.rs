//! The contract of every store, written once and run on each store.
//!
//! To add a store, write a [`Harness`] and add a module to [`on_every_store`]. Each test has its own harness, but no test
//! assumes that the store holds only its sites.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use chrono::{DateTime, NaiveDate, Utc};
use tempfile::TempDir;
use tokio::sync::mpsc;
use truycap::{
    domain::{
        article::{ArticleId, Section},
        clock::Clock,
        counts::{Deltas, Subject},
        period::{Bucket, BucketSet},
        producer::{Digest, Position, ProducerId, Seq},
        retention::Retention,
        site::SiteId,
    },
    store::{
        Applied, Done, Row, Store, StoreError,
        memory::MemoryStore,
        redis::{RedisStore, RedisStoreConfig},
        sqlite::SqliteStore,
    },
};

mod backups;
mod clocks;
mod cluster;
mod corrections;
mod counting;
mod exporting;
mod importing;
mod limits;
mod lists;
mod pruning;
mod random;
mod reading;
mod redis;
mod redis_corrections;
mod redis_faults;
mod redis_visitors;
mod retaining;
mod sqlite;

use cluster::shared_cluster;
use truycap_test_support::redis_store;

/// Creates an empty store with the default retention.
trait Harness: Sized {
    type Store: Store;

    fn start_by(clock: Clock) -> impl Future<Output = Self>;

    /// By the real clock.
    fn start() -> impl Future<Output = Self> {
        Self::start_by(Utc::now.into())
    }

    fn store(&self) -> &Self::Store;

    /// The store after a restart of its process.
    fn restart(self) -> impl Future<Output = Self>;
}

struct Memory {
    store: MemoryStore,
    clock: Clock,
}

impl Harness for Memory {
    type Store = MemoryStore;

    async fn start_by(clock: Clock) -> Self {
        Self { store: MemoryStore::new(Retention::default(), clock.clone()), clock }
    }

    fn store(&self) -> &Self::Store {
        &self.store
    }

    async fn restart(self) -> Self {
        let next = Self::start_by(self.clock).await;
        next.store.restore(self.store.image());
        next
    }
}

struct Sqlite {
    dir: TempDir,
    store: SqliteStore,
    clock: Clock,
}

/// Opens the store of a directory with a clock.
fn sqlite_in(dir: &TempDir, clock: impl Into<Clock>) -> SqliteStore {
    SqliteStore::open(dir.path().join("made/for/it/truycap.db"), Retention::default(), clock).unwrap()
}

impl Harness for Sqlite {
    type Store = SqliteStore;

    async fn start_by(clock: Clock) -> Self {
        let dir = TempDir::new().unwrap();
        Self { store: sqlite_in(&dir, clock.clone()), dir, clock }
    }

    fn store(&self) -> &Self::Store {
        &self.store
    }

    async fn restart(self) -> Self {
        self.store.close().await;
        Self { store: sqlite_in(&self.dir, self.clock.clone()), ..self }
    }
}

/// A store with its own keys on the server that all tests of this process share.
struct Redis {
    url: String,
    prefix: String,
    store: RedisStore,
    clock: Clock,
}

impl Redis {
    fn at(url: String, prefix: String, clock: Clock) -> Self {
        let config = RedisStoreConfig { url: url.parse().unwrap(), prefix: prefix.parse().unwrap() };
        Self { store: RedisStore::open(config, Retention::default(), clock.clone()), url, prefix, clock }
    }
}

impl Harness for Redis {
    type Store = RedisStore;

    async fn start_by(clock: Clock) -> Self {
        Self::at(redis_store::shared().url(), redis_store::new_prefix(), clock)
    }

    fn store(&self) -> &Self::Store {
        &self.store
    }

    async fn restart(self) -> Self {
        self.store.close().await;
        Self::at(self.url, self.prefix, self.clock)
    }
}

/// The same on a cluster.
struct OnCluster(Redis);

impl Harness for OnCluster {
    type Store = RedisStore;

    async fn start_by(clock: Clock) -> Self {
        Self(Redis::at(shared_cluster().url(), redis_store::new_prefix(), clock))
    }

    fn store(&self) -> &Self::Store {
        &self.0.store
    }

    async fn restart(self) -> Self {
        Self(self.0.restart().await)
    }
}

/// A clock that a test sets.
#[derive(Clone)]
struct TestClock(Arc<AtomicI64>);

impl TestClock {
    fn at(rfc3339: &str) -> Self {
        Self(Arc::new(AtomicI64::new(DateTime::parse_from_rfc3339(rfc3339).unwrap().timestamp())))
    }

    fn clock(&self) -> Clock {
        let clock = self.clone();
        Clock::from(move || clock.now())
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0.load(Ordering::SeqCst), 0).unwrap()
    }

    /// Moves the clock by hours, also back.
    fn pass(&self, hours: i64) {
        self.0.fetch_add(hours * 3600, Ordering::SeqCst);
    }
}

/// Generates one test per store for each promise, which is an `async fn promise<H: Harness>()`; and one test of all of them on a
/// cluster, whose start takes seconds.
macro_rules! on_every_store {
    ($($promise:ident)*) => {
        mod memory {
            $(#[tokio::test] async fn $promise() { super::$promise::<crate::store::Memory>().await; })*
        }
        mod sqlite {
            $(#[tokio::test] async fn $promise() { super::$promise::<crate::store::Sqlite>().await; })*
        }
        mod redis {
            $(#[tokio::test] async fn $promise() { super::$promise::<crate::store::Redis>().await; })*
        }
        mod cluster {
            #[tokio::test] async fn keeps_all_promises() { $(super::$promise::<crate::store::OnCluster>().await;)* }
        }
    };
}
use on_every_store;

const MINE: ProducerId = ProducerId(1);
const THEIRS: ProducerId = ProducerId(2);

fn site(id: &str) -> SiteId {
    SiteId::parse(id).unwrap()
}

fn article(id: &str) -> ArticleId {
    ArticleId::parse(id).unwrap()
}

fn bucket(text: &str) -> Bucket {
    text.parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn section(text: &str) -> Section {
    Section::parse(text).unwrap()
}

/// A position with this number.
fn at(seq: Seq) -> Position {
    Position { seq, digest: Digest(seq.wrapping_mul(0x9e37_79b9_7f4a_7c15)) }
}

/// Deltas from `(bucket, article, views)`; an empty article means the site itself.
fn deltas(rows: &[(&str, &str, u64)]) -> Arc<Deltas> {
    let mut deltas = Deltas::default();
    for (name, id, views) in rows {
        deltas.add(BucketSet::from_iter([bucket(name)]), (!id.is_empty()).then(|| article(id)), *views);
    }
    Arc::new(deltas)
}

/// Deltas from `(day, article, views)`, for the five buckets of the day.
fn days(rows: &[(NaiveDate, &str, u64)]) -> Arc<Deltas> {
    let mut deltas = Deltas::default();
    for (day, id, views) in rows {
        deltas.add(BucketSet::of_day(*day), (!id.is_empty()).then(|| article(id)), *views);
    }
    Arc::new(deltas)
}

/// An apply that must succeed.
async fn apply(store: &impl Store, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, deltas: Arc<Deltas>) -> Done {
    match store.apply(site, producer, at(from), at(to), deltas).await {
        Ok(Applied::Done(done)) => done,
        answer => panic!("{answer:?}"),
    }
}

/// The same with deltas from `(bucket, article, views)`.
async fn add(store: &impl Store, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, rows: &[(&str, &str, u64)]) -> Done {
    apply(store, site, producer, from, to, deltas(rows)).await
}

/// The subject of an article; an empty one means the site itself.
fn subject(id: &str) -> Subject {
    (!id.is_empty()).then(|| article(id)).into()
}

/// One counter; an empty article means the site itself.
async fn count(store: &impl Store, site: &SiteId, name: &str, id: &str) -> u64 {
    store.history(site, &subject(id), &[bucket(name)]).await.unwrap()[0]
}

/// The number of a producer's offset, which must be one that [`at`] makes.
async fn offset(store: &impl Store, site: &SiteId, producer: ProducerId) -> Seq {
    let offset = store.offset(site, producer).await.unwrap();
    assert_eq!(store.figures(site, &[producer], day("2099-01-01"), &[]).await.unwrap().offsets, [offset]);
    assert_eq!(offset, at(offset.seq));
    offset.seq
}

/// The most-read articles of a bucket, of the whole site.
async fn top(store: &impl Store, site: &SiteId, name: &str, limit: usize) -> Vec<(ArticleId, u64)> {
    let list = store.top(site, None, bucket(name), limit).await.unwrap();
    assert!(list.whole);
    list.articles
}

/// Maintains a site until nothing is left to do. Returns the number of steps.
async fn maintain(store: &impl Store, site: &SiteId, sections: &[Section]) -> usize {
    for steps in 1..1000 {
        if !store.maintain(site, sections).await.unwrap() {
            return steps;
        }
    }
    panic!("there is always more to maintain");
}

/// All rows as increments of single buckets.
fn as_deltas(rows: &[Row]) -> Arc<Deltas> {
    let mut deltas = Deltas::default();
    for (bucket, subject, views) in rows {
        deltas.add(BucketSet::from_iter([*bucket]), subject.clone(), *views);
    }
    Arc::new(deltas)
}

/// The rows of an export, received through a channel that is much smaller than the export.
async fn export(store: &impl Store, site: &SiteId) -> Result<Vec<Row>, StoreError> {
    let (sender, mut receiver) = mpsc::channel(2);
    let receive = async {
        let mut rows = Vec::new();
        while let Some(row) = receiver.recv().await {
            rows.push(row);
        }
        rows
    };
    let (sent, rows) = tokio::join!(store.export(site, sender), receive);
    sent.map(|()| rows)
}
