//! What the recorder's tasks share.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::Instant,
};

use super::{
    health::{HealthMonitor, Transition},
    site::Sites,
};
use crate::{
    domain::{clock::Clock, producer::Seq, site::SiteId},
    journal::{Journal, JournalError, Usage},
    store::{Store, StoreError},
    telemetry::metrics::Metrics,
};

/// The most lists and histories that are read from the store at once, and that can wait for that.
const MAX_LISTS: usize = 64;
const MAX_WAITING_LISTS: usize = 256;

/// The usual [`Config::apply_sums`]. Each sum is five increments of less than a microsecond, so one apply keeps Redis busy
/// for up to about 5 ms. Most views of a busy site are of fewer articles than that: one apply then takes all that came
/// since the last one, and costs the same however many views there are.
pub const APPLY_SUMS: usize = 1024;

/// How a recorder works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How often each site's views are summed and applied to the store.
    pub flush_interval: Duration,
    /// How long applied entries stay in the journal, so that a store that went back can be repaired.
    pub retain: Duration,
    /// The most sums (of an article on a day) of one apply; [`APPLY_SUMS`] except in tests. An apply has more only if a
    /// single entry has more, or if the store is ahead of its journal at the start.
    pub apply_sums: usize,
}

/// How far a shutdown is. Each stage begins when the one before has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Running,
    /// Queued views are written, and no more are taken.
    Writing,
    /// Written views are applied.
    Applying,
    /// The journal records how far the store is.
    Trimming,
}

/// How far journal and store are, over all sites.
#[derive(Debug)]
pub(super) struct Watermark {
    /// The last entry that is in the sites' states. Only the commit task moves it.
    head: AtomicU64,
    /// The lowest entry that a store went back to since the trimmer last looked. The store may have caught up by then.
    went_back: AtomicU64,
    /// Whether the store went back since the last [`Watermark::take_rewound`].
    rewound: AtomicBool,
}

impl Watermark {
    fn new(head: Seq) -> Self {
        Self { head: AtomicU64::new(head), went_back: AtomicU64::new(Seq::MAX), rewound: AtomicBool::new(false) }
    }

    pub(super) fn head(&self) -> Seq {
        self.head.load(Ordering::Acquire)
    }

    /// All entries up to `seq` are in the sites' states.
    pub(super) fn set_head(&self, seq: Seq) {
        self.head.store(seq, Ordering::Release);
    }

    /// The store went back to `seq` for one site. It may have done so for others.
    pub(super) fn went_back(&self, seq: Seq) {
        self.went_back.fetch_min(seq, Ordering::AcqRel);
        self.rewound.store(true, Ordering::Release);
    }

    /// The lowest entry that a store went back to since the last call.
    pub(super) fn take_went_back(&self) -> Seq {
        self.went_back.swap(Seq::MAX, Ordering::AcqRel)
    }

    /// Whether a store went back since the last call that returned true.
    pub(super) fn take_rewound(&self) -> bool {
        self.rewound.swap(false, Ordering::AcqRel)
    }
}

/// Limits how many lists are read from the store.
#[derive(Debug)]
pub(super) struct ListLimit {
    /// A permit for each list that is read or waits.
    accepted: Semaphore,
    /// A permit for each list that is read.
    reading: Semaphore,
}

impl ListLimit {
    fn new() -> Self {
        Self { accepted: Semaphore::new(MAX_LISTS + MAX_WAITING_LISTS), reading: Semaphore::new(MAX_LISTS) }
    }

    /// Reads a list when it is its turn.
    ///
    /// # Errors
    /// If too many lists wait already, or the list cannot be read.
    pub(super) async fn read<T>(&self, list: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let too_many = |_| StoreError::NotApplied("too many lists are being read".into());
        let _accepted = self.accepted.try_acquire().map_err(too_many)?;
        // The semaphore is never closed.
        let _reading = self.reading.acquire().await;
        list.await
    }
}

/// How far the store is, by its own answers.
pub(super) struct Confirmed {
    /// Its offset for each site.
    pub(super) offsets: Vec<(SiteId, Seq)>,
    /// The entry up to which all sites are applied.
    pub(super) upto: Seq,
    /// When it last confirmed that, for the site of those with entries in the journal that waits longest.
    pub(super) at: Option<Instant>,
}

/// A request that the next entry gets a number after `seq`, because a store is ahead of the journal.
#[derive(Debug)]
pub(super) struct Skip {
    pub(super) seq: Seq,
    pub(super) done: oneshot::Sender<Result<(), JournalError>>,
}

/// What all tasks and handles work with.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) sites: Sites,
    pub(super) health: HealthMonitor,
    pub(super) watermark: Watermark,
    pub(super) metrics: Metrics,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    /// Asks the commit task to skip numbers of the journal.
    pub(super) skips: mpsc::Sender<Skip>,
    /// Limits how many most-read lists and histories are read at once, and how many wait for that.
    pub(super) lists: ListLimit,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).field("watermark", &self.watermark).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(
        config: Config,
        sites: Sites,
        journal: Arc<dyn Journal>,
        store: Arc<dyn Store>,
        clock: Clock,
        skips: mpsc::Sender<Skip>,
    ) -> Self {
        let watermark = Watermark::new(journal.head_at_open());
        Self {
            config,
            sites,
            health: HealthMonitor::new(),
            watermark,
            metrics: Metrics::new(),
            journal,
            store,
            clock,
            skips,
            lists: ListLimit::new(),
        }
    }

    /// Takes in that the store has begun or ceased to fail for a site.
    pub(super) fn store_changed(&self, site: &SiteId, transition: Option<Transition>, error: Option<&StoreError>) {
        self.health.store_changed(site, transition, error, || self.sites.lag());
    }

    /// How far the store is. Sites without entries after `deleted` need no confirmation.
    pub(super) fn confirmed(&self, deleted: Seq) -> Confirmed {
        // Read before the sites: what is committed from here on, also of new sites, is after it.
        let upto = self.watermark.head();
        let sites = self.sites.all();
        let mut confirmed = Confirmed { offsets: Vec::with_capacity(sites.len()), upto, at: Some(Instant::now()) };
        for (id, counter) in &*sites {
            let inner = counter.lock();
            let Some(offset) = inner.state.offset() else {
                confirmed.upto = 0;
                continue;
            };
            if inner.state.unapplied() {
                confirmed.upto = confirmed.upto.min(inner.state.included());
            }
            if offset > deleted {
                confirmed.at = confirmed.at.min(inner.freshness.last_answered());
            }
            // If the store went back, the journal still needs the earlier offset to find out what is missing.
            if !inner.state.is_behind() {
                confirmed.offsets.push((id.clone(), offset));
            }
        }
        confirmed
    }

    /// Deletes the oldest applied entries before their time, to make room.
    pub(super) async fn delete_early(&self) -> Result<Usage, JournalError> {
        let Confirmed { offsets, upto, .. } = self.confirmed(Seq::MAX);
        if upto > 0 {
            self.health.deletes_early();
        }
        self.journal.trim(offsets, upto, upto).await
    }
}
