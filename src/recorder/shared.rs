//! What the recorder's tasks share.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{sync::Notify, time::Instant};

use super::{
    health::{HealthMonitor, Transition},
    lists::Lists,
    site::Sites,
    uncounted::Uncounted,
};
use crate::{
    domain::{clock::Clock, producer::Seq, site::SiteId},
    journal::{Backlog, Confirmed, Journal, JournalError, Usage},
    store::{Store, StoreError},
    telemetry::metrics::Metrics,
};

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
    /// single entry has more.
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

/// How far the store is, by its own answers.
pub(super) struct Progress {
    /// What it has confirmed for each site.
    pub(super) confirmed: Vec<(SiteId, Confirmed)>,
    /// The entry up to which all sites are applied.
    pub(super) upto: Seq,
    /// When it last confirmed that, for the site of those with entries in the journal that waits longest.
    pub(super) at: Option<Instant>,
}

/// What all tasks and handles work with.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) sites: Sites,
    pub(super) health: HealthMonitor,
    pub(super) watermark: Watermark,
    /// What was not counted and is not in the journal yet.
    pub(super) uncounted: Uncounted,
    pub(super) metrics: Metrics,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    /// The most-read lists that were requested lately.
    pub(super) lists: Lists,
    /// Wakes the upkeep task, because the configuration has changed.
    pub(super) configured: Notify,
    /// Wakes the upkeep task soon, because the store lacks lists of a section: it went back, or another instance removed them.
    pub(super) lists_missing: Notify,
    /// Whether a clock that has jumped was logged. It has jumped for all sites, so once is enough.
    pub(super) jump_reported: AtomicBool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).field("watermark", &self.watermark).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(config: Config, sites: Sites, journal: Arc<dyn Journal>, store: Arc<dyn Store>, clock: Clock) -> Self {
        let watermark = Watermark::new(journal.head_at_open().seq);
        Self {
            config,
            sites,
            health: HealthMonitor::new(),
            watermark,
            uncounted: Uncounted::default(),
            metrics: Metrics::new(),
            journal,
            store,
            clock,
            lists: Lists::default(),
            configured: Notify::new(),
            lists_missing: Notify::new(),
            jump_reported: AtomicBool::new(false),
        }
    }

    /// Takes in that the store has begun or ceased to fail for a site.
    pub(super) fn store_changed(&self, site: &SiteId, transition: Option<Transition>, error: Option<&StoreError>) {
        self.health.store_changed(site, transition, error, || self.sites.lag());
    }

    /// What the store lacks now, as far as is known.
    pub(super) fn backlog(&self, now: DateTime<Utc>) -> Backlog {
        Backlog::of(self.sites.unapplied(now), self.watermark.head())
    }

    /// How far the store is. Sites without entries after `deleted` need no confirmation.
    pub(super) fn progress(&self, deleted: Seq) -> Progress {
        // Read before the sites: what is committed from here on, also of new sites, is after it.
        let upto = self.watermark.head();
        let sites = self.sites.all();
        let mut progress = Progress { confirmed: Vec::with_capacity(sites.len()), upto, at: Some(Instant::now()) };
        for (id, counter) in &*sites {
            let inner = counter.lock();
            let Some(place) = inner.state.place() else {
                progress.upto = 0;
                continue;
            };
            if inner.state.unapplied() {
                progress.upto = progress.upto.min(place.included);
            }
            if place.included > deleted {
                progress.at = progress.at.min(inner.freshness.last_answered());
            }
            // If the store went back, the journal still needs the earlier confirmation to find out what is missing.
            if !inner.state.is_behind() {
                progress.confirmed.push((id.clone(), place.confirmed()));
            }
        }
        progress
    }

    /// Deletes the oldest applied entries before their time, to make room. `reason` is why there is none.
    pub(super) async fn delete_early(&self, reason: &str) -> Result<Usage, JournalError> {
        let Progress { confirmed, upto, .. } = self.progress(Seq::MAX);
        if upto > 0 {
            self.health.deletes_early(reason);
        }
        self.journal.trim(confirmed, upto, upto).await
    }
}
