//! The journal: the local log to which every view is written, and synced, before it is acknowledged.
//!
//! [`Journal`] is the interface that the recorder uses; [`sqlite`] is its one implementation.
//!
//! **Constraints.** One process has one journal, and a journal belongs to one process. Its random [`ProducerId`] is made
//! with the file: to the store, a new journal is a new producer. Entries are numbered from 1 without gaps, except after a
//! skip. Its size is bounded by configuration.
//!
//! **Layout.** An [`Entry`] is one committed batch: the sums of views by site and day. Beside the entries the journal keeps
//! the offset of each site that the store has confirmed, the last entry that is included in all of these offsets, and the
//! last deleted entry.
//!
//! **Writing.** [`Journal::append`] returns the entry's number after the fsync. If the store is ahead of the journal (an
//! older journal was restored), [`Journal::skip`] moves the head past the store's offset, so that no number is used twice.
//!
//! **Reading.** [`Journal::read`] sums one site's views over a bounded number of entries. It verifies each entry's
//! checksum and that no entry is missing between two others.
//!
//! **Deleting.** [`Journal::trim`] stores the confirmed offsets and deletes the oldest entries, a bounded number at a time.
//! Applied entries are kept for a while, because a store that loses writes needs them again.
//!
//! **After an error.** [`JournalError`] says what the caller must do: retry later, ask the operator, or end the process.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use crate::domain::{
    counts::DayViews,
    producer::{ProducerId, Seq},
    site::SiteId,
};

pub mod sqlite;

/// Views by site, and by the site's day on which they were received.
pub type EntryViews = BTreeMap<(SiteId, NaiveDate), DayViews>;

/// One committed batch: views by site and by the site's day on which they were received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When the batch was made.
    pub at: DateTime<Utc>,
    /// The views.
    pub views: EntryViews,
}

impl Entry {
    /// The views of one site, by day.
    pub fn days_of(&self, site: &SiteId) -> impl Iterator<Item = (NaiveDate, &DayViews)> + Clone {
        let days = (site.clone(), NaiveDate::MIN)..=(site.clone(), NaiveDate::MAX);
        self.views.range(days).map(|((_, day), views)| (*day, views))
    }
}

/// The views of one site in a range of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// The last entry that was read; equal to `upto` if the whole range was read.
    pub to: Seq,
    /// The sums of the site's views.
    pub days: BTreeMap<NaiveDate, DayViews>,
    /// The first and last entry of the requested range that held views of the site, but are deleted.
    pub missing: Option<(Seq, Seq)>,
}

/// How full the journal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes that entries use, in whole pages.
    pub bytes: u64,
    /// Whether there is room for more entries.
    pub room: bool,
    /// Whether another trim could delete more now: each trim is bounded.
    pub more: bool,
}

/// Why a call failed, by what the caller must do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Nothing was written: the disk is full or the journal has reached its maximum size. Try again later.
    #[error("the journal is full: {0}")]
    Full(String),
    /// The file does not hold what was written to it. Needs an operator.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// It is unknown what reached the disk. The process must end; the next start reads the journal again.
    #[error("the journal failed: {0}")]
    Failed(String),
}

/// A log of entries. Calls are executed one after the other, in the order in which their futures are first polled.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// The id that was made with the journal.
    fn producer(&self) -> ProducerId;

    /// The last entry when the journal was opened, or 0.
    fn head_at_open(&self) -> Seq;

    /// Writes an entry and returns its number after it is durable.
    async fn append(&self, entry: Arc<Entry>) -> Result<Seq, JournalError>;

    /// Sums a site's views in the entries after `after` and up to `upto`, over a bounded number of entries.
    async fn read(&self, site: &SiteId, after: Seq, upto: Seq) -> Result<Replay, JournalError>;

    /// Stores the progress of the store, and deletes the oldest entries up to `delete`, a bounded number of them.
    ///
    /// `offsets` are what the store has confirmed for each site; a later [`Journal::read`] uses them to report what is
    /// missing. Entries up to `upto` are included in all of them, and `delete` is not after it. Both are kept with the
    /// journal.
    async fn trim(&self, offsets: Vec<(SiteId, Seq)>, upto: Seq, delete: Seq) -> Result<Usage, JournalError>;

    /// Gives the next entry a number after `seq`, unless it already has one: the store was ahead of the journal.
    async fn skip(&self, seq: Seq) -> Result<(), JournalError>;

    /// The sites that have views after the last trim's `upto`, and those whose confirmed offset is after the last deleted
    /// entry: a store that goes back can need them again. They are not necessarily configured any more.
    async fn sites(&self) -> Result<Vec<SiteId>, JournalError>;
}
