//! A site's worker: the only one that talks with the store about the site, one call after the other.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tracing::{debug, error, warn};

use super::{Counter, Shared, Stage, counter::Inner, state::Moved};
use crate::{
    journal::{Journal, JournalError},
    store::{Store, StoreError},
};

/// How long a worker waits after a failure; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Nothing more can be done now.
enum Trouble {
    /// The store did not do what it was asked.
    Away(StoreError),
    /// The journal failed; the process ends.
    Ending,
}

/// One site's worker.
pub(super) struct Worker<J, S> {
    shared: Arc<Shared<J, S>>,
    counter: Arc<Counter>,
    /// When the next fold may be applied.
    flush_at: Instant,
    /// Until when the store is left alone, and for how long next time.
    pause: Option<Instant>,
    next_pause: Duration,
    /// Dropped when the store was asked for the first time, and what follows from its answer is done.
    first: Option<mpsc::Sender<Infallible>>,
}

impl<J: Journal, S: Store> Worker<J, S> {
    pub(super) fn new(shared: Arc<Shared<J, S>>, counter: Arc<Counter>, first: mpsc::Sender<Infallible>) -> Self {
        Self { shared, counter, flush_at: Instant::now(), pause: None, next_pause: FIRST_PAUSE, first: Some(first) }
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
                () = self.counter.wake.notified(), if self.pause.is_none() => {}
            }
            self.pause = None;
            let outcome = self.step().await;
            self.first = None;
            match outcome {
                // Nothing was done, so nobody needs to look again; those who did would wake the worker at once.
                Ok(false) => continue,
                Ok(true) => self.next_pause = FIRST_PAUSE,
                Err(Trouble::Ending) => return,
                Err(Trouble::Away(error)) => {
                    debug!(site = %self.counter.site.id, %error, "the store did not answer");
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
        let asked = self.ask().await?;
        let read = self.read_journal().await?;
        let applied = Instant::now() >= self.flush_at && self.apply().await?;
        Ok(asked || read || applied)
    }

    /// Asks the store for figures, and so for its offset.
    async fn ask(&self) -> Result<bool, Trouble> {
        let Some(articles) = self.begin(|inner| inner.next_question()) else { return Ok(false) };
        let (site, at) = (&self.counter.site, (Instant::now(), (self.shared.clock)()));
        let today = site.day(at.1);
        let answer = self.shared.store.figures(&site.id, self.shared.journal.producer(), today, &articles).await;
        let snapshot = self.end(answer)?;
        let moved = self.counter.lock().answered(at, today, &articles, &snapshot);
        self.follow(moved).await?;
        Ok(true)
    }

    /// Applies the fold that is due, if any.
    async fn apply(&mut self) -> Result<bool, Trouble> {
        let Some(fold) = self.begin(|inner| inner.state.start_apply()) else { return Ok(false) };
        let (site, producer) = (&self.counter.site.id, self.shared.journal.producer());
        let answer = self.shared.store.apply(site, producer, fold.from, fold.to, Arc::new(fold.deltas())).await;
        let applied = self.end(answer)?;
        self.flush_at = Instant::now() + self.shared.config.flush_interval;
        let moved = self.counter.lock().state.applied(applied);
        self.follow(moved).await?;
        Ok(true)
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
                error!(
                    site = %self.counter.site.id, first, last,
                    "the store went back further than the journal reaches: views of this site in these entries are lost to it"
                );
            }
            self.counter.lock().state.read(after, &replay);
        }
    }

    /// Reports that the store stood elsewhere than remembered. What follows from it, the state knows.
    async fn follow(&self, moved: Option<Moved>) -> Result<(), Trouble> {
        let Some(Moved { from, to }) = moved else { return Ok(()) };
        // What another site's answer made the journal skip is not in it either, so for the first answer the head counts
        // that the journal had when it was opened.
        let head = if from.is_none() { self.shared.journal.head() } else { self.shared.head() };
        let site = &self.counter.site.id;
        if to > head {
            error!(
                %site, first = head + 1, last = to,
                "the store includes entries that this journal has not: the journal is older than the store; counting goes on after them"
            );
            self.shared.journal.skip(to).await.map_err(|error| self.fail(error))?;
            self.shared.set_head(to);
        } else if from.is_some_and(|from| to < from) {
            warn!(%site, ?from, to, "the store went back: the journal is applied again from there");
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

    /// Ends a call of the store.
    fn end<T>(&self, answer: Result<T, StoreError>) -> Result<T, Trouble> {
        if self.counter.lock().end(answer.is_ok()) {
            self.shared.store_turned(&self.counter.site.id, answer.as_ref().err());
        }
        answer.map_err(Trouble::Away)
    }
}

/// Sleeps until then; for ever where there is no then.
async fn sleep_until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}
