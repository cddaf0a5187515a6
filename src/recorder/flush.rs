//! A site's flusher: the only task that talks to the store about the site, one call after the other.
//!
//! The one rule makes a site's applies a chain: each begins at the offset where the one before ended. So one task for each
//! site is enough, and a site in trouble does not hold up the others.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use tracing::{debug, error, warn};

use super::{
    freshness::Moment,
    health::StoreCall,
    locate::{LocateError, Locator, report_lost},
    shared::{Shared, Stage},
    site::{Inner, SiteCounter},
};
use crate::{
    domain::backoff::Backoff,
    journal::JournalError,
    store::{Applied, Done, StoreError},
};

/// The first and the longest pause after a failure.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Why a flusher cannot go on now.
enum FlushError {
    /// The store did not do what it was asked.
    Store(StoreError),
    /// The journal has no room.
    JournalFull(String),
    /// The journal failed: the task ends.
    Ending,
}

/// One site's flusher.
pub(super) struct Flusher {
    shared: Arc<Shared>,
    counter: Arc<SiteCounter>,
    /// When the next segment may be applied.
    flush_at: Instant,
    /// Until when the store is not called, unless it is on another server.
    pause: Option<Instant>,
    backoff: Backoff,
    /// When the store is on another server, if it can be.
    moves: Option<watch::Receiver<u64>>,
}

impl Flusher {
    pub(super) fn new(shared: Arc<Shared>, counter: Arc<SiteCounter>) -> Self {
        let (moves, backoff) = (shared.store.moves(), Backoff::new(PAUSES.0, PAUSES.1));
        Self { shared, counter, flush_at: Instant::now(), pause: None, backoff, moves }
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
                () = moved(&mut self.moves), if self.pause.is_some() => {
                    // Not at once: servers can name each other for a while.
                    let soon = Instant::now() + PAUSES.0;
                    self.pause = self.pause.map(|pause| pause.min(soon));
                    continue;
                }
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
        if inner.state.place().is_none() {
            return Some(Instant::now());
        }
        let flush = inner.state.unapplied().then_some(self.flush_at);
        [flush, inner.refresh_at()].into_iter().flatten().min()
    }

    /// Asks, reads and applies what is due. Returns whether anything was.
    async fn step(&mut self) -> Result<bool, FlushError> {
        let located = self.locate().await?;
        let asked = self.ask().await?;
        let read = self.read_journal().await?;
        let applied = Instant::now() >= self.flush_at && self.flush().await?;
        Ok(located || asked || read || applied)
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

    /// Finds out how far the store is, if that is not known.
    async fn locate(&self) -> Result<bool, FlushError> {
        let begun = self.begin_call(|inner| inner.state.place().is_none().then(|| inner.state.last_confirmed()));
        let Some(confirmed) = begun else { return Ok(false) };
        let locator = Locator { shared: &self.shared, counter: &self.counter, confirmed };
        let place = match locator.locate().await {
            Ok(place) => Ok(place),
            Err(LocateError::Store(error)) => Err(error),
            Err(LocateError::Journal(JournalError::Full(reason))) => return Err(FlushError::JournalFull(reason)),
            Err(LocateError::Journal(error)) => return Err(self.fail(error)),
        };
        let offset = place.as_ref().map_or_else(ToString::to_string, |place| place.offset.to_string());
        debug!(site = %self.counter.id(), offset, "the store was asked for its offset");
        // Taken in before "reachable again" is logged: that line counts what waits, for which the offset must be known.
        self.end_call(StoreCall::Figures, place, |inner, place| inner.begin(place))?;
        self.settle_apply();
        Ok(true)
    }

    /// Asks the store for figures, and so for its offset.
    async fn ask(&mut self) -> Result<bool, FlushError> {
        let question = self.begin_call(|inner| Some((inner.state.asked_producers()?, inner.next_question()?)));
        let Some((producers, articles)) = question else { return Ok(false) };
        let asked = self.now();
        let today = self.counter.day(asked.utc);
        let answer = self.shared.store.figures(self.counter.id(), &producers, today, &articles).await;
        self.end_call(StoreCall::Figures, answer, |inner, snapshot| inner.answered(asked, &producers, today, &articles, &snapshot))?;
        self.settle_apply();
        self.counter.notify_waiters();
        Ok(true)
    }

    /// A failed apply can turn out to have worked.
    fn settle_apply(&self) {
        let settled = self.counter.lock().settle_apply();
        self.shared.store_changed(self.counter.id(), settled, None);
    }

    /// Applies the next segment, if there is one.
    async fn apply(&mut self) -> Result<bool, FlushError> {
        let next = self.begin_call(|inner| {
            let segment = inner.state.start_apply()?;
            let earlier = inner.state.earlier(&segment);
            Some((segment, earlier))
        });
        let Some((segment, earlier)) = next else { return Ok(false) };
        let began = self.now();
        let (store, deltas) = (&self.shared.store, Arc::new(segment.deltas()));
        let answer = store.apply_after(self.counter.id(), earlier, segment.producer, segment.from, segment.to, deltas).await;
        self.measure(began.instant, &answer);
        // Taken in after the call has ended, because the views have waited until now.
        let applied = self.end_call(StoreCall::Apply, answer, |_, applied| applied)?;
        let day = self.counter.day(began.utc);
        self.counter.lock().applied(began, day, self.shared.config.flush_interval, applied);
        if let Applied::Done(done) = applied {
            self.report_done(done);
        }
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
    async fn read_journal(&mut self) -> Result<bool, FlushError> {
        let mut any = false;
        loop {
            let Some((after, upto)) = self.counter.lock().state.start_reading() else { return Ok(any) };
            any = true;
            let replay = match self.shared.journal.read(self.counter.id(), after, upto).await {
                Ok(replay) => replay,
                Err(error) => return Err(self.fail(error)),
            };
            if let Some((first, last)) = replay.missing {
                report_lost(&self.shared, &self.counter, first, last);
            }
            self.counter.lock().state.read(after, &replay);
            // Requests for figures need not wait until all is read.
            self.ask().await?;
        }
    }

    /// Reports what an operator should know of an apply that worked.
    fn report_done(&self, done: Done) {
        if done.jumped && !self.shared.jump_reported.swap(true, Ordering::Relaxed) {
            warn!(
                event = "clock_jumped", site = %self.counter.id(),
                "the clock is more than a day away from the last time of the site, so one of them is wrong: nothing expires for six hours"
            );
        }
        if done.saturated && !std::mem::replace(&mut self.counter.lock().saturated, true) {
            error!(event = "counter_saturated", site = %self.counter.id(), "a counter has reached 2^53 - 1 and stays there");
        }
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

/// Waits until the store is on another server.
async fn moved(moves: &mut Option<watch::Receiver<u64>>) {
    let watched = match moves {
        Some(moves) => moves.changed().await.is_ok(),
        None => false,
    };
    if !watched {
        std::future::pending().await
    }
}

/// Sleeps until an instant; for ever without one.
async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
