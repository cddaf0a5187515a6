//! One site being counted: its [`State`], and who waits for what.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use tokio::{sync::Notify, time::Instant};

use super::{
    Answer, PATIENCE,
    fault::{Call, Failing, Fault, Turn},
    state::{Moved, State},
};
use crate::{
    domain::{
        article::ArticleId,
        clock::Clock,
        counts::DayViews,
        outcome::{Outcome, OutcomeCounts},
        producer::Seq,
        site::Site,
    },
    store::{Applied, MAX_ARTICLES, Snapshot, StoreError},
};

/// For how long the store's answer is taken as its present state: half of the second within which others' counts show.
const FRESH: Duration = Duration::from_millis(500);

/// How old an answer may become before the store is asked again while somebody is reading: nobody has to wait then.
const REFRESH: Duration = Duration::from_millis(250);

/// The same while views wait whose apply will tell whether somebody else has counted. Early enough for an answer before the
/// known one is too old.
const REFRESH_BUSY: Duration = Duration::from_millis(400);

/// After how long articles are asked for again even where nobody seems to have counted: somebody may have repaired the
/// store by hand.
const DISTRUST: Duration = Duration::from_secs(60);

/// The most articles that may wait to be asked for.
const MAX_WANTED: usize = 10 * MAX_ARTICLES;

/// What each site may keep in memory: its part of what all of them may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    /// Articles of one generation of what the store said.
    pub(super) articles: usize,
    /// Sums (of an article on a day) that wait for the store.
    pub(super) sums: usize,
    /// The most sums of one apply. The same for all.
    pub(super) apply: usize,
}

impl Shares {
    /// About 200 bytes each.
    const ARTICLES: usize = 100_000;
    const SUMS: usize = 200_000;

    /// A thousand busy sites must not take a thousand times the memory of one; but a share has to be of use.
    pub(super) fn among(sites: usize, apply: usize) -> Self {
        let share = |all: usize, least: usize, most: usize| (all / sites.max(1)).clamp(least, most);
        Self { articles: share(Self::ARTICLES, 100, Self::ARTICLES), sums: share(Self::SUMS, 1_000, 50_000), apply }
    }
}

/// One site being counted, as it is configured; obtained from [`Handle::site`](super::Handle::site).
#[derive(Debug)]
pub struct Counter {
    /// The site.
    pub site: Site,
    /// Whether it is configured, and not only waited for.
    pub(super) configured: bool,
    pub(super) core: Arc<Core>,
}

/// What stays of a site when it is configured anew.
#[derive(Debug)]
pub(super) struct Core {
    /// The place in the recorder's list of sites.
    pub(super) index: usize,
    /// A plain mutex: it is held for a few look-ups and additions, never across an await.
    inner: Mutex<Inner>,
    /// Tells the site's worker that there is something to do.
    pub(super) wake: Notify,
    /// Tells those who wait for figures that the store has answered, or has failed to.
    answered: Notify,
    /// What became of the site's views.
    pub(super) outcomes: OutcomeCounts,
}

/// What the mutex guards.
#[derive(Debug)]
pub(super) struct Inner {
    /// The time zone in which the site's days begin.
    timezone: Tz,
    pub(super) state: State,
    /// Articles whose figures somebody waits for.
    wanted: HashSet<ArticleId>,
    /// Whether figures were asked for since the store was asked.
    asked: bool,
    /// Since when what is known is known to be the store's state: by both clocks.
    checked: Option<(Instant, DateTime<Utc>)>,
    /// The site's day for which the store was asked last.
    asked_for: Option<NaiveDate>,
    /// Whether the next apply can be expected to tell in time that nobody else has counted, as the last one did.
    alone: bool,
    /// When articles were last forgotten out of distrust.
    trusted: Instant,
    /// Since when the store owes an answer.
    busy: Option<Instant>,
    /// When the store was asked for its last answer of any kind.
    confirmed: Option<Instant>,
    /// How calls of the store failed when they were made last.
    failing: Failing,
    /// What waits for the store has waited since then, at the longest.
    waiting: Instant,
}

/// What waits for the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lag {
    /// How many views that are in memory.
    pub(super) views: u64,
    /// How long the oldest may wait; zero where nothing does.
    pub(super) wait: Duration,
}

/// What is known of figures at once.
pub(super) enum LookUp {
    /// All that was asked for; or all that can be known for now.
    Done(Answer),
    /// What is known, while the store is being asked for the rest.
    Partly(Answer),
}

impl Core {
    pub(super) fn new(timezone: Tz, index: usize, head: Seq, shares: Shares) -> Self {
        let inner = Inner {
            timezone,
            state: State::new(head, shares),
            wanted: HashSet::new(),
            asked: false,
            checked: None,
            asked_for: None,
            alone: false,
            trusted: Instant::now(),
            busy: None,
            confirmed: None,
            failing: Failing::default(),
            waiting: Instant::now(),
        };
        Self { index, inner: Mutex::new(inner), wake: Notify::new(), answered: Notify::new(), outcomes: OutcomeCounts::default() }
    }
}

impl Counter {
    pub(super) fn new(site: Site, configured: bool, core: Arc<Core>) -> Self {
        Self { site, configured, core }
    }

    /// The same site, configured anew.
    pub(super) fn anew(&self, site: Site, configured: bool) -> Self {
        self.lock().timezone = site.timezone;
        Self::new(site, configured, Arc::clone(&self.core))
    }

    /// Notes what became of a view that was not counted.
    pub fn note(&self, outcome: Outcome) {
        self.core.outcomes.add(outcome, 1);
    }

    /// Locks what is known. A panic elsewhere leaves sums that are each right or dropped, so poison is no reason to stop.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.core.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The figures of the site and of articles, waiting up to [`PATIENCE`] for the store where it must be asked.
    pub(super) async fn figures(&self, clock: &Clock, articles: &[ArticleId]) -> Answer {
        // Taken at each look: an answer that came after midnight tells nothing of the day before.
        let look = || {
            let now = clock.now();
            self.lock().look_up(now, self.site.day(now), articles)
        };
        // Nearly always nobody has to wait.
        if let LookUp::Done(answer) = look() {
            return answer;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut answered = std::pin::pin!(self.core.answered.notified());
            // Registered before the look-up, so that an answer in between is not missed.
            answered.as_mut().enable();
            let known = match look() {
                LookUp::Done(answer) => return answer,
                LookUp::Partly(answer) => answer,
            };
            self.core.wake.notify_one();
            if tokio::time::timeout_at(deadline, answered).await.is_err() {
                return known;
            }
        }
    }

    /// Has the store asked again, though nobody waits for the answer.
    pub(super) fn recheck(&self) {
        self.lock().asked = true;
        self.core.wake.notify_one();
    }

    /// Lets everybody who waits look again.
    pub(super) fn tell(&self) {
        self.core.answered.notify_waiters();
    }
}

impl Inner {
    /// The site's day at an instant.
    pub(super) fn day(&self, now: DateTime<Utc>) -> NaiveDate {
        now.with_timezone(&self.timezone).date_naive()
    }

    fn look_up(&mut self, now: DateTime<Utc>, today: NaiveDate, articles: &[ArticleId]) -> LookUp {
        let site = self.state.site(today);
        let mut known = Vec::with_capacity(articles.len());
        let mut missing = Vec::new();
        for article in articles {
            match self.state.article(today, article) {
                Some(figures) => known.push((article.clone(), figures)),
                None => missing.push(article.clone()),
            }
        }
        self.asked = true;
        let asking = self.failing.ask() == Fault::None;
        let in_step = asking && !self.state.is_behind() && self.checked.is_some_and(|(at, _)| at.elapsed() <= FRESH);
        if in_step && site.is_some() && missing.is_empty() {
            return LookUp::Done(Answer { site, articles: known, as_of: now, stale: false });
        }
        let as_of = self.checked.map_or(now, |(_, at)| at);
        let answer = Answer { site, articles: known, as_of, stale: true };
        let silent = self.busy.is_some_and(|since| since.elapsed() >= PATIENCE);
        if !asking || silent || self.wanted.len() + missing.len() > MAX_WANTED {
            return LookUp::Done(answer);
        }
        self.wanted.extend(missing);
        LookUp::Partly(answer)
    }

    /// The articles to ask the store for now; `None` where it need not be asked.
    pub(super) fn next_question(&mut self) -> Option<Vec<ArticleId>> {
        let distrusted = self.trusted.elapsed() >= DISTRUST;
        let old = distrusted || !self.state.is_known() || self.checked.is_none_or(|(at, _)| at.elapsed() >= self.refresh());
        if self.wanted.is_empty() && self.state.offset().is_some() && !(self.asked && old) {
            return None;
        }
        if distrusted {
            self.state.forget_articles();
            self.trusted = Instant::now();
        }
        let articles: Vec<_> = self.wanted.iter().take(MAX_ARTICLES).cloned().collect();
        for article in &articles {
            self.wanted.remove(article);
        }
        self.asked = !self.wanted.is_empty();
        Some(articles)
    }

    /// When the store should be asked again, where somebody is reading.
    pub(super) fn refresh_at(&self) -> Option<Instant> {
        self.asked.then(|| self.checked.map_or_else(Instant::now, |(at, _)| at + self.refresh()))
    }

    fn refresh(&self) -> Duration {
        if self.alone && self.state.unapplied() { REFRESH_BUSY } else { REFRESH }
    }

    /// When the store last confirmed where it stands.
    pub(super) fn confirmed(&self) -> Option<Instant> {
        self.confirmed
    }

    /// The store is being asked.
    pub(super) fn begin(&mut self) {
        self.busy = Some(Instant::now());
    }

    /// Whether the store failed lately.
    pub(super) fn is_away(&self) -> bool {
        self.failing.fault() != Fault::None
    }

    /// The store has answered, or failed to; answers whether that changes how it is for this site.
    pub(super) fn end<T>(&mut self, call: Call, answer: &Result<T, StoreError>) -> Option<Turn> {
        let asked = self.busy.take();
        if answer.is_ok() {
            self.confirmed = asked;
        } else {
            self.wanted.clear();
        }
        self.failing.turn(call, Fault::of(answer))
    }

    /// An apply that failed may turn out to have worked; answers whether that changes how the store is for this site.
    pub(super) fn settle(&mut self) -> Option<Turn> {
        if self.state.is_folding() { None } else { self.failing.turn(Call::Apply, Fault::None) }
    }

    /// Takes in views that have become durable in entry `seq`. Answers whether these are the first that wait to be applied.
    pub(super) fn committed<'a>(&mut self, seq: Seq, days: impl Iterator<Item = (NaiveDate, &'a DayViews)> + Clone) -> bool {
        let first = self.state.committed(seq, days);
        if first {
            self.waiting = Instant::now();
        }
        first
    }

    /// Takes in the store's answer to an apply that was begun at `at`; the next one is begun after `interval` at the
    /// earliest. Where it tells that nobody else has counted, the store need not be asked for that as well.
    pub(super) fn applied(&mut self, at: (Instant, DateTime<Utc>), interval: Duration, answer: Applied) -> Option<Moved> {
        let moved = self.follow(|state| state.applied(answer));
        // What is known of one day tells what began before it on another only where the store was asked for that one.
        let known = self.failing.ask() == Fault::None && self.asked_for == Some(self.day(at.1)) && self.trusted.elapsed() < DISTRUST;
        let alone = known && matches!(answer, Applied::Done(others) if self.state.is_alone(others));
        self.alone = alone && interval + 2 * at.0.elapsed() < REFRESH_BUSY;
        if alone {
            self.checked = Some(at);
        }
        moved
    }

    /// What waits for the store now.
    pub(super) fn lag(&self) -> Lag {
        let wait = if self.state.unapplied() { self.waiting.elapsed() } else { Duration::ZERO };
        Lag { views: self.state.lag_views(), wait }
    }

    /// Takes in an answer of the store, and since when what is left has been waiting.
    fn follow(&mut self, change: impl FnOnce(&mut State) -> Option<Moved>) -> Option<Moved> {
        let was_folding = self.state.is_folding();
        let moved = change(&mut self.state);
        if moved.is_some() {
            self.waiting = Instant::now();
        } else if was_folding && !self.state.is_backlogged() {
            // What is left came after the call that has just ended began.
            self.waiting = self.confirmed.unwrap_or_else(Instant::now);
        }
        moved
    }

    /// Takes in figures that the store was asked for at `at`, on the site's day `today`.
    pub(super) fn answered(
        &mut self,
        at: (Instant, DateTime<Utc>),
        today: NaiveDate,
        articles: &[ArticleId],
        snapshot: &Snapshot,
    ) -> Option<Moved> {
        self.checked = Some(at);
        self.asked_for = Some(today);
        self.follow(|state| state.answered(today, articles, snapshot))
    }
}
