//! The journal: the local log to which every view is written, and synced, before it is acknowledged.
//!
//! [`Journal`] is the interface that the recorder uses; [`sqlite`] is its one implementation.
//!
//! **Constraints.** One process has one journal, and a journal belongs to one process. Its size is bounded by configuration.
//!
//! **Layout.** An [`Entry`] is one committed batch: the sums of views by site and day. Entries are numbered from 1 without gaps.
//! Each has a [`Digest`]: over the digest of the entry before it, the producer of its run, its number and time, its own content,
//! and a random number that makes it unlike every other entry. Beside the entries the journal keeps what the store has confirmed for each site, the last entry that is
//! included in all of that, and the last deleted entry.
//!
//! **Runs.** The entries that one process writes between opening and closing the journal are a [`Run`]. Each run has a random
//! [`ProducerId`]: to the store, it is a producer of its own. So a journal that is copied, or restored from an older copy, goes
//! on safely: the copies share the entries of earlier runs, which the store takes from either of them and only once, and each
//! writes new entries as another producer. Only a process that is cloned while it runs (with its memory, as a snapshot of a
//! virtual machine does) continues a run that another one continues too. The digests show that; see [`Journal::part`].
//!
//! **Writing.** [`Journal::append`] returns the entry's position after the fsync.
//!
//! **Reading.** [`Journal::read`] sums one site's views over a bounded number of entries. It verifies each entry's digest, and
//! so that no entry is missing between two others.
//!
//! **Deleting.** [`Journal::trim`] stores what the store has confirmed and deletes the oldest entries, a bounded number at a
//! time. Applied entries are kept for a while, because a store that loses writes needs them again.
//!
//! **After an error.** [`JournalError`] says what the caller must do: retry later, ask the operator, or end the process.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use crate::domain::{
    correction::Note,
    counts::SiteViews,
    producer::{Digest, Position, ProducerId, Seq},
    site::SiteId,
};

mod backlog;
pub mod sqlite;

pub use backlog::{Backlog, SiteBacklog, Unapplied};

/// Views by site, and by the site's day on which they were received.
pub type EntryViews = BTreeMap<(SiteId, NaiveDate), SiteViews>;

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
    pub fn days_of(&self, site: &SiteId) -> impl Iterator<Item = (NaiveDate, &SiteViews)> + Clone {
        let days = (site.clone(), NaiveDate::MIN)..=(site.clone(), NaiveDate::MAX);
        self.views.range(days).map(|((_, day), views)| (*day, views))
    }
}

/// The entries that one process wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id in the store.
    pub producer: ProducerId,
    /// The last entry before it. It ends where the next run begins; the last run grows.
    pub after: Seq,
}

/// A site that the journal knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournaledSite {
    /// The site.
    pub id: SiteId,
    /// The last entry that can hold views of it.
    pub last: Seq,
    /// What the store had confirmed at the last trim, if it had.
    pub confirmed: Option<Confirmed>,
    /// The entries with views of it that the store had not confirmed by then. It can have them by now.
    pub unapplied: Option<Unapplied>,
}

/// What the store has confirmed for a site: it includes the site's views in the entries up to `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The run of that entry, or the producer that took over from it; see [`Journal::part`].
    pub producer: ProducerId,
    /// The entry.
    pub seq: Seq,
}

/// A correction that the store had, so that a loss can be detected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenCorrection {
    /// Its number in the store's audit list.
    pub number: u64,
    /// Its producer.
    pub producer: ProducerId,
    /// What the store keeps of it.
    pub note: Note,
    /// How many of its steps the store had.
    pub steps: u64,
}

/// The views of one site in a range of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// The last entry that was read; its number is `upto`, or that of the last entry if `upto` is after it, if the whole range
    /// was read. If it was deleted and is not the last deleted one, its digest is not known, and is that of
    /// [`Position::START`].
    pub to: Position,
    /// The sums of the site's views.
    pub days: BTreeMap<NaiveDate, SiteViews>,
    /// How many of the entries hold views of the site.
    pub entries: u64,
    /// The first and last entry of the requested range that held views of the site, but are deleted.
    pub missing: Option<(Seq, Seq)>,
}

/// How full the journal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes that entries use, in whole pages.
    pub bytes: u64,
    /// Bytes that are free on its disk, if that is known.
    pub disk_free: Option<u64>,
    /// Whether there is room for more entries.
    pub room: bool,
    /// Whether the disk is the reason that there is none.
    pub disk_full: bool,
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
    /// The file was deleted or replaced while it was open. What it holds can still be read, until the process ends.
    #[error("the journal is gone: {0}")]
    Gone(String),
    /// It is unknown what reached the disk. The process must end; the next start reads the journal again.
    #[error("the journal failed: {0}")]
    Failed(String),
}

/// A log of entries. Calls are executed one after the other, in the order in which their futures are first polled.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// The runs of the last deleted entry and of those after it, oldest first, and as the last one the run of this process. The
    /// first one's start shows what a store without any entry of it lacks.
    fn runs(&self) -> Arc<[Run]>;

    /// The last entry when the journal was opened; [`Position::START`] if there was none.
    fn head_at_open(&self) -> Position;

    /// Writes an entry and returns its position after it is durable.
    ///
    /// # Errors
    /// [`JournalError::Gone`] if the file is gone.
    async fn append(&self, entry: Arc<Entry>) -> Result<Position, JournalError>;

    /// Sums a site's views in the entries after `after` and up to `upto`, over a bounded number of entries.
    async fn read(&self, site: &SiteId, after: Seq, upto: Seq) -> Result<Replay, JournalError>;

    /// The digest of an entry; `None` if it was deleted (the last deleted one is known) or does not exist. That of entry 0 is
    /// the one of [`Position::START`].
    async fn digest(&self, seq: Seq) -> Result<Option<Digest>, JournalError>;

    /// Stores the progress of the store, and deletes the oldest entries up to `delete`, a bounded number of them.
    ///
    /// `confirmed` is what the store has confirmed for each site; a later [`Journal::read`] uses it to report what is missing.
    /// Entries up to `upto` are included in all of it, and `delete` is not after it. All are kept with the journal. Runs
    /// before the last deleted entry are forgotten.
    ///
    /// # Errors
    /// [`JournalError::Gone`] if the file is gone.
    async fn trim(&self, confirmed: Vec<(SiteId, Confirmed)>, upto: Seq, delete: Seq) -> Result<Usage, JournalError>;

    /// Records that another process has written entries of this run: the store has entries of `producer` that differ from those
    /// here. `after` is the last entry of the site that is known to be included. If it is the run of this process, the run ends
    /// here and another begins.
    ///
    /// Returns the producer for the site's entries of the run after `after`, and this `after`: those of the first call for this
    /// site and run. Both are durable.
    async fn part(&self, site: &SiteId, producer: ProducerId, after: Seq) -> Result<Confirmed, JournalError>;

    /// Whether [`Journal::part`] was called for some site and this run. Then an offset after the end of the run, or one whose
    /// digest is not known any more, belongs to the other process.
    async fn is_parted(&self, producer: ProducerId) -> Result<bool, JournalError>;

    /// The latest corrections of a site that the store had, in the order of their numbers.
    async fn corrections(&self, site: &SiteId) -> Result<Vec<SeenCorrection>, JournalError>;

    /// Keeps the corrections that the store has after the one with number `after`, in place of those known after it. Only the
    /// latest [`KEPT_CHANGES`](crate::domain::correction::KEPT_CHANGES) are kept.
    async fn keep_corrections(&self, site: &SiteId, after: u64, seen: Vec<SeenCorrection>) -> Result<(), JournalError>;

    /// The sites that have views after the last trim's `upto`, and those with a confirmed entry. They are not necessarily
    /// configured any more.
    async fn sites(&self) -> Result<Vec<JournaledSite>, JournalError>;
}
