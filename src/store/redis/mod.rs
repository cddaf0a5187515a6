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
//! `apply` passes the increments to `apply.lua`; `script` runs it. `maintain` (with `maintain.lua`) builds lists and deletes old
//! ones, step by step. Both scripts begin with `common.lua`.
//!
//! # Reading
//!
//! `read` sends the commands of a read as one transaction, so that the result is of one moment. `export` reads step by step,
//! so that other clients do not wait. `visitors` adds and counts visitors, as estimates. Reads skip expired buckets.
//!
//! # Backups
//!
//! `backup` copies the keys of a site to other names in one transaction, and reads the copy step by step. `restore` writes a
//! site to other names step by step, and moves them into place with one call of `restore.lua`.
//!
//! # Deleting
//!
//! Redis deletes nothing but visitors by its own clock, because a server's clock can be wrong. An apply drops the expired
//! periods of an article when it moves a period into its past; `maintain` deletes lists.
//!
//! `advice` checks the settings of a server.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;
use tokio::sync::mpsc;

use self::{apply::Apply, connection::Connection, errors::RequestError, keys::Keys, read::View, script::Script};
use super::{Applied, Row, SharedVisitors, Snapshot, Store, StoreError, TopList, VisitorCounts};
use crate::domain::{
    article::{ArticleId, Section},
    clock::Clock,
    counts::Deltas,
    period::Bucket,
    producer::{Position, ProducerId, Seq},
    retention::Retention,
    site::SiteId,
};

mod advice;
mod apply;
mod backup;
mod connection;
mod errors;
mod export;
mod keys;
mod maintain;
mod read;
mod restore;
mod script;
mod url;
mod visitors;

pub use advice::advice;
pub use backup::backup;
pub use keys::{Prefix, PrefixError};
pub use restore::{RestoreError, restore};
pub use url::{RedisStoreConfig, Url, UrlError};

/// A store in Redis.
pub struct RedisStore {
    prefix: Prefix,
    retention: Retention,
    clock: Clock,
    connection: Connection,
    apply: Script,
    maintain: Script,
}

impl RedisStore {
    /// A store that connects at its first call, so Redis can be unreachable now. Article buckets expire by `clock`.
    pub fn open(config: RedisStoreConfig, retention: Retention, clock: impl Into<Clock>) -> Self {
        let apply = Script::new(concat!(include_str!("common.lua"), include_str!("apply.lua")));
        let maintain = Script::new(concat!(include_str!("common.lua"), include_str!("maintain.lua")));
        let connection = Connection::new(&config.url);
        Self { prefix: config.prefix, retention, clock: clock.into(), connection, apply, maintain }
    }

    fn keys(&self, site: &SiteId) -> Keys {
        Keys::new(&self.prefix, site)
    }

    fn view(&self) -> View {
        View { retention: self.retention, now: self.clock.now() }
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn apply_after(
        &self,
        site: &SiteId,
        earlier: Option<(ProducerId, Seq)>,
        producer: ProducerId,
        from: Position,
        to: Position,
        deltas: Arc<Deltas>,
    ) -> Result<Applied, StoreError> {
        let keys = self.keys(site);
        let apply = Apply { earlier, producer, from, to, deltas: &deltas, now: self.clock.now(), retention: self.retention };
        let reply = self.apply.run(&self.connection, |cmd| apply.fill(cmd, &keys)).await;
        reply.map_err(RequestError::into_apply_error).and_then(|value| apply::decode_reply(&value, &keys))
    }

    async fn figures(
        &self,
        site: &SiteId,
        producers: &[ProducerId],
        today: NaiveDate,
        articles: &[ArticleId],
    ) -> Result<Snapshot, StoreError> {
        read::figures(&self.connection, &self.keys(site), self.view(), producers, today, articles).await
    }

    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Position, StoreError> {
        read::offset(&self.connection, &self.keys(site), producer).await
    }

    async fn top(&self, site: &SiteId, section: Option<&Section>, bucket: Bucket, limit: usize) -> Result<TopList, StoreError> {
        read::top(&self.connection, &self.keys(site), self.view(), section, bucket, limit).await
    }

    async fn history(&self, site: &SiteId, article: Option<&ArticleId>, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        read::history(&self.connection, &self.keys(site), self.view(), article, buckets).await
    }

    /// The rows are not those of one moment while others write: each article is read when the export reaches it.
    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        export::export(&self.connection, &self.keys(site), self.view(), &rows).await
    }

    async fn maintain(&self, site: &SiteId, sections: &[Section]) -> Result<bool, StoreError> {
        maintain::step(&self.connection, &self.maintain, &self.keys(site), sections, self.view()).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.connection.run(&redis::cmd("PING")).await.map(drop).map_err(|error| error.into_read_error(&[]))
    }

    /// Fails if the server stores nothing, or loses what it stores.
    async fn verify(&self, _full: bool) -> Result<(), StoreError> {
        advice::verify_server(&self.connection).await
    }

    /// See [`advice()`].
    async fn advice(&self) -> Result<Vec<String>, StoreError> {
        advice::check_server(&self.connection, &Keys::of_no_site(&self.prefix)).await
    }

    fn loss_hint(&self) -> Option<&'static str> {
        Some("Redis drops counters when it starts if its user `default` lacks rights; `truycap check` tests for that")
    }

    fn visitors(&self) -> Option<&dyn SharedVisitors> {
        Some(self)
    }

    async fn close(&self) {
        self.connection.close();
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
