//! The store that is configured: one of those that keep what they are given.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use tokio::sync::mpsc;

use super::{Applied, Row, Snapshot, Store, StoreError, redis::RedisStore, sqlite::SqliteStore};
use crate::domain::{
    article::ArticleId,
    calendar::Bucket,
    fold::Deltas,
    producer::{ProducerId, Seq},
    site::SiteId,
};

/// Either store.
pub enum AnyStore<C> {
    /// The embedded one.
    Sqlite(SqliteStore<C>),
    /// The one in Redis.
    Redis(Box<RedisStore<C>>),
}

/// The same call of whichever store it is.
macro_rules! either {
    ($any:expr, $store:ident => $call:expr) => {
        match $any {
            AnyStore::Sqlite($store) => $call,
            AnyStore::Redis($store) => $call,
        }
    };
}

impl<C: Fn() -> DateTime<Utc> + Send + Sync + 'static> AnyStore<C> {
    /// Ends the store; all that is asked later is refused.
    pub async fn close(&self) {
        either!(self, store => store.close().await);
    }

    /// Looks through the embedded store for damage, which takes as long as reading the file does. A Redis has no file here.
    ///
    /// # Errors
    /// Where it is damaged, or cannot be read.
    pub async fn verify(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.verify().await,
            Self::Redis(_) => Ok(()),
        }
    }

    /// What could be better about the server the store is in, a sentence each.
    ///
    /// # Errors
    /// Where the server cannot be asked.
    pub async fn advise(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(Vec::new()),
            Self::Redis(store) => store.advise().await,
        }
    }
}

impl<C: Fn() -> DateTime<Utc> + Send + Sync + 'static> Store for AnyStore<C> {
    async fn apply(&self, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, deltas: Arc<Deltas>) -> Result<Applied, StoreError> {
        either!(self, store => store.apply(site, producer, from, to, deltas).await)
    }

    async fn figures(&self, site: &SiteId, producer: ProducerId, today: NaiveDate, articles: &[ArticleId]) -> Result<Snapshot, StoreError> {
        either!(self, store => store.figures(site, producer, today, articles).await)
    }

    async fn top(&self, site: &SiteId, bucket: Bucket, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        either!(self, store => store.top(site, bucket, limit).await)
    }

    async fn history(&self, site: &SiteId, article: Option<&ArticleId>, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        either!(self, store => store.history(site, article, buckets).await)
    }

    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        either!(self, store => store.export(site, rows).await)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        either!(self, store => store.ping().await)
    }
}
