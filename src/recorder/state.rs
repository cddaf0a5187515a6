//! What the recorder knows of one site: a state machine without I/O.
//!
//! ```text
//! journal   ──────────────────┬────────────────┬───────┬───────┬──────────────► head
//!            in the store     │ folding        │ ready │ ready │ pending
//!                           offset          folding.to
//! ```
//!
//! Figures = base (what the store says up to the offset) + folding + ready + pending. A fold that would be too large for
//! one apply with the next entry is ready, and that entry begins another. An apply that worked moves `folding`
//! into the base, so the sum never jumps. Where the store stands elsewhere than remembered, everything is dropped and
//! read again: the base from the store, the rest from the journal.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use chrono::NaiveDate;

use super::{base::Base, counter::Shares, fold::Fold};
use crate::{
    domain::{article::ArticleId, counts::DayViews, figures::Figures, producer::Seq},
    journal::Replay,
    store::{Applied, Snapshot},
};

/// Where a store stood that was not where it was remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    /// The offset as it was remembered; `None` where the store is heard for the first time.
    pub(super) from: Option<Seq>,
    /// The offset that the store has.
    pub(super) to: Seq,
}

/// What is known of one site.
#[derive(Debug)]
pub(super) struct State {
    /// The store's offset; `None` until the store has answered for the first time.
    offset: Option<Seq>,
    /// What is on its way to the store: it stays the same until the store's answer is known.
    folding: Option<Arc<Fold>>,
    /// What follows it, each nearly as large as one apply may be.
    ready: VecDeque<Arc<Fold>>,
    /// What follows them, and grows.
    pending: Fold,
    /// Entries that came while older ones were still being read from the journal.
    tail: Option<Fold>,
    /// The last entry that may hold views of the site.
    head: Seq,
    /// The last entry when the journal was opened: no store can know what this process wrote after it, before the first apply.
    opened: Seq,
    /// What the store says.
    base: Base,
    /// What may be kept in memory.
    shares: Shares,
}

impl State {
    /// The state of a site whose journal ends at `head`, before the store has answered.
    pub(super) fn new(head: Seq, shares: Shares) -> Self {
        let base = Base::new(shares.articles);
        Self { offset: None, folding: None, ready: VecDeque::new(), pending: Fold::default(), tail: None, head, opened: head, base, shares }
    }

    /// Takes in views that have become durable in entry `seq`. Answers whether these are the first that wait to be applied.
    pub(super) fn committed<'a>(&mut self, seq: Seq, days: impl Iterator<Item = (NaiveDate, &'a DayViews)> + Clone) -> bool {
        let waiting = self.unapplied();
        let complete = self.offset.is_some() && !self.is_behind();
        self.head = seq;
        let full = self.is_full();
        let fold = match &mut self.tail {
            // A tail with a hole is no tail.
            Some(tail) if tail.would_pass(self.shares.apply, days.clone()) => {
                self.tail = None;
                return !waiting;
            }
            Some(tail) => tail,
            None if complete && !full => {
                self.make_way(days.clone());
                &mut self.pending
            }
            None => return !waiting,
        };
        days.for_each(|(day, views)| fold.add(day, views));
        // Not simply `seq`: a store that was ahead of the journal had a greater one.
        fold.to = fold.to.max(seq);
        !waiting
    }

    /// Whether no further entry is taken. What is not taken waits in the journal, so memory stays bounded while the store
    /// is away.
    fn is_full(&self) -> bool {
        self.ready.iter().map(|fold| fold.sums()).sum::<usize>() + self.pending.sums() >= self.shares.sums
    }

    /// Makes the pending fold ready where one apply would be too large with these views as well.
    fn make_way<'a>(&mut self, days: impl Iterator<Item = (NaiveDate, &'a DayViews)> + Clone) {
        // An apply that leaves the offset where it is could be repeated unnoticed.
        if self.pending.to > self.pending.from && self.pending.would_pass(self.shares.apply, days) {
            let next = Fold::at(self.pending.to);
            self.ready.push_back(Arc::new(std::mem::replace(&mut self.pending, next)));
        }
    }

    /// The store was ahead of the journal, which now goes on to entry `seq`, after the store's offset.
    pub(super) fn skipped(&mut self, seq: Seq) {
        self.head = self.head.max(seq);
    }

    /// Whether entries that are not applied are not in memory either, and must be read from the journal.
    pub(super) fn is_behind(&self) -> bool {
        self.offset.is_some() && self.pending.to < self.head
    }

    /// Whether the store lacks views of this site, as far as is known.
    pub(super) fn unapplied(&self) -> bool {
        self.folding.is_some() || !self.ready.is_empty() || self.pending.views() > 0 || self.is_behind()
    }

    /// Whether a fold is on its way, or may be.
    pub(super) fn is_folding(&self) -> bool {
        self.folding.is_some()
    }

    /// Whether more waits than what came since the last fold was made.
    pub(super) fn is_backlogged(&self) -> bool {
        self.folding.is_some() || !self.ready.is_empty() || self.is_behind()
    }

    /// How many views in memory wait for the store.
    pub(super) fn lag_views(&self) -> u64 {
        self.folds().map(Fold::views).sum()
    }

    /// In how many entries of the journal more of them may be.
    pub(super) fn unread(&self) -> u64 {
        if self.is_behind() { self.head - self.pending.to } else { 0 }
    }

    /// What is not in the base, in its order.
    fn folds(&self) -> impl Iterator<Item = &Fold> {
        self.folding.iter().chain(&self.ready).map(|fold| &**fold).chain([&self.pending])
    }

    /// How many applies it takes to give the store what is in memory now.
    pub(super) fn applies(&self) -> usize {
        self.folds().count()
    }

    /// The store's offset, where it is known.
    pub(super) fn offset(&self) -> Option<Seq> {
        self.offset
    }

    /// Begins to read the journal: the entries after the first seq, up to the second one.
    pub(super) fn start_reading(&mut self) -> Option<(Seq, Seq)> {
        // Where memory is full, some of it is applied before more is read into it. What does not reach beyond the offset
        // cannot be applied: of a store that was ahead of the journal, all is read that came before it was heard.
        let stuck = self.pending.to <= self.pending.from;
        if !self.is_behind() || (self.is_full() && !stuck) {
            return None;
        }
        let tail = self.tail.get_or_insert_with(|| Fold::at(self.head));
        Some((self.pending.to, tail.from))
    }

    /// Takes in what was read from the journal after entry `after`; ignored where the store has moved in the meantime.
    pub(super) fn read(&mut self, after: Seq, replay: &Replay) {
        if self.offset.is_none() || self.pending.to != after {
            return;
        }
        self.make_way(replay.days.iter().map(|(day, views)| (*day, views)));
        for (day, views) in &replay.days {
            self.pending.add(*day, views);
        }
        self.pending.to = replay.to;
        let Some(tail) = self.tail.take_if(|tail| self.pending.to >= tail.from) else { return };
        self.make_way(tail.days.iter().map(|(day, views)| (*day, views)));
        for (day, views) in &tail.days {
            self.pending.add(*day, views);
        }
        self.pending.to = self.pending.to.max(tail.to);
    }

    /// The fold to apply next: the one whose answer is not known yet, else the first that is ready, else what is pending.
    pub(super) fn start_apply(&mut self) -> Option<Arc<Fold>> {
        if self.folding.is_none() {
            self.folding = self.ready.pop_front();
        }
        let moves = self.pending.to > self.pending.from && self.pending.views() > 0;
        if self.folding.is_none() && self.offset.is_some() && moves {
            let next = Fold::at(self.pending.to);
            self.folding = Some(Arc::new(std::mem::replace(&mut self.pending, next)));
        }
        self.folding.clone()
    }

    /// Takes in the store's answer to the fold that is on its way.
    pub(super) fn applied(&mut self, answer: Applied) -> Option<Moved> {
        let folding = self.folding.as_ref()?;
        match answer {
            Applied::Done(_) => self.stand_at(folding.to),
            Applied::Refused(offset) => self.stand_at(offset),
        }
    }

    /// Takes in what the store was asked on `day`: figures of the site and of `articles`.
    pub(super) fn answered(&mut self, day: NaiveDate, articles: &[ArticleId], snapshot: &Snapshot) -> Option<Moved> {
        let moved = self.stand_at(snapshot.offset);
        self.base.install(day, articles, snapshot);
        moved
    }

    /// The store stands at `offset`. Where that is neither where it was nor where the fold on its way would bring it,
    /// memory and store have parted: everything is forgotten and begun afresh from there.
    fn stand_at(&mut self, offset: Seq) -> Option<Moved> {
        if self.offset == Some(offset) {
            return None;
        }
        if let Some(folding) = self.folding.take_if(|folding| folding.to == offset) {
            for (day, views) in &folding.days {
                self.base.add(*day, views);
            }
            self.offset = Some(offset);
            return None;
        }
        let moved = Moved { from: self.offset, to: offset };
        // A store that is ahead of the journal has not got what was written before it was first heard, either.
        let read = if self.offset.is_none() { offset.min(self.opened) } else { offset };
        let pending = Fold { from: offset, to: read, days: BTreeMap::new() };
        *self = Self { offset: Some(offset), pending, head: self.head, ..Self::new(self.opened, self.shares) };
        Some(moved)
    }

    /// Whether nobody else has counted since the store told figures, where it has: then they are its present state, up to
    /// the offset.
    pub(super) fn is_alone(&self, others: u64) -> bool {
        self.base.is_known() && self.base.others() == others
    }

    /// Whether the store has told figures since it stands where it does.
    pub(super) fn is_known(&self) -> bool {
        self.base.is_known()
    }

    /// Forgets what the store said of articles, so that it is asked again.
    pub(super) fn forget_articles(&mut self) {
        self.base.forget_articles();
    }

    /// The site's figures on a day, everything acknowledged included; `None` where the store must be asked first.
    pub(super) fn site(&self, today: NaiveDate) -> Option<Figures> {
        let base = self.base.site(today)?;
        Some(self.overlaid(base, today, None))
    }

    /// The same of an article.
    pub(super) fn article(&mut self, today: NaiveDate, article: &ArticleId) -> Option<Figures> {
        let base = self.base.article(today, article)?;
        Some(self.overlaid(base, today, Some(article)))
    }

    fn overlaid(&self, mut figures: Figures, today: NaiveDate, article: Option<&ArticleId>) -> Figures {
        for fold in self.folds() {
            fold.overlay(&mut figures, today, article);
        }
        figures
    }
}
