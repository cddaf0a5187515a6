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

/// How old the store's confirmation of a site's offset may become before the store is asked again although the site is not
/// requested. So a store that went back is repaired even if the site is never requested.
const RECHECK: Duration = Duration::from_secs(5);

/// The most sites that are asked for in one second for that reason. With more sites in the journal, a round over all of
/// them takes longer than [`RECHECK`].
pub(super) const MAX_RECHECKS: usize = 100;

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
    /// Whether all sites must be rechecked at once: the store went back, or is reachable again.
    recheck_all: AtomicBool,
}

impl Watermark {
    fn new(head: Seq) -> Self {
        Self { head: AtomicU64::new(head), went_back: AtomicU64::new(Seq::MAX), recheck_all: AtomicBool::new(false) }
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
        self.recheck_all();
    }

    /// The lowest entry that a store went back to since the last call.
    pub(super) fn take_went_back(&self) -> Seq {
        self.went_back.swap(Seq::MAX, Ordering::AcqRel)
    }

    fn recheck_all(&self) {
        self.recheck_all.store(true, Ordering::Release);
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
    /// A permit for each most-read list or history that is being read.
    pub(super) lists: Semaphore,
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
        max_lists: usize,
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
            lists: Semaphore::new(max_lists),
        }
    }

    /// Takes in that the store has begun or ceased to fail for a site.
    pub(super) fn store_changed(&self, site: &SiteId, transition: Option<Transition>, error: Option<&StoreError>) {
        if self.health.store_changed(site, transition, error, || self.sites.lag()) {
            // Otherwise sites that are not requested would seem unreachable until their turn comes.
            self.watermark.recheck_all();
        }
    }

    /// Asks the store again for sites that are not requested: those with entries after `deleted`, and those for which the
    /// last call failed. Asks for those first whose confirmation is oldest.
    pub(super) fn recheck(&self, deleted: Seq) {
        let all = self.watermark.recheck_all.swap(false, Ordering::AcqRel);
        let sites = self.sites.all();
        let due = sites.values().filter_map(|counter| {
            let inner = counter.lock();
            let at = inner.last_answered()?;
            let matters = inner.is_store_down() || inner.state.offset().is_some_and(|offset| offset > deleted);
            (matters && (all || at.elapsed() >= RECHECK)).then_some((at, counter))
        });
        let mut due: Vec<_> = due.collect();
        due.sort_unstable_by_key(|(at, _)| *at);
        let most = if all { due.len() } else { MAX_RECHECKS };
        for (_, counter) in due.into_iter().take(most) {
            counter.recheck();
        }
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
                confirmed.at = confirmed.at.min(inner.last_answered());
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
