//! Where the counters are kept: the [`Store`] trait and its implementations.
//!
//! **The one rule.** [`Store::apply`] changes counters, offset and revision in one atomic step, and only if the stored offset
//! equals `from`, its digest included. Otherwise it changes nothing and returns the stored offset.
//!
//! So for every producer, the counters are the sum of its entries up to the offset, even if calls or replies were lost,
//! repeated or delayed, and even if two processes have different entries of the same number.
//!
//! - [`memory`]: the reference model, for tests
//! - [`sqlite`]: the embedded store
//! - [`redis`]: the store in Redis, which several instances can share

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use chrono::NaiveDate;
use tokio::sync::{mpsc, watch};

use crate::domain::{
    article::{ArticleId, Section},
    correction::{AuditEntry, BelowZero, Change, Note},
    counts::{Deltas, Subject},
    figures::Figures,
    period::Bucket,
    producer::{Digest, Position, ProducerId, Seq},
    site::SiteId,
};

pub mod memory;
pub mod redis;
pub mod sqlite;

/// The version of what stores keep.
pub const VERSION: u32 = 2;

/// The most articles that callers pass to one call of [`Store::figures`].
pub const MAX_ARTICLES: usize = 1000;

/// The most sections of a site.
pub const MAX_SECTIONS: usize = 20;

/// How many articles a most-read list has at least, if the bucket has as many: more than callers ask for.
pub const LIST_LEAST: usize = 100;

/// How many articles a most-read list has at most. One that grows past it is cut to [`LIST_LEAST`].
pub const LIST_MOST: usize = 128;

/// The state of a site's counters. Every apply changes it, and no two states have the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// How many applies there were.
    pub number: u64,
    /// A digest over all of them. A store that lost applies and took others has the same number, but another digest.
    pub digest: Digest,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.digest)
    }
}

/// The result of an `apply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Counters and offset moved together.
    Done(Done),
    /// Nothing changed. Holds the stored offset. It differs from `from`, or the store lacks the earlier entries.
    Refused(Position),
}

/// What an apply has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The revision before. If the caller knows it, no other process has counted in the meantime.
    pub before: Revision,
    /// The revision now.
    pub after: Revision,
    /// Whether a counter has reached [`MAX_COUNT`](crate::domain::MAX_COUNT) and stays there.
    pub saturated: bool,
    /// Whether the clock has jumped: it is more than a day away from the latest time that the store trusts. Nothing is
    /// dropped until it has held for six hours. True once for each jump.
    pub jumped: bool,
}

/// One step of a correction: changes that a store makes together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The correction's producer.
    pub producer: ProducerId,
    /// The position that must be stored, and the new one.
    pub from: Position,
    /// The new position.
    pub to: Position,
    /// What is changed: at most [`MAX_CHANGES`](crate::domain::correction::MAX_CHANGES).
    pub changes: Vec<Change>,
    /// What is kept of the correction if this is its first step.
    pub note: Note,
}

/// The result of a step of a correction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Corrected {
    /// The changes were made.
    Done {
        /// What an apply returns, too.
        done: Done,
        /// The correction's number in the audit list.
        number: u64,
    },
    /// Nothing changed: another offset is stored.
    Refused(Position),
    /// Nothing changed, because a counter has fewer views than would be taken away.
    BelowZero(BelowZero),
    /// Nothing changed, because the correction, or the one that it would take back, was taken back by another one. Holds the
    /// number of that.
    Undone(u64),
}

/// The state of a site at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The offset of each producer, in the order of the call: the position up to which the figures include its entries.
    pub offsets: Vec<Position>,
    /// The revision. While it does not change, no process has counted.
    pub revision: Revision,
    /// The site's figures.
    pub site: Figures,
    /// The figures of its visits.
    pub visits: Figures,
    /// The articles' figures, in the order of the call; zeros for an article without views.
    pub articles: Vec<Figures>,
}

/// A most-read list at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopList {
    /// The articles and their views: most views first, then by id. None has no views.
    pub articles: Vec<(ArticleId, u64)>,
    /// The revision of the site at that moment.
    pub revision: Revision,
    /// Whether the list is complete. A list that is being built lacks articles.
    pub whole: bool,
}

/// One row of an export: a counter.
pub type Row = (Bucket, Subject, u64);

/// Why a call failed, by what the caller has to know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was changed. A later call can succeed. This is also the error of a read.
    #[error("the store is unavailable: {0}")]
    NotApplied(String),
    /// The reply to an apply was lost. Only the stored offset shows whether it was applied.
    #[error("the store may or may not have applied the views: {0}")]
    PerhapsApplied(String),
    /// The store holds something that truycap did not write.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The store has another version than [`VERSION`].
    #[error("{}", refusal("the store", *found))]
    Version {
        /// The version that it has.
        found: u32,
    },
}

/// Why a store, or a file of one, of another version cannot be used.
pub(crate) fn refusal(what: &str, found: u32) -> String {
    if found > VERSION {
        return format!("{what} has version {found}, and this program has version {VERSION}: use the newer program that wrote it");
    }
    format!(
        "{what} has version {found}, and this program has version {VERSION}: export it with the program that wrote it, and import the file"
    )
}

/// Counters and offsets. Every implementation passes the same contract tests.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Adds `deltas` to the counters of a site and moves the producer's offset from `from` to `to`: both, if the stored
    /// offset equals `from`; otherwise neither. Keeps the site's most-read lists, also those of its sections.
    ///
    /// Drops the increments of article buckets that are past their
    /// [`Retention`](crate::domain::retention::Retention), by a [trusted](crate::domain::retention::TrustedTime) time. A
    /// counter that would exceed [`MAX_COUNT`](crate::domain::MAX_COUNT) stays there.
    async fn apply(
        &self,
        site: &SiteId,
        producer: ProducerId,
        from: Position,
        to: Position,
        deltas: Arc<Deltas>,
    ) -> Result<Applied, StoreError> {
        self.apply_after(site, None, producer, from, to, deltas).await
    }

    /// The same on a condition: the store includes the entries of another producer up to a number. An apply that begins a run of
    /// a journal names the run before it. So if the store has entries of a run, it has had all earlier ones.
    async fn apply_after(
        &self,
        site: &SiteId,
        earlier: Option<(ProducerId, Seq)>,
        producer: ProducerId,
        from: Position,
        to: Position,
        deltas: Arc<Deltas>,
    ) -> Result<Applied, StoreError>;

    /// Makes one step of a correction, by the same rule as [`Store::apply`]: changes of counters, offset, revision and the audit list,
    /// all or nothing, and only if the stored offset equals `from`.
    ///
    /// The first step of a producer adds the correction to the audit list. Each step keeps its changes, so that they can be
    /// undone, and a new correction deletes those of the one that is
    /// [`KEPT_CHANGES`](crate::domain::correction::KEPT_CHANGES) before it.
    ///
    /// Buckets of articles that are past their retention do not change, nor do counters at
    /// [`MAX_COUNT`](crate::domain::MAX_COUNT) grow. An article without views is deleted. A list of a bucket in which a count
    /// shrinks is built again.
    async fn correct(&self, site: &SiteId, step: Arc<Step>) -> Result<Corrected, StoreError>;

    /// The audit list of a site: its corrections with a number above `after`, in the order of their numbers.
    async fn audit(&self, site: &SiteId, after: u64) -> Result<Vec<AuditEntry>, StoreError>;

    /// The changes of a step (counted from 1) of the correction with a number; `None` if they are not kept.
    async fn changes(&self, site: &SiteId, number: u64, step: Seq) -> Result<Option<Vec<Change>>, StoreError>;

    /// All buckets of a site or of an article that have views and are not past their retention.
    async fn counts(&self, site: &SiteId, subject: &Subject) -> Result<Vec<(Bucket, u64)>, StoreError>;

    /// The figures of a site and of up to [`MAX_ARTICLES`] articles on a day, with the offsets of a few producers that they
    /// include.
    async fn figures(
        &self,
        site: &SiteId,
        producers: &[ProducerId],
        today: NaiveDate,
        articles: &[ArticleId],
    ) -> Result<Snapshot, StoreError>;

    /// The producer's offset: the position up to which the counters of the site include its entries;
    /// [`Position::START`] if it never applied. Offsets are kept for ever.
    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Position, StoreError>;

    /// The most-read articles of a bucket, of the whole site or of one section: up to `limit`, which is at most
    /// [`LIST_LEAST`]. A section that the site does not have in the store is empty and not whole.
    async fn top(&self, site: &SiteId, section: Option<&Section>, bucket: Bucket, limit: usize) -> Result<TopList, StoreError>;

    /// The counts of a site's subject in each of the buckets; 0 if there are none.
    async fn history(&self, site: &SiteId, subject: &Subject, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError>;

    /// Sends every counter of a site that is above 0 and not past its retention: the site's views, its other counts in the order
    /// of [`Kind`](crate::domain::counts::Kind), then those of each article in the order of its bytes; each ordered by the bucket's
    /// text. Ends when all are sent or the receiver is dropped.
    ///
    /// Each store documents whether the rows are those of one moment while others write.
    ///
    /// # Errors
    /// If it cannot read everything: also if it finds fewer articles than the site has.
    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError>;

    /// One step of the upkeep of a site's lists. Makes `sections` those of the site: the lists of one that is new are built, in
    /// bounded steps that a crash can interrupt, and those of one that is gone are deleted, as are lists past their retention.
    ///
    /// Returns whether there is more to do.
    async fn maintain(&self, site: &SiteId, sections: &[Section]) -> Result<bool, StoreError>;

    /// Checks that the store can be reached and used.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Reads the whole store and looks for damage, if it is a local file. `full` also compares its parts with each other,
    /// which takes several times as long.
    ///
    /// # Errors
    /// If it is damaged or cannot be read.
    async fn verify(&self, _full: bool) -> Result<(), StoreError> {
        Ok(())
    }

    /// What the operator should change about the store's server, one sentence each.
    ///
    /// # Errors
    /// If the server cannot be reached.
    async fn advice(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// How a store of this kind can lose everything that it had confirmed, if there is a common cause. For the log.
    fn loss_hint(&self) -> Option<&'static str> {
        None
    }

    /// The servers that have the counters, as `host:port`, and whether each is connected.
    fn nodes(&self) -> Vec<(String, bool)> {
        Vec::new()
    }

    /// Changes when some sites are on another server than before, so that a call that has just failed can succeed; `None` if they
    /// stay where they are.
    fn moves(&self) -> Option<watch::Receiver<u64>> {
        None
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
