//! The store in Redis (6.2 or later) or Valkey, which several instances of the service can share.
//!
//! # Constraints
//!
//! - Counters and offset change in one script, which checks everything that can fail before it writes.
//! - A request is never sent twice. Only the stored offset shows whether a lost one was executed.
//! - Redis can be unreachable at the start, and at any time after it. `connection` reconnects; `errors` classifies failures.
//! - All keys of a site are in one slot of a cluster.
//!
//! # Layout
//!
//! `keys` lists all keys, with their types. `url` parses the address of the server.
//!
//! # Writing
//!
//! `apply` passes the increments to `apply.lua`; `script` runs it. If it is configured, `barrier` then waits until
//! replicas or disks have the result. `idle` (with `idle.lua`) sets aside the offsets of producers that are no longer used.
//!
//! # Reading
//!
//! `read` sends the commands of a read as one transaction, or runs `top.lua`, so that the result is of one moment.
//! `export` reads step by step, so that other clients do not wait. `visitors` adds and counts visitors, as estimates.
//!
//! # Deleting
//!
//! Redis deletes article buckets by its own clock, at the time that the last apply to the bucket sets with `EXPIREAT`. Reads
//! skip expired buckets whether or not Redis has deleted them.
//!
//! `advice` checks the settings of a server.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;
use tokio::sync::mpsc;

use self::{apply::Increments, barrier::Barrier, connection::Connection, errors::RequestError, idle::Idle, keys::Keys, script::Script};
use super::{Applied, Row, SharedVisitors, Snapshot, Store, StoreError, VisitorCounts};
use crate::domain::{
    article::ArticleId,
    clock::Clock,
    counts::Deltas,
    period::Bucket,
    producer::{ProducerId, Seq},
    retention::{Expiry, Retention},
    site::SiteId,
};

mod advice;
mod apply;
mod barrier;
mod connection;
mod errors;
mod export;
mod idle;
mod keys;
mod read;
mod script;
mod url;
mod visitors;

pub use advice::advice;
pub use barrier::Wait;
pub use keys::{Prefix, PrefixError};
pub use url::{Url, UrlError};

/// Where the store is, and what an apply waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisStoreConfig {
    /// The server.
    pub url: Url,
    /// What all keys begin with. Services that share a server but not their counters have different prefixes.
    pub prefix: Prefix,
    /// What an apply waits for.
    pub wait: Wait,
}

/// A store in Redis.
pub struct RedisStore {
    prefix: Prefix,
    retention: Retention,
    clock: Clock,
    connection: Connection,
    apply: Script,
    top: Script,
    idle: Idle,
    barrier: Option<Barrier>,
}

impl RedisStore {
    /// A store that connects at its first call, so Redis can be unreachable now. Article buckets expire by `clock`.
    pub fn open(config: RedisStoreConfig, retention: Retention, clock: impl Into<Clock>) -> Self {
        let (connection, barrier) = (Connection::new(&config.url), Barrier::new(config.wait, &config.url));
        let (apply, top) = (Script::new(include_str!("apply.lua")), Script::new(include_str!("top.lua")));
        Self { prefix: config.prefix, retention, clock: clock.into(), connection, apply, top, idle: Idle::new(), barrier }
    }

    fn keys(&self, site: &SiteId) -> Keys {
        Keys::new(&self.prefix, site)
    }

    fn expiry(&self) -> Expiry {
        Expiry { retention: self.retention, today: self.clock.now().date_naive() }
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn apply(&self, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, deltas: Arc<Deltas>) -> Result<Applied, StoreError> {
        let keys = self.keys(site);
        let increments = Increments::new(&deltas, self.expiry());
        let reply = self.apply.run(&self.connection, |cmd| increments.fill(cmd, &keys, producer, from, to)).await;
        let result = reply.map_err(RequestError::into_apply_error).and_then(|value| apply::decode_reply(&value, &keys, site));
        if let Some(barrier) = &self.barrier {
            match result {
                Ok(Applied::Done(_)) => barrier.after_write(&keys).await?,
                Ok(Applied::Refused(_)) => barrier.before_answer(&keys).await?,
                Err(StoreError::PerhapsApplied(_)) => barrier.mark_unconfirmed(),
                Err(_) => {}
            }
        }
        let applied = result?;
        if matches!(applied, Applied::Done(_)) {
            self.idle.look(&self.connection, &keys, site, producer, self.clock.now()).await;
        }
        Ok(applied)
    }

    async fn figures(&self, site: &SiteId, producer: ProducerId, today: NaiveDate, articles: &[ArticleId]) -> Result<Snapshot, StoreError> {
        let keys = self.keys(site);
        if let Some(barrier) = &self.barrier {
            barrier.before_answer(&keys).await?;
        }
        read::figures(&self.connection, &keys, self.expiry(), producer, today, articles).await
    }

    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Seq, StoreError> {
        let keys = self.keys(site);
        if let Some(barrier) = &self.barrier {
            barrier.before_answer(&keys).await?;
        }
        read::offset(&self.connection, &keys, producer).await
    }

    async fn top(&self, site: &SiteId, bucket: Bucket, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        if limit == 0 || self.expiry().is_expired(bucket) {
            return Ok(Vec::new());
        }
        read::top(&self.connection, &self.top, &self.keys(site), bucket, limit).await
    }

    async fn history(&self, site: &SiteId, article: Option<&ArticleId>, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        read::history(&self.connection, &self.keys(site), self.expiry(), article, buckets).await
    }

    /// The rows are not those of one moment while others write: each bucket is read when the export reaches it.
    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        export::export(&self.connection, &self.keys(site), self.expiry(), &rows).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.connection.run(&redis::cmd("PING")).await.map(drop).map_err(|error| error.into_read_error(&[]))
    }

    /// See [`advice()`].
    async fn advice(&self) -> Result<Vec<String>, StoreError> {
        advice::check_server(&self.connection).await
    }

    fn visitors(&self) -> Option<&dyn SharedVisitors> {
        Some(self)
    }

    async fn close(&self) {
        self.connection.close();
        if let Some(barrier) = &self.barrier {
            barrier.close();
        }
    }
}

#[async_trait]
impl SharedVisitors for RedisStore {
    async fn key(&self, site: &SiteId, day: NaiveDate, offer: [u8; 16]) -> Result<[u8; 16], StoreError> {
        visitors::key(&self.connection, &self.keys(site), day, offer).await
    }

    async fn count(&self, site: &SiteId, day: NaiveDate, minute: i64, hashes: &[[u8; 16]]) -> Result<VisitorCounts, StoreError> {
        visitors::count(&self.connection, &self.keys(site), day, minute, hashes).await
    }
}
