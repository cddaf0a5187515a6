//! The contract of every store, written once and run on each store.
//!
//! To add a store, write a [`Harness`] and add a module to [`on_every_store`]. Each test has its own harness, but no test
//! assumes that the store holds only its sites.

use std::{future::Future, sync::Arc};

use chrono::{DateTime, NaiveDate, Utc};
use tempfile::TempDir;
use tokio::sync::mpsc;
use truycap::{
    domain::{
        article::ArticleId,
        counts::Deltas,
        period::Bucket,
        producer::{ProducerId, Seq},
        retention::Retention,
        site::SiteId,
    },
    store::{Applied, Row, Store, StoreError, memory::MemoryStore, redis::RedisStore, sqlite::SqliteStore},
};

mod counting;
mod exporting;
mod limits;
mod pruning;
mod random;
mod reading;
mod redis;
mod redis_faults;
mod redis_idle;
mod redis_visitors;
mod redis_waiting;
mod retaining;
mod sqlite;

use truycap_test_support::redis_store;

type Clock = fn() -> DateTime<Utc>;

/// Creates an empty store with the default retention and the real clock.
trait Harness: Sized {
    type Store: Store;

    fn start() -> impl Future<Output = Self>;

    fn store(&self) -> &Self::Store;

    /// The store after a restart of its process.
    fn restart(self) -> impl Future<Output = Self>;
}

struct Memory(MemoryStore);

impl Harness for Memory {
    type Store = MemoryStore;

    async fn start() -> Self {
        Self(MemoryStore::new(Retention::default(), Utc::now))
    }

    fn store(&self) -> &Self::Store {
        &self.0
    }

    async fn restart(self) -> Self {
        let next = Self::start().await;
        next.0.restore(self.0.image());
        next
    }
}

struct Sqlite {
    dir: TempDir,
    store: SqliteStore,
}

/// Opens the store of a directory with a clock.
fn sqlite_in(dir: &TempDir, clock: Clock) -> SqliteStore {
    SqliteStore::open(dir.path().join("made/for/it/truycap.db"), Retention::default(), clock).unwrap()
}

impl Harness for Sqlite {
    type Store = SqliteStore;

    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        Self { store: sqlite_in(&dir, Utc::now), dir }
    }

    fn store(&self) -> &Self::Store {
        &self.store
    }

    async fn restart(self) -> Self {
        self.store.close().await;
        Self { store: sqlite_in(&self.dir, Utc::now), dir: self.dir }
    }
}

/// A store with its own keys on the server that all tests of this process share.
struct Redis {
    prefix: String,
    store: RedisStore,
}

impl Harness for Redis {
    type Store = RedisStore;

    async fn start() -> Self {
        let prefix = redis_store::new_prefix();
        Self { store: redis_store::shared().store(&prefix), prefix }
    }

    fn store(&self) -> &Self::Store {
        &self.store
    }

    async fn restart(self) -> Self {
        self.store.close().await;
        Self { store: redis_store::shared().store(&self.prefix), prefix: self.prefix }
    }
}

/// Generates one test per store for each promise, which is an `async fn promise<H: Harness>()`.
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

/// Deltas from `(bucket, article, views)`; an empty article means the site itself.
fn deltas(rows: &[(&str, &str, u64)]) -> Arc<Deltas> {
    let mut deltas = Deltas::default();
    for (name, id, views) in rows {
        deltas.add(bucket(name), (!id.is_empty()).then(|| article(id)), *views);
    }
    Arc::new(deltas)
}

/// An apply that must succeed.
async fn add(store: &impl Store, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, rows: &[(&str, &str, u64)]) {
    let answer = store.apply(site, producer, from, to, deltas(rows)).await;
    assert!(matches!(answer, Ok(Applied::Done(_))), "{answer:?}");
}

/// One counter; an empty article means the site itself.
async fn count(store: &impl Store, site: &SiteId, name: &str, id: &str) -> u64 {
    let article = (!id.is_empty()).then(|| article(id));
    store.history(site, article.as_ref(), &[bucket(name)]).await.unwrap()[0]
}

async fn offset(store: &impl Store, site: &SiteId, producer: ProducerId) -> Seq {
    store.figures(site, producer, day("2099-01-01"), &[]).await.unwrap().offset
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
