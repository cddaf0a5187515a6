//! The sites: one stable [`SiteCounter`] for each, with its state behind a lock and the requests that wait for the store.
//!
//! A counter lives as long as the process. A site that is taken out of the configuration still gets what was
//! acknowledged, and goes on where it was if it comes back.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Notify, time::Instant};

use super::{
    freshness::{Freshness, Moment, STORE_WAIT},
    health::{StoreCall, StoreFault, StoreHealth, Transition},
    state::{MemoryBudget, Place, State, Waiting},
};
use crate::{
    domain::{
        article::ArticleId,
        clock::Clock,
        counts::SiteViews,
        figures::Figures,
        outcome::{Outcome, OutcomeCounts, SiteAlone, SiteAloneCounts},
        producer::{Position, ProducerId},
        site::{Rules, Site, SiteId},
    },
    journal::{JournaledSite, Run, Unapplied},
    store::{Applied, MAX_ARTICLES, Revision, Snapshot, StoreError},
};

/// The most articles that can wait to be read from the store.
const MAX_WANTED: usize = 10 * MAX_ARTICLES;

/// The figures of a site and of some of its articles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The site's figures; `None` if the store is unreachable and they are not known.
    pub site: Option<Figures>,
    /// The figures of its visits; known if the site's are.
    pub visits: Option<Figures>,
    /// The articles whose figures are known, in the order requested.
    pub articles: Vec<(ArticleId, Figures)>,
    /// The last moment at which the figures are known to be in step with the store: now, unless they are stale.
    pub as_of: DateTime<Utc>,
    /// Whether views that other instances counted lately may be missing.
    pub stale: bool,
}

/// One site being counted; obtained from [`Handle::site`](super::Handle::site).
#[derive(Debug)]
pub struct SiteCounter {
    id: SiteId,
    /// How the site is configured. A reload swaps it.
    site: ArcSwap<Site>,
    /// Whether it is configured. If not, it is here only until the store has its views.
    configured: AtomicBool,
    /// A plain mutex, because it is held for a few look-ups and additions and never across an await.
    inner: Mutex<Inner>,
    /// Wakes the site's flusher.
    pub(super) wake: Notify,
    /// Wakes the requests that wait for the store, when it has answered or failed.
    answered: Notify,
    outcomes: OutcomeCounts,
    site_alone: SiteAloneCounts,
}

/// What the mutex guards.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) state: State,
    pub(super) freshness: Freshness,
    pub(super) health: StoreHealth,
    /// Articles whose figures are requested and not known.
    wanted: HashSet<ArticleId>,
    /// No view that waits for the store has waited for longer than since then.
    waiting_since: Instant,
    /// How long some of them had waited then: before this process started.
    waited_before: Duration,
    /// How many entries the store has of a run that the journal does not have, when that was last reported.
    foreign: Option<(ProducerId, u64)>,
    /// Whether it was reported that a counter has reached its maximum.
    pub(super) saturated: bool,
    /// Whether another process has changed counters of the site since that was last asked.
    changed_elsewhere: bool,
}

/// What a look-up of figures finds.
enum LookUp {
    /// All that was requested, or all that can be known now.
    Done(Answer),
    /// What is known while the store is asked for the rest.
    Partly(Answer),
}

impl SiteCounter {
    fn new(site: Arc<Site>, configured: bool, journaled: Option<&JournaledSite>, budget: MemoryBudget, now: DateTime<Utc>) -> Self {
        let (head, confirmed) = journaled.map_or((0, None), |site| (site.last, site.confirmed));
        let unapplied = journaled.and_then(|site| site.unapplied);
        let unread = unapplied.map(|Unapplied { first, entries, views, .. }| Waiting { first, entries, views });
        let waited = unapplied.and_then(|unapplied| (now - unapplied.oldest).to_std().ok());
        let inner = Inner {
            state: State::new(head, confirmed, unread.unwrap_or_default(), budget),
            freshness: Freshness::new(Instant::now()),
            health: StoreHealth::default(),
            wanted: HashSet::new(),
            waiting_since: Instant::now(),
            waited_before: waited.unwrap_or_default(),
            foreign: None,
            saturated: false,
            changed_elsewhere: false,
        };
        Self {
            id: site.id.clone(),
            site: ArcSwap::new(site),
            configured: AtomicBool::new(configured),
            inner: Mutex::new(inner),
            wake: Notify::new(),
            answered: Notify::new(),
            outcomes: OutcomeCounts::default(),
            site_alone: SiteAloneCounts::default(),
        }
    }

    /// The site as it is configured now.
    #[must_use]
    pub fn site(&self) -> Arc<Site> {
        self.site.load_full()
    }

    /// The site's id.
    #[must_use]
    pub fn id(&self) -> &SiteId {
        &self.id
    }

    /// The site's calendar day at an instant.
    pub(super) fn day(&self, now: DateTime<Utc>) -> NaiveDate {
        self.site.load().day(now)
    }

    pub(super) fn is_configured(&self) -> bool {
        self.configured.load(Ordering::Acquire)
    }

    /// Counts one view with an outcome other than `counted`.
    pub(super) fn note(&self, outcome: Outcome) {
        self.outcomes.add(outcome, 1);
    }

    /// Counts a counted view that is not of the article that it named.
    pub fn note_site_alone(&self, reason: SiteAlone) {
        self.site_alone.add(reason);
    }

    pub(super) fn site_alone(&self) -> &SiteAloneCounts {
        &self.site_alone
    }

    pub(super) fn outcomes(&self) -> &OutcomeCounts {
        &self.outcomes
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// The figures of the site and of articles. Waits up to [`STORE_WAIT`] if the store must be asked.
    pub(super) async fn figures(&self, clock: &Clock, articles: &[ArticleId]) -> Answer {
        // The day is computed at each look-up: an answer that comes after midnight says nothing of the day before.
        let look_up = || {
            let now = clock.now();
            let today = self.day(now);
            self.lock().look_up(now, today, articles)
        };
        // Nearly always no request has to wait.
        if let LookUp::Done(answer) = look_up() {
            return answer;
        }
        let deadline = Instant::now() + STORE_WAIT;
        loop {
            let mut answered = std::pin::pin!(self.answered.notified());
            // Registered before the look-up, so that an answer in between is not missed.
            answered.as_mut().enable();
            let known = match look_up() {
                LookUp::Done(answer) => return answer,
                LookUp::Partly(answer) => answer,
            };
            self.wake.notify_one();
            if tokio::time::timeout_at(deadline, answered).await.is_err() {
                return known;
            }
        }
    }

    /// Asks the store again although figures are not requested.
    pub(super) fn recheck(&self) {
        self.lock().freshness.request();
        self.wake.notify_one();
    }

    /// The revision of the site, if it is fresh. The store is asked for it before it is not.
    pub(super) fn fresh_revision(&self) -> Option<Revision> {
        let (revision, is_old) = self.lock().fresh_revision();
        if is_old {
            self.wake.notify_one();
        }
        revision
    }

    /// Lets all waiting requests look again.
    pub(super) fn notify_waiters(&self) {
        self.answered.notify_waiters();
    }

    /// Takes in the views of an entry of a run that has become durable.
    pub(super) fn committed<'a>(&self, run: Run, to: Position, days: impl Iterator<Item = (NaiveDate, &'a SiteViews)> + Clone) {
        self.outcomes.add(Outcome::Counted, days.clone().map(|(_, sum)| sum.views).sum());
        let mut inner = self.lock();
        if inner.state.committed(run, to, days) {
            inner.wait_since(Instant::now());
            drop(inner);
            self.wake.notify_one();
        }
    }
}

impl Inner {
    fn look_up(&mut self, now: DateTime<Utc>, today: NaiveDate, articles: &[ArticleId]) -> LookUp {
        let (site, visits) = (self.state.site(today), self.state.visits(today));
        let mut known = Vec::with_capacity(articles.len());
        let mut missing = Vec::new();
        for article in articles {
            match self.state.article(today, article) {
                Some(figures) => known.push((article.clone(), figures)),
                None => missing.push(article.clone()),
            }
        }
        self.freshness.request();
        let instant = Instant::now();
        let answers = self.health.answers();
        let fresh = answers && self.state.place().is_some() && !self.state.is_behind() && self.freshness.is_fresh(instant);
        if fresh && site.is_some() && missing.is_empty() {
            return LookUp::Done(Answer { site, visits, articles: known, as_of: now, stale: false });
        }
        let as_of = self.freshness.as_of().unwrap_or(now);
        let answer = Answer { site, visits, articles: known, as_of, stale: true };
        if !answers || self.freshness.is_stuck(instant) || self.wanted.len() + missing.len() > MAX_WANTED {
            return LookUp::Done(answer);
        }
        self.wanted.extend(missing);
        LookUp::Partly(answer)
    }

    /// The articles to ask the store for now; `None` if it need not be asked.
    pub(super) fn next_question(&mut self) -> Option<Vec<ArticleId>> {
        let now = Instant::now();
        let reread = self.freshness.must_reread(now);
        let old = reread || self.state.revision().is_none() || self.freshness.is_old(now, self.state.unapplied());
        if self.wanted.is_empty() && self.state.revision().is_some() && !(self.freshness.is_requested() && old) {
            return None;
        }
        if reread {
            self.state.forget_articles();
            self.freshness.reread(now);
        }
        let articles: Vec<_> = self.wanted.iter().take(MAX_ARTICLES).cloned().collect();
        for article in &articles {
            self.wanted.remove(article);
        }
        self.freshness.question(!self.wanted.is_empty());
        Some(articles)
    }

    /// When the store should be asked again, if figures are requested.
    pub(super) fn refresh_at(&self) -> Option<Instant> {
        self.freshness.refresh_at(Instant::now(), self.state.unapplied())
    }

    /// A call of the store begins.
    pub(super) fn call_began(&mut self) {
        self.freshness.call_began(Instant::now());
    }

    /// The store has answered or failed. Returns the transition if that changes what is wrong with the store.
    pub(super) fn call_ended<T>(&mut self, call: StoreCall, answer: &Result<T, StoreError>) -> Option<Transition> {
        self.freshness.call_ended(answer.is_ok());
        if answer.is_err() {
            self.wanted.clear();
        }
        self.health.record(call, StoreFault::of(answer))
    }

    /// A failed apply can turn out to have worked. Returns the transition if that changes what is wrong with the store.
    pub(super) fn settle_apply(&mut self) -> Option<Transition> {
        if self.state.is_applying() { None } else { self.health.record(StoreCall::Apply, StoreFault::None) }
    }

    /// Takes in how far the store is.
    pub(super) fn begin(&mut self, place: Place) {
        let waited = self.state.unapplied();
        self.state.begin(place);
        if !waited {
            self.wait_since(Instant::now());
        }
    }

    /// No view that waits has waited for longer.
    fn wait_since(&mut self, instant: Instant) {
        (self.waiting_since, self.waited_before) = (instant, Duration::ZERO);
    }

    /// Takes in that the store has `entries` of a run that the journal does not have. Returns how many of them are new.
    pub(super) fn follow_foreign(&mut self, run: ProducerId, entries: u64) -> u64 {
        let known = self.foreign.filter(|(known, _)| *known == run).map_or(0, |(_, entries)| entries);
        self.foreign = Some((run, entries.max(known)));
        entries.saturating_sub(known)
    }

    /// Another process has changed counters of the site, or may have.
    pub(super) fn changed_elsewhere(&mut self) {
        self.changed_elsewhere = true;
    }

    /// Whether another process may have changed counters of the site since the last call.
    pub(super) fn take_changed_elsewhere(&mut self) -> bool {
        std::mem::take(&mut self.changed_elsewhere)
    }

    /// The revision of the site, if it is fresh, and whether it is old enough to be renewed.
    fn fresh_revision(&mut self) -> (Option<Revision>, bool) {
        let now = Instant::now();
        self.freshness.request();
        let fresh = self.health.answers() && self.freshness.is_fresh(now);
        (self.state.revision().filter(|_| fresh), self.freshness.is_old(now, self.state.unapplied()))
    }

    /// Takes in the store's answer to an apply that began at `began`, on the site's day `day`.
    pub(super) fn applied(&mut self, began: Moment, day: NaiveDate, flush_interval: Duration, answer: Applied) {
        let known = self.state.revision();
        let unchanged = matches!(answer, Applied::Done(done) if known == Some(done.before));
        self.changed_elsewhere |= !unchanged;
        let alone = self.health.answers() && unchanged;
        self.follow(|state| state.applied(answer));
        self.freshness.applied(began, Instant::now(), day, alone, flush_interval);
    }

    /// Takes in figures for which the store was asked at `asked`, on the site's day `today`, and the offsets of `producers`.
    pub(super) fn answered(
        &mut self,
        asked: Moment,
        producers: &[ProducerId],
        today: NaiveDate,
        articles: &[ArticleId],
        snapshot: &Snapshot,
    ) {
        self.changed_elsewhere |= self.state.revision() != Some(snapshot.revision);
        if self.follow(|state| state.answered(producers, today, articles, snapshot)) {
            self.freshness.answered(asked, today);
        }
    }

    /// Takes in an answer of the store, and since when the views that are left have waited. Returns what `take` returns:
    /// whether the store is where it was expected.
    fn follow(&mut self, take: impl FnOnce(&mut State) -> bool) -> bool {
        let (was_applying, waited) = (self.state.is_applying(), self.state.unapplied());
        let expected = take(&mut self.state);
        if !expected && !waited {
            self.wait_since(Instant::now());
        } else if expected && was_applying && !self.state.is_backlogged() {
            // What is left came after the call that has just ended began.
            self.wait_since(self.freshness.last_answered().unwrap_or_else(Instant::now));
        }
        expected
    }

    /// What the store lacks now. The oldest can be younger.
    pub(super) fn unapplied(&self, now: DateTime<Utc>) -> Option<Unapplied> {
        let Waiting { first, entries, views } = self.state.waiting()?;
        let waited = TimeDelta::from_std(self.waiting_since.elapsed() + self.waited_before).unwrap_or(TimeDelta::MAX);
        let oldest = now.checked_sub_signed(waited).unwrap_or(DateTime::UNIX_EPOCH);
        Some(Unapplied { first, oldest, entries, views })
    }
}

/// All sites: those that are configured, those that were, and those that have views in the journal.
#[derive(Debug)]
pub(super) struct Sites {
    /// Replaced as a whole when a site is added. Only the recorder's owner does that.
    counters: ArcSwap<BTreeMap<SiteId, Arc<SiteCounter>>>,
    /// The configured sites by the ids and aliases that requests name. Replaced as a whole, so that an id that becomes an alias, or
    /// the other way round, is found throughout.
    named: ArcSwap<HashMap<SiteId, Arc<SiteCounter>>>,
    /// The most sums of one apply.
    apply_sums: usize,
}

impl Sites {
    /// The sites at the start: those configured, and those that the journal knows.
    pub(super) fn new(configured: Vec<Site>, journaled: &[JournaledSite], apply_sums: usize, now: DateTime<Utc>) -> Self {
        let sites = Self { counters: ArcSwap::default(), named: ArcSwap::default(), apply_sums };
        let configured: Vec<_> = configured.into_iter().map(|site| (site, true)).collect();
        let known: HashSet<_> = configured.iter().map(|(site, _)| site.id.clone()).collect();
        // The days of a site that is no longer configured are in the journal already, so its time zone does not matter.
        let left = journaled.iter().map(|site| site.id.clone()).filter(|id| !known.contains(id));
        let left = left.map(|id| {
            (Site { id, aliases: Vec::new(), origins: Vec::new(), timezone: Tz::UTC, sections: Vec::new(), rules: Rules::default() }, false)
        });
        let left: Vec<_> = left.collect();
        sites.add(configured.into_iter().chain(left).collect(), journaled, now);
        sites.name();
        sites
    }

    /// All sites, in the order of their ids.
    pub(super) fn all(&self) -> Arc<BTreeMap<SiteId, Arc<SiteCounter>>> {
        self.counters.load_full()
    }

    /// The configured site with that id or alias.
    pub(super) fn find(&self, id: &str) -> Option<Arc<SiteCounter>> {
        self.named.load().get(id).cloned()
    }

    /// Lets requests find the sites that are configured now.
    fn name(&self) {
        let mut named = HashMap::new();
        for counter in self.all().values().filter(|counter| counter.is_configured()) {
            let site = counter.site();
            named.extend(std::iter::once(&site.id).chain(&site.aliases).map(|id| (id.clone(), Arc::clone(counter))));
        }
        self.named.store(Arc::new(named));
    }

    /// Counts these sites from now on, and no others. Returns those that are new.
    pub(super) fn configure(&self, sites: Vec<Site>) -> Vec<Arc<SiteCounter>> {
        let known = self.all();
        let listed: HashSet<_> = sites.iter().map(|site| site.id.clone()).collect();
        let mut new = Vec::new();
        for site in sites {
            match known.get(&site.id) {
                Some(counter) => counter.site.store(Arc::new(site)),
                None => new.push((site, true)),
            }
        }
        // After the configurations, so that a site that comes back is not found with its old one.
        for (id, counter) in &*known {
            counter.configured.store(listed.contains(id), Ordering::Release);
        }
        let new = self.add(new, &[], DateTime::UNIX_EPOCH);
        self.name();
        new
    }

    /// Adds sites, and shares the memory among all of them.
    fn add(&self, new: Vec<(Site, bool)>, journaled: &[JournaledSite], now: DateTime<Utc>) -> Vec<Arc<SiteCounter>> {
        let journaled: HashMap<_, _> = journaled.iter().map(|site| (&site.id, site)).collect();
        let mut counters = BTreeMap::clone(&self.all());
        let known = counters.values().filter(|counter| counter.is_configured()).count();
        let configured = known + new.iter().filter(|(_, configured)| *configured).count();
        // A site that is not configured is not requested, and needs little.
        let [share, least] = [configured, usize::MAX].map(|sites| MemoryBudget::per_site(sites, self.apply_sums));
        let budget = |configured| if configured { share } else { least };
        for counter in counters.values() {
            counter.lock().state.set_budget(budget(counter.is_configured()));
        }
        let new = new.into_iter().map(|(site, configured)| {
            let journaled = journaled.get(&site.id).copied();
            SiteCounter::new(Arc::new(site), configured, journaled, budget(configured), now)
        });
        let new = new.map(Arc::new);
        let new: Vec<_> = new.collect();
        counters.extend(new.iter().map(|counter| (counter.id.clone(), Arc::clone(counter))));
        self.counters.store(Arc::new(counters));
        new
    }

    /// How many views wait in memory, and how many entries of the journal must still be read.
    pub(super) fn lag(&self) -> (u64, u64) {
        self.all().values().fold((0, 0), |(views, unread), counter| {
            let inner = counter.lock();
            (views + inner.state.lag_views(), unread.max(inner.state.unread()))
        })
    }

    /// Whether the store has answered for all sites that have entries in the journal, and has all their views.
    pub(super) fn are_dry(&self) -> bool {
        self.all().values().all(|counter| {
            let inner = counter.lock();
            inner.state.head() == 0 || (inner.state.place().is_some() && !inner.state.unapplied())
        })
    }

    /// The backlog of each site that has one.
    pub(super) fn unapplied(&self, now: DateTime<Utc>) -> Vec<(SiteId, Unapplied)> {
        self.all().iter().filter_map(|(id, counter)| Some((id.clone(), counter.lock().unapplied(now)?))).collect()
    }
}
