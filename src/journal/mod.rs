//! The journal: the local, fsynced log that every view is written to before it is acknowledged.
//!
//! - [`Journal`]: what the recorder needs of it
//! - [`sqlite`]: the file

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use crate::domain::{
    counts::DayViews,
    producer::{ProducerId, Seq},
    site::SiteId,
};

pub mod sqlite;

/// One committed batch: views by site and by the site's day on which they were received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When the batch was made.
    pub at: DateTime<Utc>,
    /// The views.
    pub views: BTreeMap<(SiteId, NaiveDate), DayViews>,
}

impl Entry {
    /// The views of one site, by day.
    pub fn days_of(&self, site: &SiteId) -> impl Iterator<Item = (NaiveDate, &DayViews)> + Clone {
        let days = (site.clone(), NaiveDate::MIN)..=(site.clone(), NaiveDate::MAX);
        self.views.range(days).map(|((_, day), views)| (*day, views))
    }
}

/// The views of one site in a stretch of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// The last entry that was looked at; what was asked for is read to its end where this is `upto`.
    pub to: Seq,
    /// The sums of the site's views.
    pub days: BTreeMap<NaiveDate, DayViews>,
    /// The first and last entry that were asked for and held views of the site, but are no longer kept.
    pub missing: Option<(Seq, Seq)>,
}

/// How full the journal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in use by entries, whole pages.
    pub bytes: u64,
    /// Whether there is room for more entries.
    pub room: bool,
    /// Whether more entries could be trimmed at once: a trim is bounded.
    pub more: bool,
}

/// What went wrong with the journal, by what the caller must do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Nothing was written: the disk is full or the journal has reached its greatest size. Try again later.
    #[error("the journal is full: {0}")]
    Full(String),
    /// The file does not hold what was written to it. Somebody must look at it.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// It is not known what reached the disk. The process ends, and reads the journal afresh at its next start.
    #[error("the journal failed: {0}")]
    Failed(String),
}

/// A log of entries. Calls are carried out one after the other, in the order in which their futures are first polled.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// The id made with the journal.
    fn producer(&self) -> ProducerId;

    /// The last entry when the journal was opened, 0 if there was none.
    fn head_at_open(&self) -> Seq;

    /// Writes an entry and returns its number once it is durable.
    async fn append(&self, entry: Arc<Entry>) -> Result<Seq, JournalError>;

    /// The sums of a site's views in the entries after `after` and up to `upto`, over a bounded number of entries.
    async fn read(&self, site: &SiteId, after: Seq, upto: Seq) -> Result<Replay, JournalError>;

    /// Notes how far the store is, and deletes the oldest entries up to `delete`, a bounded number of them.
    ///
    /// `offsets` are what the store has confirmed of each site; a later [`Journal::read`] finds by them what is missing.
    /// Entries up to `upto` are included in all of them, and `delete` is not after it. Both are kept with the journal.
    async fn trim(&self, offsets: Vec<(SiteId, Seq)>, upto: Seq, delete: Seq) -> Result<Usage, JournalError>;

    /// Gives the next entry a number after `seq`, unless it has one already: a store was ahead of the journal.
    async fn skip(&self, seq: Seq) -> Result<(), JournalError>;

    /// The ids of the sites that have views after the last trim's `upto`, and of those whose confirmed offset is after
    /// the last deleted entry: a store that goes back may need them again. They may no longer be configured.
    async fn sites(&self) -> Result<Vec<SiteId>, JournalError>;
}
