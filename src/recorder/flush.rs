//! A site's flusher: the only task that talks to the store about the site, one call after the other.
//!
//! The one rule makes a site's applies a chain: each begins at the offset where the one before ended. So one task for each
//! site is enough, and a site in trouble does not hold up the others.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};
use tracing::{debug, error, warn};

use super::{
    freshness::Moment,
    health::StoreCall,
    shared::{Shared, Skip, Stage},
    site::{Inner, SiteCounter},
    state::OffsetChange,
};
use crate::{
    domain::{backoff::Backoff, producer::Seq},
    journal::JournalError,
    store::{Applied, StoreError},
};

/// The first and the longest pause after a failure.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Why a flusher cannot go on now.
enum FlushError {
    /// The store did not do what it was asked.
    Store(StoreError),
    /// The journal has no room.
    JournalFull(String),
    /// The journal failed, or the recorder stops: the task ends.
    Ending,
}

/// One site's flusher.
pub(super) struct Flusher {
    shared: Arc<Shared>,
    counter: Arc<SiteCounter>,
    /// When the next segment may be applied.
    flush_at: Instant,
    /// Until when the store is not called.
    pause: Option<Instant>,
    backoff: Backoff,
    /// The number that the journal must skip to, because the store is ahead of it.
    skip: Option<Seq>,
}

impl Flusher {
    pub(super) fn new(shared: Arc<Shared>, counter: Arc<SiteCounter>) -> Self {
        Self { shared, counter, flush_at: Instant::now(), pause: None, backoff: Backoff::new(PAUSES.0, PAUSES.1), skip: None }
    }

    /// Works until the recorder stops, and then until the store has everything. The caller sets the deadline for that.
    pub(super) async fn run(mut self, mut stage: watch::Receiver<Stage>) {
        let mut stopping = false;
        while !self.shared.health.has_failed() {
            if stopping && !self.counter.lock().state.unapplied() {
                return;
            }
            if stopping {
                self.flush_at = Instant::now();
            }
            let due = self.due();
            tokio::select! {
                biased;
                _ = stage.wait_for(|stage| *stage >= Stage::Applying), if !stopping => {
                    stopping = true;
                    continue;
                }
                () = sleep_until(due) => {}
                () = self.counter.wake.notified(), if self.pause.is_none() => {}
            }
            self.pause = None;
            match self.step().await {
                // Nothing was done. Requests that looked again now would wake this task at once.
                Ok(false) => continue,
                Ok(true) => self.backoff.reset(),
                Err(error) => {
                    match error {
                        FlushError::Store(error) => debug!(site = %self.counter.id(), %error, "a call of the store failed"),
                        FlushError::JournalFull(reason) => self.shared.health.journal_full(&reason),
                        FlushError::Ending => return,
                    }
                    self.pause = Some(Instant::now() + self.backoff.next_pause());
                }
            }
            self.counter.notify_waiters();
        }
    }

    /// When there is something to do, if the task is not woken before.
    fn due(&self) -> Option<Instant> {
        if self.pause.is_some() {
            return self.pause;
        }
        let inner = self.counter.lock();
        if inner.state.offset().is_none() {
            return Some(Instant::now());
        }
        let flush = inner.state.unapplied().then_some(self.flush_at);
        [flush, inner.refresh_at()].into_iter().flatten().min()
    }

    /// Asks, reads and applies what is due. Returns whether anything was.
    async fn step(&mut self) -> Result<bool, FlushError> {
        self.skip_ahead().await?;
        let asked = self.ask().await?;
        let read = self.read_journal().await?;
        let applied = Instant::now() >= self.flush_at && self.flush().await?;
        Ok(asked || read || applied)
    }

    /// Applies what is in memory now, one segment after the other.
    async fn flush(&mut self) -> Result<bool, FlushError> {
        let applies = self.counter.lock().state.applies();
        let mut any = false;
        for _ in 0..applies {
            if !self.apply().await? {
                break;
            }
            any = true;
            // Requests for figures need not wait until all segments are applied.
            self.ask().await?;
        }
        self.flush_at = Instant::now() + self.shared.config.flush_interval;
        Ok(any)
    }

    /// Asks the store for figures, and so for its offset.
    async fn ask(&mut self) -> Result<bool, FlushError> {
        let Some(articles) = self.begin_call(|inner| inner.next_question()) else { return Ok(false) };
        let asked = self.now();
        let today = self.counter.day(asked.utc);
        let answer = self.shared.store.figures(self.counter.id(), self.shared.journal.producer(), today, &articles).await;
        // Taken in before "reachable again" is logged: that line counts what waits, for which the offset must be known.
        let change = self.end_call(StoreCall::Figures, answer, |inner, snapshot| inner.answered(asked, today, &articles, &snapshot))?;
        let settled = self.counter.lock().settle_apply();
        self.shared.store_changed(self.counter.id(), settled, None);
        self.follow(change).await?;
        self.counter.notify_waiters();
        Ok(true)
    }

    /// Applies the next segment, if there is one.
    async fn apply(&mut self) -> Result<bool, FlushError> {
        let Some(segment) = self.begin_call(|inner| inner.state.start_apply()) else { return Ok(false) };
        let began = self.now();
        let (producer, deltas) = (self.shared.journal.producer(), Arc::new(segment.deltas()));
        let answer = self.shared.store.apply(self.counter.id(), producer, segment.from, segment.to, deltas).await;
        self.measure(began.instant, &answer);
        // Taken in after the call has ended, because the views have waited until now.
        let applied = self.end_call(StoreCall::Apply, answer, |_, applied| applied)?;
        let day = self.counter.day(began.utc);
        let change = self.counter.lock().applied(began, day, self.shared.config.flush_interval, applied);
        self.follow(change).await?;
        self.counter.notify_waiters();
        Ok(true)
    }

    fn measure(&self, began: Instant, answer: &Result<Applied, StoreError>) {
        let metrics = &self.shared.metrics.store;
        metrics.apply_seconds.observe(began.elapsed().as_secs_f64());
        let result = match answer {
            Ok(Applied::Done(_)) => &metrics.done,
            Ok(Applied::Refused(_)) => &metrics.refused,
            Err(StoreError::PerhapsApplied(_)) => &metrics.unknown,
            Err(_) => &metrics.failed,
        };
        result.inc();
    }

    /// Reads what is neither applied nor in memory.
    async fn read_journal(&self) -> Result<bool, FlushError> {
        let mut any = false;
        loop {
            let Some((after, upto)) = self.counter.lock().state.start_reading() else { return Ok(any) };
            any = true;
            let replay = match self.shared.journal.read(self.counter.id(), after, upto).await {
                Ok(replay) => replay,
                Err(error) => return Err(self.fail(error)),
            };
            if let Some((first, last)) = replay.missing {
                self.shared.metrics.store.lost_entries.inc_by(last - first + 1);
                error!(
                    site = %self.counter.id(), first, last,
                    "the store went back further than the journal reaches: it has lost this site's views in these entries"
                );
            }
            self.counter.lock().state.read(after, &replay);
        }
    }

    /// Reports that the store is at another offset than expected, and skips the numbers that it has of another journal.
    async fn follow(&mut self, change: Option<OffsetChange>) -> Result<(), FlushError> {
        let Some(OffsetChange { from, to }) = change else { return Ok(()) };
        // Before the store first answers, this process may have used numbers that the store has from another copy of the
        // journal.
        let known = from.map_or(self.shared.journal.head_at_open(), |_| self.shared.watermark.head());
        if to > known {
            self.shared.metrics.store.foreign_entries.inc_by(to - known);
            error!(
                site = %self.counter.id(), first = known + 1, last = to,
                "the store includes entries that this journal does not have: the journal is older than the store; new entries follow them"
            );
            // One more than the store has: an apply of what was counted meanwhile must end after the store's offset.
            self.skip = Some(to.saturating_add(1));
            self.skip_ahead().await?;
        } else if let Some(from) = from.filter(|from| to < *from) {
            self.shared.watermark.went_back(to);
            self.shared.metrics.store.rewinds.inc();
            warn!(site = %self.counter.id(), from, to, "the store went back: the journal is applied again from there");
        } else {
            debug!(site = %self.counter.id(), ?from, to, "the store's offset is known");
        }
        Ok(())
    }

    /// Makes the journal number its entries after the store's, if that is due.
    async fn skip_ahead(&mut self) -> Result<(), FlushError> {
        let Some(seq) = self.skip else { return Ok(()) };
        let (done, skipped) = oneshot::channel();
        // The commit task lives longer than this one, except after a failure.
        self.shared.skips.send(Skip { seq, done }).await.map_err(|_| FlushError::Ending)?;
        match skipped.await.map_err(|_| FlushError::Ending)? {
            Ok(()) => {}
            // The journal takes no views either, so no entry gets a wrong number meanwhile.
            Err(JournalError::Full(reason)) => return Err(FlushError::JournalFull(reason)),
            Err(error) => return Err(self.fail(error)),
        }
        self.skip = None;
        self.counter.lock().state.skipped(self.shared.watermark.head());
        Ok(())
    }

    fn now(&self) -> Moment {
        Moment { instant: Instant::now(), utc: self.shared.clock.now() }
    }

    fn fail(&self, error: JournalError) -> FlushError {
        self.shared.health.fail(error);
        FlushError::Ending
    }

    /// Begins a call of the store, if there is a reason for one.
    fn begin_call<T>(&self, reason: impl FnOnce(&mut Inner) -> Option<T>) -> Option<T> {
        let mut inner = self.counter.lock();
        let reason = reason(&mut inner)?;
        inner.call_began();
        Some(reason)
    }

    /// Ends a call of the store, and takes in its answer.
    fn end_call<T, U>(
        &self,
        call: StoreCall,
        answer: Result<T, StoreError>,
        take: impl FnOnce(&mut Inner, T) -> U,
    ) -> Result<U, FlushError> {
        self.shared.health.call_ended(answer.is_ok(), || self.shared.sites.lag());
        let mut inner = self.counter.lock();
        let transition = inner.call_ended(call, &answer);
        let taken = answer.map(|answer| take(&mut inner, answer));
        drop(inner);
        self.shared.store_changed(self.counter.id(), transition, taken.as_ref().err());
        taken.map_err(FlushError::Store)
    }
}

/// Sleeps until an instant; for ever without one.
async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
