//! Where the counters live: the [`Store`] trait and its implementations.
//!
//! - [`memory`]: the reference model, for tests
//! - [`sqlite`]: the embedded store
//! - [`redis`]: the store in Redis, which instances may share
//! - [`any`]: whichever of the two is configured
//!
//! **The one rule.** [`Store::apply`] changes counters and offset in one atomic step, and only where the stored offset
//! equals `from`; otherwise it changes nothing and answers with the stored offset. So for every producer the counters
//! are the sum of its journal up to the offset, whatever was lost, repeated or delayed on the way.

use std::sync::Arc;

use chrono::NaiveDate;
use tokio::sync::mpsc;

use crate::domain::{
    MAX_COUNT,
    article::ArticleId,
    calendar::Bucket,
    figures::Figures,
    fold::Deltas,
    producer::{ProducerId, Seq},
    site::SiteId,
};

pub mod any;
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
pub trait Store: Send + Sync + 'static {
    /// Adds `deltas` to the counters of a site and moves the producer's offset from `from` to `to`, by the one rule.
    ///
    /// Increments of article buckets that [`Retention`](crate::domain::retention::Retention) has let go are dropped.
    /// A counter never passes [`MAX_COUNT`]: an apply that would make it do so is not applied.
    fn apply(
        &self,
        site: &SiteId,
        producer: ProducerId,
        from: Seq,
        to: Seq,
        deltas: Arc<Deltas>,
    ) -> impl Future<Output = Result<Applied, StoreError>> + Send;

    /// The figures of a site and of up to [`MAX_ARTICLES`] articles on a day, with the offset they include.
    fn figures(
        &self,
        site: &SiteId,
        producer: ProducerId,
        today: NaiveDate,
        articles: &[ArticleId],
    ) -> impl Future<Output = Result<Snapshot, StoreError>> + Send;

    /// The most-read articles of a bucket: most views first, then by id; articles without views are left out.
    fn top(&self, site: &SiteId, bucket: Bucket, limit: usize) -> impl Future<Output = Result<Vec<(ArticleId, u64)>, StoreError>> + Send;

    /// The views of a site, or of one of its articles, in each of the buckets; 0 where there are none.
    fn history(
        &self,
        site: &SiteId,
        article: Option<&ArticleId>,
        buckets: &[Bucket],
    ) -> impl Future<Output = Result<Vec<u64>, StoreError>> + Send;

    /// Sends every counter of a site that is not 0 and not past its retention, ordered by the bucket's text, then the
    /// site before its articles, then the article's bytes. Ends when all are sent or the receiver is gone.
    ///
    /// Whether it is all of one moment, while others write, each store says for itself.
    fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Whether the store can be reached and used.
    fn ping(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}
