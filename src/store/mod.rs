//! Where the counters are kept: the [`Store`] trait and its implementations.
//!
//! **The one rule.** [`Store::apply`] changes counters and offset in one atomic step, and only if the stored offset
//! equals `from`. Otherwise it changes nothing and returns the stored offset.
//!
//! So for every producer, the counters are the sum of its journal up to the offset, even if calls or replies were lost,
//! repeated or delayed.
//!
//! - [`memory`]: the reference model, for tests
//! - [`sqlite`]: the embedded store
//! - [`redis`]: the store in Redis, which several instances can share

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

/// The most articles that callers pass to one call of [`Store::figures`].
pub const MAX_ARTICLES: usize = 1000;

/// The result of an `apply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Counters and offset moved together. Holds the sum of all other producers' offsets, as in [`Snapshot::others`].
    Done(u64),
    /// Nothing changed. Holds the stored offset, which differs from `from`.
    Refused(Seq),
}

/// The state of a site at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The calling producer's offset: the seq up to which the figures include its journal; 0 if it never applied.
    pub offset: Seq,
    /// The sum of all other producers' offsets. While it does not change, no other producer has counted.
    pub others: u64,
    /// The site's figures.
    pub site: Figures,
    /// The articles' figures, in the order of the call; zeros for an article without views.
    pub articles: Vec<Figures>,
}

/// One row of an export: `(bucket, article, views)`; the site itself if `article` is `None`.
pub type Row = (Bucket, Option<ArticleId>, u64);

/// Why a call failed, by what the caller has to know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was changed. A later call can succeed. This is also the error of a read.
    #[error("the store is unavailable: {0}")]
    NotApplied(String),
    /// A counter would exceed [`MAX_COUNT`]. Nothing was changed, and another attempt fails too.
    #[error("a count of site {site} in bucket {bucket} would exceed {MAX_COUNT}")]
    TooMany {
        /// The site.
        site: SiteId,
        /// The bucket.
        bucket: Bucket,
    },
    /// The reply to an apply was lost. Only the stored offset shows whether it was applied.
    #[error("the store may or may not have applied the views: {0}")]
    PerhapsApplied(String),
    /// The store holds something that truycap did not write.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
}

/// Counters and offsets. Every implementation passes the same contract tests.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Adds `deltas` to the counters of a site and moves the producer's offset from `from` to `to`: both, if the stored
    /// offset equals `from`; otherwise neither.
    ///
    /// Drops the increments of article buckets that are past their
    /// [`Retention`](crate::domain::retention::Retention). Does not apply anything if a counter would exceed [`MAX_COUNT`].
    async fn apply(&self, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, deltas: Arc<Deltas>) -> Result<Applied, StoreError>;

    /// The figures of a site and of up to [`MAX_ARTICLES`] articles on a day, with the offset that they include.
    async fn figures(&self, site: &SiteId, producer: ProducerId, today: NaiveDate, articles: &[ArticleId]) -> Result<Snapshot, StoreError>;

    /// The producer's offset: the seq up to which the counters of the site include its journal; 0 if it never applied.
    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Seq, StoreError>;

    /// The most-read articles of a bucket: most views first, then by id. Articles without views are left out.
    async fn top(&self, site: &SiteId, bucket: Bucket, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError>;

    /// The views of a site, or of one of its articles, in each of the buckets; 0 if there are none.
    async fn history(&self, site: &SiteId, article: Option<&ArticleId>, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError>;

    /// Sends every counter of a site that is above 0 and not past its retention. Rows are ordered by the bucket's text,
    /// then the site before its articles, then the article's bytes. Ends when all are sent or the receiver is dropped.
    ///
    /// Each store documents whether the rows are those of one moment while others write.
    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError>;

    /// Checks that the store can be reached and used.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Reads the whole store and looks for damage, if it is a local file.
    ///
    /// # Errors
    /// If it is damaged or cannot be read.
    async fn verify(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What the operator should change about the store's server, one sentence each.
    ///
    /// # Errors
    /// If the server cannot be reached.
    async fn advice(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// The visitors of all instances, if instances can share this store.
    fn visitors(&self) -> Option<&dyn SharedVisitors> {
        None
    }

    /// Finishes the calls in progress and closes the store. Later calls fail.
    async fn close(&self) {}
}

/// Visitors of a site over all instances that share a store. They are estimates, not counters, and expire.
#[async_trait]
pub trait SharedVisitors: Send + Sync {
    /// The random key that hashes the visitors of a site on a day: the first one that an instance offered, otherwise
    /// `offer`.
    ///
    /// # Errors
    /// If the store is unreachable, or holds something else under the name of the key.
    async fn key(&self, site: &SiteId, day: NaiveDate, offer: [u8; 16]) -> Result<[u8; 16], StoreError>;

    /// Adds visitors, by their hashes, to those of a day and of a minute (since 1970), and counts both.
    ///
    /// # Errors
    /// If the store is unreachable, or holds something else under these names. The visitors may have been added.
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
