//! The store in Redis (6.2 or later) or Valkey, which several instances of the service can share.
//!
//! # Constraints
//!
//! - Counters and offset, and the audit list, change in one script, which checks everything that can fail before it writes.
//! - A request is never sent twice. Only the stored offset shows whether a lost one was executed.
//! - Redis can be unreachable at the start, and at any time after it. `connection` reconnects; `errors` classifies failures.
//! - All keys of a site are in one slot of a cluster, so on one server; `topology` finds it.
//!
//! # Layout
//!
//! `keys` lists all keys, with their types. `url` parses the address of the server.
//!
//! # Writing
//!
//! `apply` passes the increments to `apply.lua`, `correct` the changes to `correct.lua`; `script` runs them. `maintain` (with
//! `maintain.lua`) builds lists and deletes old ones, step by step. All scripts begin with `common.lua`.
//!
//! # Reading
//!
//! `read` sends the commands of a read as one transaction, so that the result is of one moment. `export` reads step by step,
//! so that other clients do not wait. `audit` reads the corrections. `visitors` adds and counts visitors, as estimates. Reads skip expired buckets.
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
//! `advice` checks the settings of a server by what it says about itself (`info`).

use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;
use tokio::sync::{mpsc, watch};

use self::{
    apply::Apply,
    connection::USUAL,
    errors::RequestError,
    keys::Keys,
    read::View,
    script::Script,
    topology::{Link, Topology},
};
use super::{Applied, Corrected, Row, SharedVisitors, Snapshot, Step, Store, StoreError, TopList, VisitorCounts};
use crate::domain::{
    article::{ArticleId, Section},
    clock::Clock,
    correction::{AuditEntry, Change},
    counts::{Deltas, Subject},
    period::Bucket,
    producer::{Position, ProducerId, Seq},
    retention::Retention,
    site::SiteId,
};

mod advice;
mod apply;
mod audit;
mod backup;
mod connection;
mod correct;
mod errors;
mod export;
mod info;
mod keys;
mod maintain;
mod read;
mod restore;
mod script;
mod topology;
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
    topology: Topology,
    apply: Script,
    correct: Script,
    maintain: Script,
}

impl RedisStore {
    /// A store that connects at its first call, so Redis can be unreachable now. Article buckets expire by `clock`.
    pub fn open(config: RedisStoreConfig, retention: Retention, clock: impl Into<Clock>) -> Self {
        let apply = Script::new(concat!(include_str!("common.lua"), include_str!("apply.lua")));
        let correct = Script::new(concat!(include_str!("common.lua"), include_str!("correct.lua")));
        let maintain = Script::new(concat!(include_str!("common.lua"), include_str!("maintain.lua")));
        let topology = Topology::new(&config.url, USUAL);
        Self { prefix: config.prefix, retention, clock: clock.into(), topology, apply, correct, maintain }
    }

    fn keys(&self, site: &SiteId) -> Keys {
        Keys::new(&self.prefix, site)
    }

    fn link(&self, keys: &Keys) -> Link<'_> {
        self.topology.link(keys.slot())
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
        let reply = self.apply.run(self.link(&keys), |cmd| apply.fill(cmd, &keys)).await;
        reply.map_err(RequestError::into_apply_error).and_then(|value| apply::decode_reply(&value, &keys))
    }

    async fn correct(&self, site: &SiteId, step: Arc<Step>) -> Result<Corrected, StoreError> {
        let keys = self.keys(site);
        correct::correct(self.link(&keys), &self.correct, &keys, &step, self.retention, self.clock.now()).await
    }

    async fn audit(&self, site: &SiteId, after: u64) -> Result<Vec<AuditEntry>, StoreError> {
        let keys = self.keys(site);
        audit::audit(self.link(&keys), &keys, after).await
    }

    async fn changes(&self, site: &SiteId, number: u64, step: Seq) -> Result<Option<Vec<Change>>, StoreError> {
        let keys = self.keys(site);
        audit::changes(self.link(&keys), &keys, number, step).await
    }

    async fn counts(&self, site: &SiteId, subject: &Subject) -> Result<Vec<(Bucket, u64)>, StoreError> {
        let keys = self.keys(site);
        read::counts(self.link(&keys), &keys, self.view(), subject).await
    }

    async fn figures(
        &self,
        site: &SiteId,
        producers: &[ProducerId],
        today: NaiveDate,
        articles: &[ArticleId],
    ) -> Result<Snapshot, StoreError> {
        let keys = self.keys(site);
        read::figures(self.link(&keys), &keys, self.view(), producers, today, articles).await
    }

    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Position, StoreError> {
        let keys = self.keys(site);
        read::offset(self.link(&keys), &keys, producer).await
    }

    async fn top(&self, site: &SiteId, section: Option<&Section>, bucket: Bucket, limit: usize) -> Result<TopList, StoreError> {
        let keys = self.keys(site);
        read::top(self.link(&keys), &keys, self.view(), section, bucket, limit).await
    }

    async fn history(&self, site: &SiteId, subject: &Subject, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        let keys = self.keys(site);
        read::history(self.link(&keys), &keys, self.view(), subject, buckets).await
    }

    /// The rows are not those of one moment while others write: each article is read when the export reaches it.
    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        let keys = self.keys(site);
        export::export(self.link(&keys), &keys, self.view(), &rows).await
    }

    async fn maintain(&self, site: &SiteId, sections: &[Section]) -> Result<bool, StoreError> {
        let keys = self.keys(site);
        maintain::step(self.link(&keys), &self.maintain, &keys, sections, self.view()).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let unreachable = |error: RequestError| error.into_read_error(&[]);
        for primary in self.topology.primaries().await.map_err(unreachable)? {
            primary.run(&redis::cmd("PING")).await.map_err(unreachable)?;
        }
        Ok(())
    }

    /// Fails if the server stores nothing, or loses what it stores.
    async fn verify(&self, _full: bool) -> Result<(), StoreError> {
        advice::verify_servers(&self.topology).await
    }

    /// See [`advice()`].
    async fn advice(&self) -> Result<Vec<String>, StoreError> {
        advice::check_servers(&self.topology, &self.prefix).await
    }

    fn loss_hint(&self) -> Option<&'static str> {
        Some("Redis drops counters when it starts if its user `default` lacks rights; `truycap check` tests for that")
    }

    fn nodes(&self) -> Vec<(String, bool)> {
        self.topology.nodes()
    }

    fn moves(&self) -> Option<watch::Receiver<u64>> {
        self.topology.moves()
    }

    fn visitors(&self) -> Option<&dyn SharedVisitors> {
        Some(self)
    }

    async fn close(&self) {
        self.topology.close().await;
    }
}

#[async_trait]
impl SharedVisitors for RedisStore {
    async fn key(&self, site: &SiteId, day: NaiveDate, offer: [u8; 16]) -> Result<[u8; 16], StoreError> {
        let keys = self.keys(site);
        visitors::key(self.link(&keys), &keys, day, offer).await
    }

    async fn count(&self, site: &SiteId, day: NaiveDate, minute: i64, hashes: &[[u8; 16]]) -> Result<VisitorCounts, StoreError> {
        let keys = self.keys(site);
        visitors::count(self.link(&keys), &keys, day, minute, hashes).await
    }
}
