//! What the recorder's tasks share.

use std::{
    ops::Deref,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use tracing::{error, info, warn};

use super::{
    Config, Counter, Health,
    fault::{Fault, Turn},
    sites::Sites,
};
use crate::{
    domain::{
        clock::Clock,
        producer::Seq,
        site::{Site, SiteId},
    },
    journal::{Journal, JournalError, Usage},
    store::{Store, StoreError},
    telemetry::metrics::Metrics,
};

/// After how long the store is asked again where it stands, of a site that has entries in the journal though nobody
/// reads it: so a store that went back is made whole even where nobody looks.
const RECHECK: Duration = Duration::from_secs(5);

/// What is known of the recorder as a whole.
#[derive(Debug)]
pub(super) struct Status {
    /// Replaced as a whole; held for a look-up only.
    sites: RwLock<Arc<Sites>>,
    apply_sums: usize,
    /// The last entry that is in the counters' states.
    head: AtomicU64,
    /// The lowest entry that a store went back to since the trimmer last looked: it may be whole again by then.
    went_back: AtomicU64,
    journal_room: AtomicBool,
    /// Whether applied entries had to give way before their time, which is told once.
    short: AtomicBool,
    /// For how many sites the store is away.
    away: AtomicUsize,
    /// For how many sites somebody has to look at it.
    lasting: AtomicUsize,
    failure: watch::Sender<Option<JournalError>>,
    pub(super) metrics: Metrics,
}

impl Status {
    pub(super) fn new(sites: Vec<Site>, journaled: Vec<SiteId>, head: Seq, apply_sums: usize) -> Self {
        Self {
            sites: RwLock::new(Arc::new(Sites::new(sites, journaled, head, apply_sums))),
            apply_sums,
            head: AtomicU64::new(head),
            went_back: AtomicU64::new(Seq::MAX),
            journal_room: AtomicBool::new(true),
            short: AtomicBool::new(false),
            away: AtomicUsize::new(0),
            lasting: AtomicUsize::new(0),
            failure: watch::Sender::new(None),
            metrics: Metrics::new(),
        }
    }

    /// The sites as they are now.
    pub(super) fn sites(&self) -> Arc<Sites> {
        Arc::clone(&self.sites.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The configured site of that id.
    pub(super) fn site(&self, id: &str) -> Option<Arc<Counter>> {
        self.sites.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Counts these sites from now on; answers with those that nobody works for yet.
    pub(super) fn configure(&self, configured: Vec<Site>) -> Vec<Arc<Counter>> {
        let mut sites = self.sites.write().unwrap_or_else(PoisonError::into_inner);
        let (next, new) = sites.configured(configured, self.head(), self.apply_sums);
        *sites = Arc::new(next);
        new
    }

    pub(super) fn head(&self) -> Seq {
        self.head.load(Ordering::Acquire)
    }

    pub(super) fn set_head(&self, seq: Seq) {
        self.head.fetch_max(seq, Ordering::AcqRel);
    }

    /// The lowest entry that a store went back to since this was asked last.
    pub(super) fn take_went_back(&self) -> Seq {
        self.went_back.swap(Seq::MAX, Ordering::AcqRel)
    }

    /// A store went back to `seq`.
    pub(super) fn went_back(&self, seq: Seq) {
        self.went_back.fetch_min(seq, Ordering::AcqRel);
    }

    /// The journal cannot be used any more: nothing is acknowledged from now on.
    pub(super) fn fail(&self, error: JournalError) {
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert(error);
            first
        });
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    pub(super) fn failure(&self) -> watch::Receiver<Option<JournalError>> {
        self.failure.subscribe()
    }

    /// Notes whether the journal takes views, and logs when that changes.
    pub(super) fn journal_room(&self, room: bool, why: &str) {
        if self.journal_room.load(Ordering::Relaxed) == room || self.journal_room.swap(room, Ordering::Relaxed) == room {
            return;
        }
        if room {
            info!("the journal has room again: views are accepted");
        } else {
            error!(why, "the journal is full: views are refused until there is room");
        }
    }

    /// Notes that the store has begun or ceased to fail for a site. An outage is logged with the first site and with the
    /// last, what concerns one site for each.
    pub(super) fn store_turned(&self, site: &SiteId, turn: Option<Turn>, error: Option<&StoreError>) {
        let Some((before, after)) = turn else { return };
        let error = error.map(ToString::to_string).unwrap_or_default();
        match after {
            Fault::None => {}
            Fault::Away if self.away.fetch_add(1, Ordering::Relaxed) > 0 => {}
            Fault::Away => warn!(%site, %error, "the store is away: views are kept in the journal"),
            Fault::Lasting => {
                self.lasting.fetch_add(1, Ordering::Relaxed);
                error!(%site, %error, "the store cannot take this site's views: they are kept in the journal");
            }
        }
        match before {
            Fault::None => {}
            Fault::Away if self.away.fetch_sub(1, Ordering::Relaxed) > 1 => {}
            Fault::Away => {
                let (views, unread) = self.lag();
                info!(views, unread_entries = unread, "the store is back: what waits is applied");
            }
            Fault::Lasting => {
                self.lasting.fetch_sub(1, Ordering::Relaxed);
                if after == Fault::None {
                    info!(%site, "the store takes this site's views again");
                }
            }
        }
    }

    /// How many views wait in memory, and of how many entries in the journal it is not known yet.
    fn lag(&self) -> (u64, u64) {
        self.sites().counters.iter().fold((0, 0), |(views, unread), counter| {
            let inner = counter.lock();
            (views + inner.state.lag_views(), unread.max(inner.state.unread()))
        })
    }

    pub(super) fn health(&self) -> Health {
        Health {
            journal_ok: self.journal_room.load(Ordering::Relaxed) && !self.has_failed(),
            store_ok: self.away.load(Ordering::Relaxed) + self.lasting.load(Ordering::Relaxed) == 0,
            head: self.head(),
        }
    }

    /// The sites whose last views the store has not got.
    pub(super) fn waiting(&self) -> Vec<SiteId> {
        let waits = |counter: &&Arc<Counter>| {
            let inner = counter.lock();
            inner.state.offset().is_none() || inner.state.unapplied()
        };
        self.sites().counters.iter().filter(waits).map(|counter| counter.site.id.clone()).collect()
    }

    /// Has the store asked again where it stands, for sites that nobody reads: those with entries after `deleted`, and
    /// those for which the store failed when it was last asked, or it would seem away for as long as nobody asks.
    pub(super) fn recheck(&self, deleted: Seq) {
        for counter in &self.sites().counters {
            let inner = counter.lock();
            let silent = inner.confirmed().is_some_and(|at| at.elapsed() >= RECHECK);
            let matters = inner.is_away() || inner.state.offset().is_some_and(|offset| offset > deleted);
            drop(inner);
            if silent && matters {
                counter.recheck();
            }
        }
    }

    /// How far the store is.
    pub(super) fn confirmed(&self, deleted: Seq) -> Confirmed {
        // Taken first, also before the sites: what is committed from here on, of sites that are new as well, is after it.
        let upto = self.head();
        let sites = self.sites();
        let mut confirmed = Confirmed { offsets: Vec::with_capacity(sites.counters.len()), upto, at: Some(Instant::now()) };
        for counter in &sites.counters {
            let inner = counter.lock();
            let Some(offset) = inner.state.offset() else {
                confirmed.upto = 0;
                continue;
            };
            if inner.state.unapplied() {
                confirmed.upto = confirmed.upto.min(offset);
            }
            if offset > deleted {
                confirmed.at = confirmed.at.min(inner.confirmed());
            }
            // Where a store went back, the journal still has to tell what is missing by what was confirmed before.
            if !inner.state.is_behind() {
                confirmed.offsets.push((counter.site.id.clone(), offset));
            }
        }
        confirmed
    }
}

/// How far the store is, by its own words.
pub(super) struct Confirmed {
    /// Its offset for each site.
    pub(super) offsets: Vec<(SiteId, Seq)>,
    /// The entry up to which all of them are applied.
    pub(super) upto: Seq,
    /// When it said so last, of each site that has entries in the journal.
    pub(super) at: Option<Instant>,
}

/// What all tasks work with.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) status: Arc<Status>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
}

impl Deref for Shared {
    type Target = Status;

    fn deref(&self) -> &Status {
        &self.status
    }
}

impl Shared {
    /// Deletes the oldest applied entries at once, to make room.
    pub(super) async fn make_room(&self) -> Result<Usage, JournalError> {
        let Confirmed { offsets, upto, .. } = self.confirmed(Seq::MAX);
        if upto > 0 && !self.short.swap(true, Ordering::Relaxed) {
            warn!("the journal is nearly full: applied views are not kept for journal.retain; raise journal.max_bytes");
        }
        self.journal.trim(offsets, upto, upto).await
    }
}
