//! Whether the journal takes views and the store answers.
//!
//! [`StoreHealth`] is how the store fails for one site. [`HealthMonitor`] is the whole process: it logs each change once,
//! when it begins and when it ends.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::{domain::site::SiteId, journal::JournalError, store::StoreError, telemetry::log_throttle::LogThrottle};

/// The two kinds of calls. A store may be able to read and not to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreCall {
    Figures,
    Apply,
}

/// What is wrong with the store for one site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StoreFault {
    #[default]
    None,
    /// It may work later.
    Unreachable,
    /// Permanent: needs an operator.
    Permanent,
}

impl StoreFault {
    pub(super) fn of<T>(answer: &Result<T, StoreError>) -> Self {
        match answer {
            Ok(_) => Self::None,
            Err(StoreError::Corrupt(_) | StoreError::Version { .. }) => Self::Permanent,
            Err(StoreError::NotApplied(_) | StoreError::PerhapsApplied(_)) => Self::Unreachable,
        }
    }
}

/// A change of what is wrong with the store for one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transition {
    from: StoreFault,
    to: StoreFault,
}

/// How the last call of each kind ended, for one site.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StoreHealth {
    figures: StoreFault,
    apply: StoreFault,
}

impl StoreHealth {
    /// Whether the last question for figures was answered.
    pub(super) fn answers(self) -> bool {
        self.figures == StoreFault::None
    }

    /// The worse of the two.
    pub(super) fn fault(self) -> StoreFault {
        self.figures.max(self.apply)
    }

    /// Takes in the end of a call. Returns the transition if that changes what is wrong.
    pub(super) fn record(&mut self, call: StoreCall, fault: StoreFault) -> Option<Transition> {
        let from = self.fault();
        match call {
            StoreCall::Figures => self.figures = fault,
            StoreCall::Apply => self.apply = fault,
        }
        let to = self.fault();
        (from != to).then_some(Transition { from, to })
    }
}

/// The health of the journal and the store, for the whole process.
#[derive(Debug)]
pub(super) struct HealthMonitor {
    journal_has_room: AtomicBool,
    /// Whether the log's last word is that the journal is full. It lags if the state changes more than once a second.
    logged_full: AtomicBool,
    log: LogThrottle<()>,
    /// Whether applied entries were deleted before `journal.retain`, which is logged once.
    deleted_early: AtomicBool,
    /// For how many sites the store is unreachable.
    unreachable: AtomicUsize,
    /// For how many sites the store needs an operator.
    permanent: AtomicUsize,
    /// What waited at the first answer after the last failed call, while the store is unreachable for some site.
    waited: Mutex<Option<(u64, u64)>>,
    /// Whether the store has become reachable again for some site since the last [`HealthMonitor::take_recovered`].
    recovered: AtomicBool,
    /// The error that ends the process.
    failure: watch::Sender<Option<JournalError>>,
}

impl HealthMonitor {
    pub(super) fn new() -> Self {
        Self {
            journal_has_room: AtomicBool::new(true),
            logged_full: AtomicBool::new(false),
            log: LogThrottle::new(Duration::from_secs(1), 1),
            deleted_early: AtomicBool::new(false),
            unreachable: AtomicUsize::new(0),
            permanent: AtomicUsize::new(0),
            waited: Mutex::new(None),
            recovered: AtomicBool::new(false),
            failure: watch::Sender::new(None),
        }
    }

    /// The journal takes no views any more: nothing is acknowledged from now on. The first error is kept.
    pub(super) fn fail(&self, error: JournalError) {
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert(error);
            first
        });
    }

    /// Whether the journal cannot even be read any more.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.borrow().as_ref().is_some_and(|error| !matches!(error, JournalError::Gone(_)))
    }

    pub(super) fn failure(&self) -> watch::Receiver<Option<JournalError>> {
        self.failure.subscribe()
    }

    pub(super) fn journal_ok(&self) -> bool {
        self.journal_has_room.load(Ordering::Relaxed) && self.failure.borrow().is_none()
    }

    pub(super) fn store_ok(&self) -> bool {
        self.unreachable.load(Ordering::Relaxed) + self.permanent.load(Ordering::Relaxed) == 0
    }

    /// The journal takes views.
    pub(super) fn journal_ready(&self) {
        // Read first: this is called with every entry.
        if !self.journal_has_room.load(Ordering::Relaxed) {
            self.journal_has_room.store(true, Ordering::Relaxed);
        }
        if self.logged_full.load(Ordering::Relaxed) && self.log.allow(()).is_some() {
            self.logged_full.store(false, Ordering::Relaxed);
            info!(event = "journal_has_room", "the journal has room again: views are accepted");
        }
    }

    /// The journal refuses views.
    pub(super) fn journal_full(&self, reason: &str) {
        self.journal_has_room.store(false, Ordering::Relaxed);
        if !self.logged_full.load(Ordering::Relaxed) && self.log.allow(()).is_some() {
            self.logged_full.store(true, Ordering::Relaxed);
            error!(event = "journal_full", reason, "the journal is full: views are refused until it has room");
        }
    }

    /// Applied entries are deleted before their time, to make room. `reason` is why there is none.
    pub(super) fn deletes_early(&self, reason: &str) {
        if !self.deleted_early.swap(true, Ordering::Relaxed) {
            warn!(event = "journal_nearly_full", reason, "the journal is nearly full: applied views are not kept for journal.retain");
        }
    }

    /// A call of the store has ended. The first answer of a store that is reachable again fixes what the log reports as
    /// waiting: by the time all sites have noticed, some or all of it can be applied. `lag` is as in
    /// [`HealthMonitor::store_changed`].
    pub(super) fn call_ended(&self, answered: bool, lag: impl FnOnce() -> (u64, u64)) {
        if self.unreachable.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut waited = self.waited.lock();
        *waited = if answered { waited.or_else(|| Some(lag())) } else { None };
    }

    /// Logs that the store has begun or ceased to fail for a site. An outage is logged with its first and its last site, a
    /// permanent fault with each site. `lag` returns the views in memory and the unread entries that wait for the store.
    pub(super) fn store_changed(
        &self,
        site: &SiteId,
        transition: Option<Transition>,
        error: Option<&StoreError>,
        lag: impl FnOnce() -> (u64, u64),
    ) {
        let Some(Transition { from, to }) = transition else { return };
        let error = error.map(ToString::to_string).unwrap_or_default();
        match to {
            StoreFault::None => {}
            StoreFault::Unreachable => {
                if self.unreachable.fetch_add(1, Ordering::Relaxed) == 0 {
                    warn!(event = "store_unreachable", %site, %error, "the store is unreachable: views are kept in the journal");
                }
            }
            StoreFault::Permanent => {
                self.permanent.fetch_add(1, Ordering::Relaxed);
                error!(event = "site_not_applied", %site, %error, "the store cannot take this site's views: they are kept in the journal");
            }
        }
        match from {
            StoreFault::None => {}
            StoreFault::Unreachable => {
                if self.unreachable.fetch_sub(1, Ordering::Relaxed) == 1 {
                    // At a start, what waits is known only now.
                    let (now, first) = (lag(), self.waited.lock().take().unwrap_or_default());
                    let (views, unread_entries) = (now.0.max(first.0), now.1.max(first.1));
                    info!(event = "store_reachable", views, unread_entries, "the store is reachable again: waiting views are applied");
                }
            }
            StoreFault::Permanent => {
                self.permanent.fetch_sub(1, Ordering::Relaxed);
                if to == StoreFault::None {
                    info!(event = "site_applied_again", %site, "the store takes this site's views again");
                }
            }
        }
        if from == StoreFault::Unreachable && to == StoreFault::None {
            self.recovered.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the store has become reachable again for some site since the last call. It probably has for the others.
    pub(super) fn take_recovered(&self) -> bool {
        self.recovered.swap(false, Ordering::Relaxed)
    }
}
