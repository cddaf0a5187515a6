//! What the recorder's tasks share.

use std::{
    collections::{HashMap, VecDeque},
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono_tz::Tz;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};
use tracing::{error, info, warn};

use super::{Clock, Config, Counter, Health, Stage, TRIM_INTERVAL};
use crate::{
    domain::{
        producer::Seq,
        site::{Site, SiteId},
    },
    journal::{Journal, JournalError, Usage},
    store::{Store, StoreError},
};

/// After how long the store is asked again where it stands, of a site that has entries in the journal though nobody
/// reads it: so a store that went back is made whole even where nobody looks.
const RECHECK: Duration = Duration::from_secs(5);

/// What is known of the recorder as a whole.
#[derive(Debug)]
pub(super) struct Status {
    /// The configured sites, and those that the journal still holds views of.
    pub(super) counters: Vec<Arc<Counter>>,
    /// The configured ones.
    by_id: HashMap<SiteId, Arc<Counter>>,
    /// The last entry that is in the counters' states.
    head: AtomicU64,
    journal_room: AtomicBool,
    /// How many sites' last calls of the store failed.
    away: AtomicUsize,
    failure: watch::Sender<Option<JournalError>>,
}

impl Status {
    pub(super) fn new(sites: Vec<Site>, journaled: Vec<SiteId>, head: Seq) -> Self {
        let by_id: Vec<_> = sites.iter().map(|site| site.id.clone()).collect();
        // A site that is no longer configured still gets what was acknowledged: its days are in the journal already,
        // so its time zone does not matter.
        let left = journaled.into_iter().filter(|id| !by_id.contains(id));
        let left = left.map(|id| Site { id, origins: Vec::new(), timezone: Tz::UTC });
        let configured = by_id.len();
        let sites = sites.into_iter().chain(left).enumerate();
        let counters: Vec<_> = sites.map(|(index, site)| Arc::new(Counter::new(site, index, head))).collect();
        let by_id = by_id.into_iter().zip(counters.iter().take(configured).cloned()).collect();
        Self {
            counters,
            by_id,
            head: AtomicU64::new(head),
            journal_room: AtomicBool::new(true),
            away: AtomicUsize::new(0),
            failure: watch::Sender::new(None),
        }
    }

    pub(super) fn configured(&self, id: &str) -> Option<&Arc<Counter>> {
        self.by_id.get(id)
    }

    pub(super) fn head(&self) -> Seq {
        self.head.load(Ordering::Acquire)
    }

    pub(super) fn set_head(&self, seq: Seq) {
        self.head.fetch_max(seq, Ordering::AcqRel);
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

    /// Notes that the store has begun or ceased to fail for a site, and logs the first and the last.
    pub(super) fn store_turned(&self, site: &SiteId, error: Option<&StoreError>) {
        match error {
            Some(error) if self.away.fetch_add(1, Ordering::Relaxed) == 0 => {
                warn!(%site, %error, "the store is away: views are kept in the journal");
            }
            None if self.away.fetch_sub(1, Ordering::Relaxed) == 1 => {
                let views = self.counters.iter().map(|counter| counter.lock().state.lag_views()).sum::<u64>();
                info!(views, "the store is back: what waits is applied");
            }
            _ => {}
        }
    }

    pub(super) fn health(&self) -> Health {
        Health {
            journal_ok: self.journal_room.load(Ordering::Relaxed) && !self.has_failed(),
            store_ok: self.away.load(Ordering::Relaxed) == 0,
            head: self.head(),
        }
    }

    /// The sites whose last views the store has not got.
    pub(super) fn waiting(&self) -> Vec<SiteId> {
        let waits = |counter: &&Arc<Counter>| {
            let inner = counter.lock();
            inner.state.offset().is_none() || inner.state.unapplied()
        };
        self.counters.iter().filter(waits).map(|counter| counter.site.id.clone()).collect()
    }

    /// Has the store asked again where it stands, for sites with entries after `deleted` that nobody reads.
    fn recheck(&self, deleted: Seq) {
        for counter in &self.counters {
            let inner = counter.lock();
            let silent = inner.confirmed().is_some_and(|at| at.elapsed() >= RECHECK);
            let entries = inner.state.offset().is_some_and(|offset| offset > deleted);
            drop(inner);
            if silent && entries {
                counter.recheck();
            }
        }
    }

    /// How far the store is.
    fn confirmed(&self, deleted: Seq) -> Confirmed {
        // Taken first: what is committed from here on is after it.
        let mut confirmed = Confirmed { offsets: Vec::with_capacity(self.counters.len()), upto: self.head(), at: Some(Instant::now()) };
        for counter in &self.counters {
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
            confirmed.offsets.push((counter.site.id.clone(), offset));
        }
        confirmed
    }
}

/// How far the store is, by its own words.
struct Confirmed {
    /// Its offset for each site.
    offsets: Vec<(SiteId, Seq)>,
    /// The entry up to which all of them are applied.
    upto: Seq,
    /// When it said so last, of each site that has entries in the journal.
    at: Option<Instant>,
}

/// What all tasks work with.
pub(super) struct Shared<J, S> {
    pub(super) config: Config,
    pub(super) status: Arc<Status>,
    pub(super) journal: Arc<J>,
    pub(super) store: Arc<S>,
    pub(super) clock: Clock,
}

impl<J, S> Deref for Shared<J, S> {
    type Target = Status;

    fn deref(&self) -> &Status {
        &self.status
    }
}

impl<J: Journal, S: Store> Shared<J, S> {
    /// Deletes the oldest applied entries at once, to make room.
    pub(super) async fn make_room(&self) -> Result<Usage, JournalError> {
        let Confirmed { offsets, upto, .. } = self.confirmed(Seq::MAX);
        self.journal.trim(offsets, upto, upto).await
    }
}

/// Which entries may go. An entry is kept until the store has confirmed it over a span of `retain`: not until it is that
/// old, or a fail-over soon after a long outage would find it gone; and not while the store is silent, for it may come
/// back as it was before.
struct Trimmer {
    retain: Duration,
    /// Moments and the entries up to which all was applied then, both ascending.
    seen: VecDeque<(Instant, Seq)>,
    /// The last entry that was let go.
    deleted: Seq,
}

impl Trimmer {
    /// How many moments are remembered; `retain` is kept to within this share of it.
    const MOMENTS: u32 = 64;

    /// Takes in how far the store is; answers up to which entry it has been so for `retain`.
    fn follow(&mut self, confirmed: &Confirmed) -> Seq {
        let Some(at) = confirmed.at else { return 0 };
        // A store that went back takes its word back.
        for (_, seen) in &mut self.seen {
            *seen = confirmed.upto.min(*seen);
        }
        let now = Instant::now();
        if self.seen.back().is_none_or(|(then, _)| now - *then >= self.retain / Self::MOMENTS) {
            self.seen.push_back((now, confirmed.upto));
        }
        let old = self.seen.partition_point(|(then, _)| at.saturating_duration_since(*then) >= self.retain);
        if old == 0 {
            return 0;
        }
        self.seen.drain(..old - 1);
        self.deleted = self.seen.front().map_or(0, |(_, upto)| *upto);
        self.deleted
    }

    async fn trim<J: Journal, S: Store>(&mut self, shared: &Shared<J, S>) -> Result<Usage, JournalError> {
        shared.recheck(self.deleted);
        let confirmed = shared.confirmed(self.deleted);
        let delete = self.follow(&confirmed);
        let usage = shared.journal.trim(confirmed.offsets, confirmed.upto, delete).await?;
        // Not only when the next view comes: where none is sent to a service that says it is full, none would.
        if usage.room { Ok(usage) } else { shared.make_room().await }
    }
}

/// Deletes entries whose time has passed, until told to stop; then once more, so that the next start knows how far the
/// store is.
pub(super) async fn trim_regularly<J: Journal, S: Store>(shared: Arc<Shared<J, S>>, mut stage: watch::Receiver<Stage>) {
    let mut trimmer = Trimmer { retain: shared.config.retain, seen: VecDeque::new(), deleted: 0 };
    let mut ticks = interval(TRIM_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let stopping = tokio::select! {
            biased;
            _ = stage.wait_for(|stage| *stage >= Stage::Trimming) => true,
            _ = ticks.tick() => false,
        };
        match trimmer.trim(&shared).await {
            Ok(Usage { more: true, .. }) if !stopping => ticks.reset_immediately(),
            Ok(Usage { room, .. }) => shared.journal_room(room, "its greatest size is reached"),
            Err(JournalError::Full(why)) => shared.journal_room(false, &why),
            Err(error) => return shared.fail(error),
        }
        if stopping {
            return;
        }
    }
}
