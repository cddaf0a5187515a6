//! What the recorder knows of one site: a state machine without I/O.
//!
//! ```text
//! journal   ──────────────────┬────────────────┬────────┬────────┬──────────────► head
//!            in the store     │ applying       │ sealed │ sealed │ pending
//!                          included       applying.to
//! ```
//!
//! Figures = the store's snapshot up to there + applying + sealed + pending. Each of the last three is a [`Segment`]: the sum
//! of the site's views in a part of one run of the journal. A pending segment is sealed if the next entry would make it too
//! large for one apply, or belongs to the next run; that entry begins a new one. An apply that worked moves `applying` into
//! the snapshot, so the total never jumps. If the store is at another offset than expected, everything is dropped and begins
//! again: the flusher finds out how far the store is, and reads the rest from the journal.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use chrono::NaiveDate;

use super::snapshot::SnapshotCache;
use crate::{
    domain::{
        article::ArticleId,
        counts::{Deltas, Kind, SiteViews},
        figures::Figures,
        producer::{Position, ProducerId, Seq},
    },
    journal::{Confirmed, Replay, Run},
    store::{Applied, Revision, Snapshot},
};

/// Entries with counts of a site, and the views in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    /// The first of the entries, or an earlier one.
    pub(super) first: Seq,
    pub(super) entries: u64,
    pub(super) views: u64,
}

impl Waiting {
    /// Adds later entries.
    fn add(&mut self, later: Self) {
        if self.entries == 0 {
            self.first = later.first;
        }
        self.entries += later.entries;
        self.views = self.views.saturating_add(later.views);
    }
}

/// The sum of a site's views in the entries after `after` up to `to`, which belong to one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// The producer of these entries.
    pub(super) producer: ProducerId,
    /// What the store has of this producer before them.
    pub(super) from: Position,
    /// The last entry before them.
    after: Seq,
    /// The last of them. Its digest is not known while there is none.
    pub(super) to: Position,
    days: BTreeMap<NaiveDate, SiteViews>,
    /// The first of them with counts of the site, or an earlier one of them, and how many have some.
    first: Seq,
    entries: u64,
}

impl Segment {
    /// A segment without entries. It follows the offset `from` of its producer, and entry `after` of the journal.
    fn new(producer: ProducerId, from: Position, after: Seq) -> Self {
        Self { producer, from, after, to: Position { seq: after, ..from }, days: BTreeMap::new(), first: 0, entries: 0 }
    }

    /// The segment that follows this one in the same run.
    fn next(&self) -> Self {
        Self::new(self.producer, if self.has_entries() { self.to } else { self.from }, self.to.seq)
    }

    /// Adds the views of `entries` entries, of which `first` is the first one or an earlier one.
    fn add<'a>(&mut self, days: impl Iterator<Item = (NaiveDate, &'a SiteViews)>, first: Seq, entries: u64, to: Position) {
        for (day, views) in days {
            self.days.entry(day).or_default().add(views);
        }
        if self.entries == 0 {
            self.first = first;
        }
        self.entries += entries;
        self.to = to;
    }

    /// How many sums (of an article on a day) it holds.
    fn sums(&self) -> usize {
        self.days.values().map(|day| day.articles.len()).sum()
    }

    /// Whether it holds some sums, and would hold more than `most` with these views.
    fn would_pass<'a>(&self, most: usize, days: impl Iterator<Item = (NaiveDate, &'a SiteViews)> + Clone) -> bool {
        let sums = self.sums();
        // Most articles of a busy site are in it already. They are looked up only if that can matter.
        let at_most = sums + days.clone().map(|(_, views)| views.articles.len()).sum::<usize>();
        if sums == 0 || at_most <= most {
            return false;
        }
        let new = days.map(|(day, views)| {
            let known = self.days.get(&day).map(|sum| &sum.articles);
            views.articles.keys().filter(|article| known.is_none_or(|known| !known.contains_key(*article))).count()
        });
        sums + new.sum::<usize>() > most
    }

    fn views(&self) -> u64 {
        self.days.values().map(|day| day.views).sum()
    }

    fn waiting(&self) -> Waiting {
        Waiting { first: self.first, entries: self.entries, views: self.views() }
    }

    /// Whether it has anything to apply. It can have other counts without views.
    fn has_counts(&self) -> bool {
        self.entries > 0
    }

    /// Whether an apply of it moves the offset. One that does not could be repeated without being noticed.
    fn has_entries(&self) -> bool {
        self.to.seq > self.after
    }

    /// What it adds to the counters.
    pub(super) fn deltas(&self) -> Deltas {
        self.days.iter().map(|(day, views)| (*day, views)).collect()
    }

    /// Adds what `count` finds in its sums to the figures of `today`.
    fn add_to(&self, figures: &mut Figures, today: NaiveDate, count: impl Fn(&SiteViews) -> u64) {
        for (day, sum) in &self.days {
            let count = count(sum);
            if count > 0 {
                figures.add(today, *day, count);
            }
        }
    }
}

/// How far the store is with this site's entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The producer of the last entry that the store has, and its offset. [`Position::START`] if it has none.
    pub(super) producer: ProducerId,
    pub(super) offset: Position,
    /// The last entry of this journal that the store has. The offset can be past it if a copy of the journal has longer runs.
    pub(super) included: Seq,
    /// The run of that entry and those after it. The last one is this process's own.
    pub(super) runs: Vec<Run>,
}

impl Place {
    /// What the store has confirmed: nothing, if it has no entry of the producer.
    pub(super) fn confirmed(&self) -> Confirmed {
        Confirmed { producer: self.producer, seq: self.included.min(self.offset.seq) }
    }

    /// Whether the store has all entries of this run that the journal has, and the run does not grow here.
    fn has_run(&self) -> bool {
        self.runs.first().is_some_and(|run| run.producer == self.producer)
            && self.runs.get(1).is_some_and(|next| self.included >= next.after)
    }
}

/// How much memory one site may use: its share of what all sites may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemoryBudget {
    /// Articles of one generation of the snapshot cache.
    articles: usize,
    /// Sums (of an article on a day) that wait for the store.
    sums: usize,
    /// The most sums of one apply; the same for all sites.
    apply_sums: usize,
}

impl MemoryBudget {
    /// Of all sites together; about 200 bytes each.
    const ARTICLES: usize = 100_000;
    const SUMS: usize = 200_000;

    /// The budget of each of `sites`. A thousand busy sites must not use a thousand times the memory of one, but each
    /// share must be large enough to be of use.
    pub(super) fn per_site(sites: usize, apply_sums: usize) -> Self {
        let share = |all: usize, least: usize, most: usize| (all / sites.max(1)).clamp(least, most);
        Self { articles: share(Self::ARTICLES, 100, Self::ARTICLES), sums: share(Self::SUMS, 1_000, 50_000), apply_sums }
    }
}

/// What is known of one site.
#[derive(Debug)]
pub(super) struct State {
    /// How far the store is; `None` if that is not known.
    place: Option<Place>,
    /// How far the store was when that was last known.
    last_confirmed: Option<Confirmed>,
    /// The segment whose apply is under way or in doubt. It does not change until its answer is known.
    applying: Option<Arc<Segment>>,
    /// The segments after it, each nearly as large as one apply may be, or the last of its run.
    sealed: VecDeque<Arc<Segment>>,
    /// The segment after them, which grows.
    pending: Segment,
    /// Entries that were committed while older ones were still being read from the journal.
    tail: Option<Segment>,
    /// What is known to wait in entries that are not in memory. An upper bound after a start; after the store went back, that is
    /// known only when the entries are read again.
    unread: Waiting,
    /// Whether the store was found elsewhere than expected. What it lacks is not known until its place is.
    misplaced: bool,
    /// The last entry that may hold views of the site.
    head: Seq,
    snapshot: SnapshotCache,
    budget: MemoryBudget,
}

impl State {
    /// The state of a site whose last entry in the journal is `head` or earlier, before the store has answered. `confirmed` is
    /// what the journal knows of the store, and `unread` what waits in the journal by that.
    pub(super) fn new(head: Seq, confirmed: Option<Confirmed>, unread: Waiting, budget: MemoryBudget) -> Self {
        Self {
            place: None,
            last_confirmed: confirmed,
            applying: None,
            sealed: VecDeque::new(),
            pending: Segment::new(ProducerId(0), Position::START, 0),
            tail: None,
            unread,
            misplaced: false,
            head,
            snapshot: SnapshotCache::new(budget.articles),
            budget,
        }
    }

    /// Changes how much memory the site may use. Segments that are too many wait for their applies as before.
    pub(super) fn set_budget(&mut self, budget: MemoryBudget) {
        self.budget = budget;
        self.snapshot.set_capacity(budget.articles);
    }

    /// Takes in views that have become durable in the entry at `to`, of the run `run`. True if nothing waited to be applied
    /// before.
    pub(super) fn committed<'a>(&mut self, run: Run, to: Position, days: impl Iterator<Item = (NaiveDate, &'a SiteViews)> + Clone) -> bool {
        let waiting = self.unapplied();
        let complete = self.place.is_some() && !self.is_behind();
        self.head = to.seq;
        self.learn(run);
        let full = self.is_full();
        let entry = Waiting { first: to.seq, entries: 1, views: days.clone().map(|(_, views)| views.views).sum() };
        match &mut self.tail {
            // A tail must have no hole and be of one run, so one that cannot take the entry is dropped. The journal has it.
            Some(tail) if tail.producer != run.producer || tail.would_pass(self.budget.apply_sums, days.clone()) => {
                self.unread.add(tail.waiting());
                self.unread.add(entry);
                self.tail = None;
            }
            Some(tail) => tail.add(days, to.seq, 1, to),
            None if complete && !full => {
                self.begin_run(run.producer, run.after);
                self.seal_if_large(days.clone());
                self.pending.add(days, to.seq, 1, to);
            }
            None => self.unread.add(entry),
        }
        !waiting
    }

    /// Takes in a run that has begun since the place was found; it is a later one.
    fn learn(&mut self, run: Run) {
        if let Some(place) = &mut self.place
            && place.runs.last().is_none_or(|last| last.producer != run.producer && last.after <= run.after)
        {
            place.runs.push(run);
        }
    }

    /// Whether memory is full. Entries that do not fit stay in the journal, so memory is bounded while the store is down.
    fn is_full(&self) -> bool {
        self.sealed.iter().map(|segment| segment.sums()).sum::<usize>() + self.pending.sums() >= self.budget.sums
    }

    /// Seals the pending segment if these views would make it too large for one apply.
    fn seal_if_large<'a>(&mut self, days: impl Iterator<Item = (NaiveDate, &'a SiteViews)> + Clone) {
        if self.pending.has_entries() && self.pending.would_pass(self.budget.apply_sums, days) {
            self.seal(self.pending.next());
        }
    }

    fn seal(&mut self, next: Segment) {
        let sealed = std::mem::replace(&mut self.pending, next);
        if sealed.has_counts() {
            self.sealed.push_back(Arc::new(sealed));
        }
    }

    /// Begins a segment of another run, unless the pending one is of that run. The store has none of its entries: their first
    /// apply comes after all of the run before.
    fn begin_run(&mut self, producer: ProducerId, after: Seq) {
        if self.pending.producer != producer {
            self.seal(Segment::new(producer, Position::START, after.max(self.pending.to.seq)));
        }
    }

    /// Whether some entries that are not applied are not in memory either, and must be read from the journal.
    pub(super) fn is_behind(&self) -> bool {
        self.place.is_some() && self.pending.to.seq < self.head
    }

    /// Whether the store lacks counts of this site, as far as is known.
    pub(super) fn unapplied(&self) -> bool {
        let unread = if self.place.is_some() { self.is_behind() } else { self.misplaced || self.unread.entries > 0 };
        self.applying.is_some() || !self.sealed.is_empty() || self.pending.has_counts() || unread
    }

    /// What the store lacks of this site, as far as is known.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        if !self.unapplied() {
            return None;
        }
        let mut waiting = Waiting::default();
        self.segments().map(Segment::waiting).for_each(|segment| waiting.add(segment));
        // After the store went back, what is unread is not known yet.
        let least = u64::from(self.is_behind() || self.misplaced);
        let Waiting { first, entries, views } = self.unread;
        let views = if entries == 0 { least } else { views };
        waiting.add(Waiting { first: first.max(self.pending.to.seq + 1), entries: entries.max(least), views });
        self.tail.iter().for_each(|tail| waiting.add(tail.waiting()));
        Some(waiting)
    }

    /// Whether an apply is under way or in doubt.
    pub(super) fn is_applying(&self) -> bool {
        self.applying.is_some()
    }

    /// Whether more waits than the views that came since the last apply began.
    pub(super) fn is_backlogged(&self) -> bool {
        self.applying.is_some() || !self.sealed.is_empty() || self.is_behind()
    }

    /// How many views in memory wait for the store.
    pub(super) fn lag_views(&self) -> u64 {
        self.segments().map(Segment::views).sum()
    }

    /// How many entries of the journal must still be read.
    pub(super) fn unread(&self) -> u64 {
        if self.is_behind() { self.head - self.pending.to.seq } else { 0 }
    }

    /// What is in memory and not in the snapshot, in the order of the journal.
    fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.applying.iter().chain(&self.sealed).map(|segment| &**segment).chain([&self.pending])
    }

    /// How many applies it takes to give the store what is in memory now.
    pub(super) fn applies(&self) -> usize {
        self.segments().count()
    }

    /// How far the store is, if that is known.
    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// What the store confirmed last: for this process, or for the journal before.
    pub(super) fn last_confirmed(&self) -> Option<Confirmed> {
        self.last_confirmed
    }

    /// The last entry that may hold views of the site.
    pub(super) fn head(&self) -> Seq {
        self.head
    }

    /// Whether the store can have entries of later runs that are not read yet, because a copy of the journal can apply them
    /// too. If counts of an earlier run wait in memory, it cannot: it has entries of a run only if it has all earlier ones.
    fn may_meet_later_runs(&self) -> bool {
        self.is_behind() && self.next_run().is_some() && !self.segments().any(Segment::has_counts)
    }

    /// The producers whose offsets show whether the store is where it was, and has nothing of what is or will be in memory: a
    /// copy of the journal can apply the same entries. They are up to three, because the apply in doubt can have worked.
    /// `None` if the journal must be read first.
    pub(super) fn asked_producers(&self) -> Option<Vec<ProducerId>> {
        let mut producers = vec![self.place.as_ref()?.producer];
        if self.may_meet_later_runs() {
            return None;
        }
        producers.extend(self.segments().map(|segment| segment.producer));
        producers.dedup();
        producers.truncate(3);
        Some(producers)
    }

    /// Takes in how far the store is. Everything after that is read from the journal.
    pub(super) fn begin(&mut self, place: Place) {
        let Some(&run) = place.runs.first() else { return };
        let from = if run.producer == place.producer { place.offset } else { Position::START };
        self.pending = Segment::new(run.producer, from, place.included);
        self.last_confirmed = Some(place.confirmed());
        self.place = Some(place);
        self.misplaced = false;
        self.enter_next_runs();
        self.end_unread();
    }

    /// If all that waits is in memory, nothing else does.
    fn end_unread(&mut self) {
        if !self.is_behind() {
            self.unread = Waiting::default();
        }
    }

    /// Moves on from each run that the pending segment has reached the end of.
    fn enter_next_runs(&mut self) {
        while let Some(next) = self.next_run().filter(|next| self.pending.to.seq >= next.after) {
            self.begin_run(next.producer, next.after);
        }
    }

    /// The run after that of the pending segment.
    fn next_run(&self) -> Option<Run> {
        let runs = &self.place.as_ref()?.runs;
        let current = runs.iter().position(|run| run.producer == self.pending.producer)?;
        runs.get(current + 1).copied()
    }

    /// The entries to read from the journal next: those after the first seq, up to the second one. They are of one run.
    pub(super) fn start_reading(&mut self) -> Option<(Seq, Seq)> {
        // If memory is full, some of it is applied before more is read.
        if !self.is_behind() || (self.is_full() && self.pending.has_entries()) {
            return None;
        }
        let current = self.place.as_ref()?.runs.last().copied()?;
        let head = self.head;
        let tail = self.tail.get_or_insert_with(|| Segment::new(current.producer, Position::START, head));
        let upto = tail.after;
        let upto = self.next_run().map_or(upto, |next| upto.min(next.after));
        Some((self.pending.to.seq, upto))
    }

    /// Takes in what was read from the journal after entry `after`. Ignored if the place has changed in the meantime.
    pub(super) fn read(&mut self, after: Seq, replay: &Replay) {
        if self.place.is_none() || self.pending.to.seq != after {
            return;
        }
        let days = replay.days.iter().map(|(day, views)| (*day, views));
        self.seal_if_large(days.clone());
        let views = days.clone().map(|(_, views)| views.views).sum();
        self.pending.add(days, after + 1, replay.entries, replay.to);
        self.unread.entries = self.unread.entries.saturating_sub(replay.entries);
        self.unread.views = self.unread.views.saturating_sub(views);
        self.enter_next_runs();
        if let Some(tail) = self.tail.take_if(|tail| self.pending.to.seq >= tail.after)
            && tail.has_entries()
        {
            self.begin_run(tail.producer, tail.after);
            let days = tail.days.iter().map(|(day, views)| (*day, views));
            self.seal_if_large(days.clone());
            self.pending.add(days, tail.first, tail.entries, tail.to);
        }
        self.end_unread();
    }

    /// The segment to apply next: the one whose answer is not known yet, otherwise the first sealed one, otherwise the
    /// pending one.
    pub(super) fn start_apply(&mut self) -> Option<Arc<Segment>> {
        self.place.as_ref()?;
        if self.applying.is_none() {
            self.applying = self.sealed.pop_front();
        }
        if self.applying.is_none() && self.pending.has_entries() && self.pending.has_counts() {
            let next = self.pending.next();
            self.applying = Some(Arc::new(std::mem::replace(&mut self.pending, next)));
        }
        self.applying.clone()
    }

    /// What the store must include before it can take a segment that begins a run.
    pub(super) fn earlier(&self, segment: &Segment) -> Option<(ProducerId, Seq)> {
        let place = self.place.as_ref()?;
        let begins = segment.from == Position::START && place.producer != segment.producer && place.offset != Position::START;
        begins.then_some((place.producer, place.included.min(place.offset.seq)))
    }

    /// Takes in the store's answer to the apply under way. Returns whether the store is where it was expected.
    pub(super) fn applied(&mut self, answer: Applied) -> bool {
        let Some(to) = self.applying.as_ref().map(|applying| applying.to) else { return true };
        match answer {
            Applied::Done(done) => {
                self.settle();
                self.snapshot.follow(done.before, done.after);
            }
            Applied::Refused(offset) if offset == to => self.settle(),
            Applied::Refused(_) => {
                self.lose_place();
                return false;
            }
        }
        true
    }

    /// The apply under way has worked.
    fn settle(&mut self) {
        let Some(applying) = self.applying.take() else { return };
        for (day, views) in &applying.days {
            self.snapshot.add(*day, views);
        }
        if let Some(place) = &mut self.place {
            (place.producer, place.offset, place.included) = (applying.producer, applying.to, applying.to.seq);
            while place.runs.len() > 1 && place.runs.first().is_some_and(|run| run.producer != applying.producer) {
                place.runs.remove(0);
            }
            self.last_confirmed = Some(place.confirmed());
        }
    }

    /// Takes in what the store was asked on `day`: the offsets of `producers`, and figures of the site and of `articles`.
    /// Returns whether these are the figures from now on: if the store is where it was expected.
    pub(super) fn answered(&mut self, producers: &[ProducerId], day: NaiveDate, articles: &[ArticleId], snapshot: &Snapshot) -> bool {
        let before = self.place.as_ref().map(|place| place.producer);
        let applying = self.applying.as_ref().map(|applying| (applying.producer, applying.to));
        let asked = || producers.iter().copied().zip(snapshot.offsets.iter().copied());
        if asked().any(|answer| Some(answer) == applying) {
            self.settle();
        }
        // A run that is not applied yet has no offset.
        let is_expected = |state: &mut Self, producer, offset| match &state.place {
            Some(place) if place.producer == producer => state.is_at(offset),
            _ => offset == Position::START || before == Some(producer),
        };
        for (producer, offset) in asked() {
            if !is_expected(self, producer, offset) {
                self.lose_place();
                return false;
            }
        }
        // The apply in doubt has worked, and nothing else was in memory.
        if self.may_meet_later_runs() {
            return false;
        }
        self.snapshot.install(day, articles, snapshot);
        true
    }

    /// Whether the store is where it was. A copy of the journal may go on with a run that has ended here.
    fn is_at(&mut self, offset: Position) -> bool {
        let Some(place) = self.place.as_mut() else { return false };
        if place.has_run() && offset.seq > place.offset.seq {
            place.offset = offset;
        }
        place.offset == offset
    }

    /// Memory and store have parted: everything is dropped, and the flusher finds out how far the store is.
    fn lose_place(&mut self) {
        *self = Self::new(self.head, self.last_confirmed, self.waiting().unwrap_or_default(), self.budget);
        self.misplaced = true;
    }

    /// The revision of the snapshot, if the store has answered with figures at its present place.
    pub(super) fn revision(&self) -> Option<Revision> {
        self.snapshot.revision()
    }

    /// Drops the figures of articles, so that the store is asked for them again.
    pub(super) fn forget_articles(&mut self) {
        self.snapshot.forget_articles();
    }

    /// The site's figures on a day, everything acknowledged included; `None` if the store must be asked first.
    pub(super) fn site(&self, today: NaiveDate) -> Option<Figures> {
        let figures = self.snapshot.site(today)?;
        Some(self.with_segments(figures, today, |sum| sum.views))
    }

    /// The same of its visits.
    pub(super) fn visits(&self, today: NaiveDate) -> Option<Figures> {
        let figures = self.snapshot.visits(today)?;
        Some(self.with_segments(figures, today, |sum| sum.of_kind(Kind::Visits)))
    }

    /// The same of an article.
    pub(super) fn article(&mut self, today: NaiveDate, article: &ArticleId) -> Option<Figures> {
        let figures = self.snapshot.article(today, article)?;
        Some(self.with_segments(figures, today, |sum| sum.articles.get(article).copied().unwrap_or_default()))
    }

    fn with_segments(&self, mut figures: Figures, today: NaiveDate, count: impl Fn(&SiteViews) -> u64) -> Figures {
        for segment in self.segments() {
            segment.add_to(&mut figures, today, &count);
        }
        figures
    }
}
