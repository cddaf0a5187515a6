//! What the recorder knows of one site: a state machine without I/O.
//!
//! ```text
//! journal   ──────────────────┬────────────────┬────────┬────────┬──────────────► head
//!            in the store     │ applying       │ sealed │ sealed │ pending
//!                           offset         applying.to
//! ```
//!
//! Figures = the store's snapshot up to the offset + applying + sealed + pending. Each of the last three is a
//! [`Segment`]: the sum of the site's views in a run of journal entries. A pending segment that the next entry would make
//! too large for one apply is sealed, and that entry begins a new one. An apply that worked moves `applying` into the
//! snapshot, so the total never jumps. If the store is at another offset than expected, everything is dropped and read
//! again: the snapshot from the store, the rest from the journal.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use chrono::NaiveDate;

use super::snapshot::SnapshotCache;
use crate::{
    domain::{
        article::ArticleId,
        counts::{DayViews, Deltas},
        figures::Figures,
        producer::Seq,
    },
    journal::Replay,
    store::{Applied, Snapshot},
};

/// The sum of a site's views in the entries after `from` up to `to`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) from: Seq,
    pub(super) to: Seq,
    days: BTreeMap<NaiveDate, DayViews>,
}

impl Segment {
    fn at(seq: Seq) -> Self {
        Self { from: seq, to: seq, days: BTreeMap::new() }
    }

    fn add<'a>(&mut self, days: impl Iterator<Item = (NaiveDate, &'a DayViews)>) {
        for (day, views) in days {
            self.days.entry(day).or_default().add(views);
        }
    }

    /// How many sums (of an article on a day) it holds.
    fn sums(&self) -> usize {
        self.days.values().map(|day| day.articles.len()).sum()
    }

    /// Whether it holds some sums, and would hold more than `most` with these views.
    fn would_pass<'a>(&self, most: usize, days: impl Iterator<Item = (NaiveDate, &'a DayViews)> + Clone) -> bool {
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

    /// Whether an apply of it moves the offset. One that does not could be repeated without being noticed.
    fn moves_offset(&self) -> bool {
        self.to > self.from
    }

    /// What it adds to the counters.
    pub(super) fn deltas(&self) -> Deltas {
        self.days.iter().map(|(day, views)| (*day, views)).collect()
    }

    /// Adds its views of an article, or of the site, to the figures of `today`.
    fn add_to(&self, figures: &mut Figures, today: NaiveDate, article: Option<&ArticleId>) {
        for (day, sum) in &self.days {
            let views = article.map_or(sum.views, |article| sum.articles.get(article).copied().unwrap_or(0));
            if views > 0 {
                figures.add(today, *day, views);
            }
        }
    }
}

/// The store is at an offset that was not expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OffsetChange {
    /// The offset that was expected; `None` if the store has not answered before.
    pub(super) from: Option<Seq>,
    /// The store's offset.
    pub(super) to: Seq,
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
    /// The store's offset; `None` until the store has answered for the first time.
    offset: Option<Seq>,
    /// The store has this journal's views up to this entry. That is before the offset if the store was ahead of the journal
    /// when it first answered, until the first apply after that.
    included: Seq,
    /// The segment whose apply is under way or in doubt. It does not change until its answer is known.
    applying: Option<Arc<Segment>>,
    /// The segments after it, each nearly as large as one apply may be.
    sealed: VecDeque<Arc<Segment>>,
    /// The segment after them, which grows.
    pending: Segment,
    /// Entries that were committed while older ones were still being read from the journal.
    tail: Option<Segment>,
    /// The last entry that may hold views of the site.
    head: Seq,
    /// The journal's last entry when it was opened. The store can know entries after it only through this process.
    head_at_open: Seq,
    snapshot: SnapshotCache,
    budget: MemoryBudget,
}

impl State {
    /// The state of a site whose journal ends at `head`, before the store has answered.
    pub(super) fn new(head: Seq, budget: MemoryBudget) -> Self {
        let snapshot = SnapshotCache::new(budget.articles);
        let pending = Segment::default();
        Self {
            offset: None,
            included: 0,
            applying: None,
            sealed: VecDeque::new(),
            pending,
            tail: None,
            head,
            head_at_open: head,
            snapshot,
            budget,
        }
    }

    /// Changes how much memory the site may use. Segments that are too many wait for their applies as before.
    pub(super) fn set_budget(&mut self, budget: MemoryBudget) {
        self.budget = budget;
        self.snapshot.set_capacity(budget.articles);
    }

    /// Takes in views that have become durable in entry `seq`. True if nothing waited to be applied before.
    pub(super) fn committed<'a>(&mut self, seq: Seq, days: impl Iterator<Item = (NaiveDate, &'a DayViews)> + Clone) -> bool {
        let waiting = self.unapplied();
        let complete = self.offset.is_some() && !self.is_behind();
        self.head = seq;
        let full = self.is_full();
        let segment = match &mut self.tail {
            // A tail must have no hole, so one that cannot take the entry is dropped. The journal has its entries.
            Some(tail) if tail.would_pass(self.budget.apply_sums, days.clone()) => {
                self.tail = None;
                return !waiting;
            }
            Some(tail) => tail,
            None if complete && !full => {
                self.seal_pending(days.clone());
                &mut self.pending
            }
            None => return !waiting,
        };
        segment.add(days);
        // Not simply `seq`: if the store is ahead of the journal, the segment already ends after `seq`.
        segment.to = segment.to.max(seq);
        !waiting
    }

    /// Whether memory is full. Entries that do not fit stay in the journal, so memory is bounded while the store is down.
    fn is_full(&self) -> bool {
        self.sealed.iter().map(|segment| segment.sums()).sum::<usize>() + self.pending.sums() >= self.budget.sums
    }

    /// Seals the pending segment if these views would make it too large for one apply.
    fn seal_pending<'a>(&mut self, days: impl Iterator<Item = (NaiveDate, &'a DayViews)> + Clone) {
        if self.pending.moves_offset() && self.pending.would_pass(self.budget.apply_sums, days) {
            let next = Segment::at(self.pending.to);
            self.sealed.push_back(Arc::new(std::mem::replace(&mut self.pending, next)));
        }
    }

    /// The store was ahead of the journal, and the journal has skipped to entry `seq`.
    pub(super) fn skipped(&mut self, seq: Seq) {
        self.head = self.head.max(seq);
    }

    /// Whether some entries that are not applied are not in memory either, and must be read from the journal.
    pub(super) fn is_behind(&self) -> bool {
        self.offset.is_some() && self.pending.to < self.head
    }

    /// Whether the store lacks views of this site, as far as is known.
    pub(super) fn unapplied(&self) -> bool {
        self.applying.is_some() || !self.sealed.is_empty() || self.pending.views() > 0 || self.is_behind()
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
        if self.is_behind() { self.head - self.pending.to } else { 0 }
    }

    /// What is in memory and not in the snapshot, in the order of the journal.
    fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.applying.iter().chain(&self.sealed).map(|segment| &**segment).chain([&self.pending])
    }

    /// How many applies it takes to give the store what is in memory now.
    pub(super) fn applies(&self) -> usize {
        self.segments().count()
    }

    /// The store's offset, if it is known.
    pub(super) fn offset(&self) -> Option<Seq> {
        self.offset
    }

    /// The entry up to which the store has this journal's views.
    pub(super) fn included(&self) -> Seq {
        self.included
    }

    /// The entries to read from the journal next: those after the first seq, up to the second one.
    pub(super) fn start_reading(&mut self) -> Option<(Seq, Seq)> {
        // If memory is full, some of it is applied before more is read. A segment that does not move the offset cannot be
        // applied, so it is read on regardless: a store was ahead of the journal, and its entries are read at once.
        let full = self.is_full() && self.pending.moves_offset();
        if !self.is_behind() || full {
            return None;
        }
        let tail = self.tail.get_or_insert_with(|| Segment::at(self.head));
        Some((self.pending.to, tail.from))
    }

    /// Takes in what was read from the journal after entry `after`. Ignored if the offset has changed in the meantime.
    pub(super) fn read(&mut self, after: Seq, replay: &Replay) {
        if self.offset.is_none() || self.pending.to != after {
            return;
        }
        self.append(&replay.days, replay.to);
        if let Some(tail) = self.tail.take_if(|tail| self.pending.to >= tail.from) {
            self.append(&tail.days, self.pending.to.max(tail.to));
        }
    }

    /// Appends views of entries up to `to`.
    fn append(&mut self, days: &BTreeMap<NaiveDate, DayViews>, to: Seq) {
        let days = days.iter().map(|(day, views)| (*day, views));
        self.seal_pending(days.clone());
        self.pending.add(days);
        self.pending.to = to;
    }

    /// The segment to apply next: the one whose answer is not known yet, otherwise the first sealed one, otherwise the
    /// pending one.
    pub(super) fn start_apply(&mut self) -> Option<Arc<Segment>> {
        if self.applying.is_none() {
            self.applying = self.sealed.pop_front();
        }
        if self.applying.is_none() && self.offset.is_some() && self.pending.moves_offset() && self.pending.views() > 0 {
            let next = Segment::at(self.pending.to);
            self.applying = Some(Arc::new(std::mem::replace(&mut self.pending, next)));
        }
        self.applying.clone()
    }

    /// Takes in the store's answer to the apply under way.
    pub(super) fn applied(&mut self, answer: Applied) -> Option<OffsetChange> {
        let applying = self.applying.as_ref()?;
        match answer {
            Applied::Done(_) => self.reconcile(applying.to),
            Applied::Refused(offset) => self.reconcile(offset),
        }
    }

    /// Takes in what the store was asked on `day`: figures of the site and of `articles`.
    pub(super) fn answered(&mut self, day: NaiveDate, articles: &[ArticleId], snapshot: &Snapshot) -> Option<OffsetChange> {
        let change = self.reconcile(snapshot.offset);
        self.snapshot.install(day, articles, snapshot);
        change
    }

    /// Takes in the store's offset. If it is neither the known one nor the one that the apply under way leads to, memory and
    /// store have parted: everything is dropped, and the site begins again from that offset.
    fn reconcile(&mut self, offset: Seq) -> Option<OffsetChange> {
        if self.offset == Some(offset) {
            return None;
        }
        if let Some(applying) = self.applying.take_if(|applying| applying.to == offset) {
            for (day, views) in &applying.days {
                self.snapshot.add(*day, views);
            }
            (self.offset, self.included) = (Some(offset), offset);
            return None;
        }
        let change = OffsetChange { from: self.offset, to: offset };
        // A store that is ahead of the journal when it first answers does not have what this process wrote before that.
        let read = if self.offset.is_none() { offset.min(self.head_at_open) } else { offset };
        let pending = Segment { from: offset, to: read, days: BTreeMap::new() };
        *self = Self { offset: Some(offset), included: read, pending, head: self.head, ..Self::new(self.head_at_open, self.budget) };
        Some(change)
    }

    /// True if no other producer has applied since the last snapshot, because the sum of their offsets is still `others`.
    pub(super) fn is_alone(&self, others: u64) -> bool {
        self.snapshot.is_current(others)
    }

    /// Whether the store has answered with figures at its present offset.
    pub(super) fn is_known(&self) -> bool {
        self.snapshot.is_known()
    }

    /// Drops the figures of articles, so that the store is asked for them again.
    pub(super) fn forget_articles(&mut self) {
        self.snapshot.forget_articles();
    }

    /// The site's figures on a day, everything acknowledged included; `None` if the store must be asked first.
    pub(super) fn site(&self, today: NaiveDate) -> Option<Figures> {
        let figures = self.snapshot.site(today)?;
        Some(self.with_segments(figures, today, None))
    }

    /// The same of an article.
    pub(super) fn article(&mut self, today: NaiveDate, article: &ArticleId) -> Option<Figures> {
        let figures = self.snapshot.article(today, article)?;
        Some(self.with_segments(figures, today, Some(article)))
    }

    fn with_segments(&self, mut figures: Figures, today: NaiveDate, article: Option<&ArticleId>) -> Figures {
        for segment in self.segments() {
            segment.add_to(&mut figures, today, article);
        }
        figures
    }
}
