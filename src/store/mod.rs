//! Where the counters live: the [`Store`] trait and its implementations.
//!
//! - [`memory`]: the reference model, for tests
//! - [`sqlite`]: the embedded store
//! - [`redis`]: the store in Redis, which instances may share
//!
//! **The one rule.** [`Store::apply`] changes counters and offset in one atomic step, and only where the stored offset
//! equals `from`; otherwise it changes nothing and answers with the stored offset. So for every producer the counters
//! are the sum of its journal up to the offset, whatever was lost, repeated or delayed on the way.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;
use tokio::sync::mpsc;

use crate::domain::{
    MAX_COUNT,
    article::ArticleId,
    counts::Deltas,
    figures::Figures,
    period::Bucket,
    producer::{ProducerId, Seq},
    site::SiteId,
};

pub mod memory;
pub mod redis;
pub mod sqlite;

/// The most articles one call of [`Store::figures`] is asked for.
pub const MAX_ARTICLES: usize = 1000;

/// What became of an `apply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Counters and offset moved together. The sum of all other producers' offsets, as in [`Snapshot::others`].
    Done(u64),
    /// Nothing changed: the stored offset, which is not `from`.
    Refused(Seq),
}

/// What a store says of a site, all of it as of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The asking producer's offset: the seq up to which the figures include its journal; 0 where it never applied.
    pub offset: Seq,
    /// The sum of all other producers' offsets. While it stays the same, nobody else has counted.
    pub others: u64,
    /// The site's figures.
    pub site: Figures,
    /// The articles' figures, in the order asked for; zeros for one that was never seen.
    pub articles: Vec<Figures>,
}

/// One row of an export: `(bucket, article, views)`; the site itself where `article` is `None`.
pub type Row = (Bucket, Option<ArticleId>, u64);

/// Why a store did not do what it was asked, by what the caller must know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was changed; asking again may work.
    #[error("the store did not apply: {0}")]
    NotApplied(String),
    /// A counter would pass [`MAX_COUNT`]; nothing was changed, and asking again does not help.
    #[error("a count of site {site} in bucket {bucket} would pass {MAX_COUNT}")]
    TooMany {
        /// The site.
        site: SiteId,
        /// The bucket.
        bucket: Bucket,
    },
    /// The answer was lost; only the offset tells.
    #[error("the store may have applied: {0}")]
    PerhapsApplied(String),
    /// What the store holds is not what was put in.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
}

/// Counters and offsets. Every implementation passes the same contract suite.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Adds `deltas` to the counters of a site and moves the producer's offset from `from` to `to`, by the one rule.
    ///
    /// Increments of article buckets that are past their [`Retention`](crate::domain::retention::Retention) are dropped.
    /// A counter never passes [`MAX_COUNT`]: an apply that would make it do so is not applied.
    async fn apply(&self, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, deltas: Arc<Deltas>) -> Result<Applied, StoreError>;

    /// The figures of a site and of up to [`MAX_ARTICLES`] articles on a day, with the offset they include.
    async fn figures(&self, site: &SiteId, producer: ProducerId, today: NaiveDate, articles: &[ArticleId]) -> Result<Snapshot, StoreError>;

    /// The producer's offset: the seq up to which the counters of the site include its journal; 0 if it never applied.
    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Seq, StoreError>;

    /// The most-read articles of a bucket: most views first, then by id; articles without views are left out.
    async fn top(&self, site: &SiteId, bucket: Bucket, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError>;

    /// The views of a site, or of one of its articles, in each of the buckets; 0 if there are none.
    async fn history(&self, site: &SiteId, article: Option<&ArticleId>, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError>;

    /// Sends every counter of a site that is not 0 and not past its retention, ordered by the bucket's text, then the
    /// site before its articles, then the article's bytes. Ends when all are sent or the receiver is dropped.
    ///
    /// Each store documents whether the export is of one moment while others write.
    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError>;

    /// Checks that the store can be reached and used.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Reads the whole store and looks for damage, if it is a file of this process.
    ///
    /// # Errors
    /// If it is damaged, or cannot be read.
    async fn verify(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What the operator should change about the store's server, one sentence each.
    ///
    /// # Errors
    /// If the server cannot be asked.
    async fn advice(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// The visitors of all instances, if instances share this store.
    fn visitors(&self) -> Option<&dyn SharedVisitors> {
        None
    }

    /// Finishes the calls under way and closes the store. Later calls fail.
    async fn close(&self) {}
}

/// Visitors of a site, put together over all instances that share a store. They are estimates, not counters, and expire.
#[async_trait]
pub trait SharedVisitors: Send + Sync {
    /// The random key that hashes the visitors of a site's day: that of the first instance that offered one, else `offer`.
    ///
    /// # Errors
    /// If the store is unreachable, or holds something else under that name.
    async fn key(&self, site: &SiteId, day: NaiveDate, offer: [u8; 16]) -> Result<[u8; 16], StoreError>;

    /// Adds visitors, by their hashes, to those of a day and of a minute (since 1970), and counts them.
    ///
    /// # Errors
    /// If the store is unreachable, or holds something else under these names. The visitors are then counted or not.
    async fn count(&self, site: &SiteId, day: NaiveDate, minute: i64, hashes: &[[u8; 16]]) -> Result<VisitorCounts, StoreError>;
}

/// How many visitors a site has, over all instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisitorCounts {
    /// In this minute and the five before.
    pub online: u64,
    /// On the day.
    pub today: u64,
}
