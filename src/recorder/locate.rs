//! Finds out how far the store is with a site's entries, when that is not known: at the start, and after the store was found
//! at another offset than expected.
//!
//! The store takes the first entries of a run only if it has all earlier ones of the site. So the newest run that it has
//! entries of shows its place. The offset's digest shows whether these are the entries of this journal.

use std::sync::Arc;

use tracing::{error, warn};

use super::{shared::Shared, site::SiteCounter, state::Place};
use crate::{
    domain::producer::{Position, ProducerId, Seq},
    journal::{Confirmed, JournalError, Run},
    store::StoreError,
};

/// Why the search ended early.
pub(super) enum LocateError {
    Store(StoreError),
    Journal(JournalError),
}

impl From<StoreError> for LocateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<JournalError> for LocateError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// How an offset in the store relates to the entries of a run here.
enum Relation {
    /// It is one of them, or was deleted here.
    Here,
    /// It is after the run's end.
    Ahead { end: Seq },
    /// Another process has written it.
    Parted,
}

/// The search for one site.
pub(super) struct Locator<'a> {
    pub(super) shared: &'a Shared,
    pub(super) counter: &'a SiteCounter,
    /// What the store had confirmed when that was last known.
    pub(super) confirmed: Option<Confirmed>,
}

impl Locator<'_> {
    /// Asks the store for the offset of each run, from the newest one.
    pub(super) async fn locate(&self) -> Result<Place, LocateError> {
        let runs = self.shared.journal.runs();
        for (at, run) in runs.iter().enumerate().rev() {
            let offset = self.offset(run.producer).await?;
            if offset == Position::START {
                continue;
            }
            let end = runs.get(at + 1).map(|next| next.after);
            let included = match self.relation(*run, end, offset).await? {
                Relation::Here => offset.seq,
                Relation::Ahead { end } => {
                    self.report_ahead(*run, end, offset);
                    end
                }
                Relation::Parted => return self.locate_after_parting(*run, offset).await,
            };
            return Ok(self.found(Place { producer: run.producer, offset, included, runs: runs[at..].to_vec() }));
        }
        self.before_all_runs(&runs).await
    }

    async fn offset(&self, producer: ProducerId) -> Result<Position, StoreError> {
        self.shared.store.offset(self.counter.id(), producer).await
    }

    /// `end` is the last entry of the run; the run of this process has none.
    async fn relation(&self, run: Run, end: Option<Seq>, offset: Position) -> Result<Relation, JournalError> {
        let Shared { journal, watermark, .. } = self.shared;
        let exists = offset.seq > run.after && offset.seq <= end.unwrap_or_else(|| watermark.head());
        let digest = if exists { journal.digest(offset.seq).await? } else { None };
        Ok(match (digest, end) {
            (Some(digest), _) if digest == offset.digest => Relation::Here,
            (Some(_), _) => Relation::Parted,
            // The other process can have written it, also for a site for which that was not noticed yet.
            (None, _) if journal.is_parted(run.producer).await? => Relation::Parted,
            // It was deleted, which needs a confirmation of the store.
            (None, _) if exists => Relation::Here,
            (None, Some(end)) if offset.seq > end => Relation::Ahead { end },
            (None, _) => Relation::Parted,
        })
    }

    /// The store does not have the entries of any run that the journal has.
    async fn before_all_runs(&self, runs: &Arc<[Run]>) -> Result<Place, LocateError> {
        let (first, last) = match (runs.first(), runs.last()) {
            (Some(first), Some(last)) => (*first, *last),
            _ => return Err(JournalError::Damaged("it has no run".into()).into()),
        };
        let is_kept = |producer| runs.iter().any(|run| run.producer == producer);
        let known = self.confirmed.filter(|confirmed| confirmed.seq <= first.after && !is_kept(confirmed.producer));
        if let Some(Confirmed { producer, seq }) = known {
            let offset = self.offset(producer).await?;
            if offset.seq < seq {
                report_lost(self.shared, self.counter, offset.seq + 1, seq);
            }
            if offset != Position::START {
                return Ok(self.found(Place { producer, offset, included: first.after, runs: runs.to_vec() }));
            }
        }
        // The site has nothing here that the store could lack.
        let has_entries = self.counter.lock().state.head() > first.after;
        let (run, runs) = if has_entries { (first, runs.to_vec()) } else { (last, vec![last]) };
        Ok(self.found(Place { producer: run.producer, offset: Position::START, included: run.after, runs }))
    }

    /// The entries of a run after the last one that is known to be included go to the store under another producer.
    async fn locate_after_parting(&self, run: Run, offset: Position) -> Result<Place, LocateError> {
        let known = self.confirmed.filter(|confirmed| confirmed.producer == run.producer);
        let after = known.map_or(run.after, |confirmed| confirmed.seq.max(run.after));
        let heir = self.shared.journal.part(self.counter.id(), run.producer, after).await?;
        // The run has no entries, and is not among them, if another process wrote its first one.
        let now = self.shared.journal.runs();
        let later = now.iter().filter(|later| later.producer != run.producer && later.after >= run.after);
        let runs = [Run { producer: heir.producer, after: heir.seq }].iter().chain(later).copied().collect();
        let stored = self.offset(heir.producer).await?;
        if stored == Position::START {
            self.shared.metrics.store.partings.inc();
            error!(
                event = "journal_cloned", site = %self.counter.id(), run = %run.producer, store = %offset, after = heir.seq,
                "another process writes the same run of this journal: a clone of this machine or of its memory? \
                 The views after the last confirmed entry are applied under a new producer"
            );
            return Ok(Place { producer: heir.producer, offset: stored, included: heir.seq, runs });
        }
        Ok(self.found(Place { producer: heir.producer, offset: stored, included: stored.seq, runs }))
    }

    /// Reports if the store has confirmed more than it has.
    fn found(&self, place: Place) -> Place {
        let to = place.confirmed().seq;
        if let Some(Confirmed { seq: from, .. }) = self.confirmed.filter(|confirmed| confirmed.seq > to) {
            self.shared.watermark.went_back(to);
            self.shared.lists_missing.notify_one();
            self.shared.metrics.store.rewinds.inc();
            let hint = (place.offset == Position::START).then(|| self.shared.store.loss_hint()).flatten();
            warn!(event = "store_went_back", site = %self.counter.id(), from, to, hint, "the store went back: the journal is applied again from there");
        }
        place
    }

    fn report_ahead(&self, run: Run, end: Seq, offset: Position) {
        let news = self.counter.lock().follow_foreign(run.producer, offset.seq - end);
        if news == 0 {
            return;
        }
        self.shared.metrics.store.foreign_entries.inc_by(news);
        warn!(
            event = "journal_copied", site = %self.counter.id(), run = %run.producer, first = end + 1, last = offset.seq,
            "the store includes entries of an earlier run that this journal does not have: the journal is a copy, or was restored \
             from one. Nothing is counted twice"
        );
    }
}

/// The store has lost entries that the journal does not have any more.
pub(super) fn report_lost(shared: &Shared, counter: &SiteCounter, first: Seq, last: Seq) {
    shared.metrics.store.lost_entries.inc_by(last - first + 1);
    let hint = (first == Position::START.seq + 1).then(|| shared.store.loss_hint()).flatten();
    error!(
        event = "views_lost_by_store", site = %counter.id(), first, last, hint,
        "the store went back further than the journal reaches: it has lost this site's views in these entries"
    );
}
