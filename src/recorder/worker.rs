//! A site's worker: the only one that talks with the store about the site, one call after the other.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tracing::{debug, error, warn};

use super::{Counter, Shared, Stage, counter::Inner, fault::Call, state::Moved};
use crate::{
    domain::producer::Seq,
    journal::JournalError,
    store::{Applied, StoreError},
};

/// How long a worker waits after a failure; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Nothing more can be done now.
enum Trouble {
    /// The store did not do what it was asked.
    Away(StoreError),
    /// The journal has no room.
    Full(String),
    /// The journal failed; the process ends.
    Ending,
}

/// One site's worker.
pub(super) struct Worker {
    shared: Arc<Shared>,
    counter: Arc<Counter>,
    /// When the next fold may be applied.
    flush_at: Instant,
    /// Until when the store is left alone, and for how long next time.
    pause: Option<Instant>,
    next_pause: Duration,
    /// The number that the journal's entries still have to pass: the store is ahead of it.
    skip: Option<Seq>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, counter: Arc<Counter>) -> Self {
        Self { shared, counter, flush_at: Instant::now(), pause: None, next_pause: FIRST_PAUSE, skip: None }
    }

    /// Works until told to stop, and then until the store has everything. Whoever tells sets the deadline.
    pub(super) async fn run(mut self, mut stage: watch::Receiver<Stage>) {
        let mut stopping = false;
        while !self.shared.has_failed() {
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
                () = self.counter.core.wake.notified(), if self.pause.is_none() => {}
            }
            self.pause = None;
            match self.step().await {
                // Nothing was done, so nobody needs to look again; those who did would wake the worker at once.
                Ok(false) => continue,
                Ok(true) => self.next_pause = FIRST_PAUSE,
                Err(trouble) => {
                    match trouble {
                        Trouble::Away(error) => debug!(site = %self.counter.site.id, %error, "the store did not answer"),
                        Trouble::Full(why) => self.shared.journal_room(false, &why),
                        Trouble::Ending => return,
                    }
                    self.pause = Some(Instant::now() + self.next_pause);
                    self.next_pause = (2 * self.next_pause).min(LONGEST_PAUSE);
                }
            }
            self.counter.tell();
        }
    }

    /// When there is something to do, if nobody wakes the worker before.
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

    /// Asks, reads and applies whatever is due. Answers whether anything was.
    async fn step(&mut self) -> Result<bool, Trouble> {
        self.skip_ahead().await?;
        let asked = self.ask().await?;
        let read = self.read_journal().await?;
        let applied = Instant::now() >= self.flush_at && self.flush().await?;
        Ok(asked || read || applied)
    }

    /// Applies what is in memory now, one fold after the other.
    async fn flush(&mut self) -> Result<bool, Trouble> {
        let applies = self.counter.lock().state.applies();
        let mut any = false;
        for _ in 0..applies {
            if !self.apply().await? {
                break;
            }
            any = true;
            // Whoever waits for figures need not wait for all of them.
            self.ask().await?;
        }
        self.flush_at = Instant::now() + self.shared.config.flush_interval;
        Ok(any)
    }

    /// Asks the store for figures, and so for its offset.
    async fn ask(&mut self) -> Result<bool, Trouble> {
        let Some(articles) = self.begin(|inner| inner.next_question()) else { return Ok(false) };
        let (site, at) = (&self.counter.site, (Instant::now(), self.shared.clock.now()));
        // Not by the site as it was when the worker began: the time zone may be another now.
        let today = self.counter.lock().day(at.1);
        let answer = self.shared.store.figures(&site.id, self.shared.journal.producer(), today, &articles).await;
        // Taken in before it is told that the store is back, which tells how much waits: so its offset is known by then.
        let moved = self.end(Call::Ask, answer, |inner, snapshot| inner.answered(at, today, &articles, &snapshot))?;
        let settled = self.counter.lock().settle();
        self.shared.store_turned(&site.id, settled, None);
        self.follow(moved).await?;
        self.counter.tell();
        Ok(true)
    }

    /// Has the journal number its entries after the store's, where it is behind it.
    async fn skip_ahead(&mut self) -> Result<(), Trouble> {
        let Some(next) = self.skip else { return Ok(()) };
        match self.shared.journal.skip(next).await {
            Ok(()) => {}
            // It takes no views either, so nothing gets a wrong number meanwhile.
            Err(JournalError::Full(why)) => return Err(Trouble::Full(why)),
            Err(error) => return Err(self.fail(error)),
        }
        self.skip = None;
        self.shared.set_head(next);
        self.counter.lock().state.skipped(self.shared.head());
        Ok(())
    }

    /// Applies the fold that is due, if any.
    async fn apply(&mut self) -> Result<bool, Trouble> {
        let Some(fold) = self.begin(|inner| inner.state.start_apply()) else { return Ok(false) };
        let (site, producer) = (&self.counter.site.id, self.shared.journal.producer());
        let at @ (begun, _) = (Instant::now(), self.shared.clock.now());
        let answer = self.shared.store.apply(site, producer, fold.from, fold.to, Arc::new(fold.deltas())).await;
        self.measure(begun, &answer);
        // Taken in after that, for it waited up to now.
        let applied = self.end(Call::Apply, answer, |_, applied| applied)?;
        let moved = self.counter.lock().applied(at, self.shared.config.flush_interval, applied);
        self.follow(moved).await?;
        self.counter.tell();
        Ok(true)
    }

    fn measure(&self, begun: Instant, answer: &Result<Applied, StoreError>) {
        let metrics = &self.shared.metrics.store;
        metrics.apply_seconds.observe(begun.elapsed().as_secs_f64());
        let outcome = match answer {
            Ok(Applied::Done(_)) => &metrics.done,
            Ok(Applied::Refused(_)) => &metrics.refused,
            Err(StoreError::PerhapsApplied(_)) => &metrics.unknown,
            Err(_) => &metrics.failed,
        };
        outcome.inc();
    }

    /// Reads what is neither applied nor in memory.
    async fn read_journal(&self) -> Result<bool, Trouble> {
        let mut any = false;
        loop {
            let Some((after, upto)) = self.counter.lock().state.start_reading() else { return Ok(any) };
            any = true;
            let replay = match self.shared.journal.read(&self.counter.site.id, after, upto).await {
                Ok(replay) => replay,
                Err(error) => return Err(self.fail(error)),
            };
            if let Some((first, last)) = replay.missing {
                self.shared.metrics.store.lost_entries.inc_by(last - first + 1);
                error!(
                    site = %self.counter.site.id, first, last,
                    "the store went back further than the journal reaches: views of this site in these entries are lost to it"
                );
            }
            self.counter.lock().state.read(after, &replay);
        }
    }

    /// Reports that the store stood elsewhere than remembered. What follows from it, the state knows.
    async fn follow(&mut self, moved: Option<Moved>) -> Result<(), Trouble> {
        let Some(Moved { from, to }) = moved else { return Ok(()) };
        let site = &self.counter.site.id;
        // Until the store is first heard, the journal may have used numbers again that the store has of another copy of it.
        let known = from.map_or(self.shared.journal.head_at_open(), |_| self.shared.head());
        if to > known {
            self.shared.metrics.store.foreign_entries.inc_by(to - known);
            error!(
                %site, first = known + 1, last = to,
                "the store includes entries that this journal has not: the journal is older than the store; counting goes on after them"
            );
            // One more than the store has: what was counted meanwhile can only be applied up to an entry after its offset.
            self.skip = Some(to.saturating_add(1));
            self.skip_ahead().await?;
        } else if let Some(from) = from.filter(|from| to < *from) {
            self.shared.went_back(to);
            self.shared.metrics.store.rewinds.inc();
            warn!(%site, from, to, "the store went back: the journal is applied again from there");
        } else {
            debug!(%site, ?from, to, "the store stands here");
        }
        Ok(())
    }

    fn fail(&self, error: JournalError) -> Trouble {
        self.shared.fail(error);
        Trouble::Ending
    }

    /// Begins a call of the store, where there is a reason for one.
    fn begin<T>(&self, reason: impl FnOnce(&mut Inner) -> Option<T>) -> Option<T> {
        let mut inner = self.counter.lock();
        let reason = reason(&mut inner)?;
        inner.begin();
        Some(reason)
    }

    /// Ends a call of the store, and takes in what it answered.
    fn end<T, U>(&self, call: Call, answer: Result<T, StoreError>, take: impl FnOnce(&mut Inner, T) -> U) -> Result<U, Trouble> {
        let mut inner = self.counter.lock();
        let turn = inner.end(call, &answer);
        let taken = answer.map(|answer| take(&mut inner, answer));
        drop(inner);
        self.shared.store_turned(&self.counter.site.id, turn, taken.as_ref().err());
        taken.map_err(Trouble::Away)
    }
}

/// Sleeps until then; for ever where there is no then.
async fn sleep_until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}
