//! `truycap undo`: a correction taken back.
//!
//! An undo is a correction of its own, with one step for each step that it takes back: step 1 has the inverse changes of step 1,
//! and so on. The first one marks the correction as taken back, in the same atomic step, and from then on that cannot grow. So
//! its steps can be taken back in the order in which they were made while an import is still running.
//!
//! A correction is taken back once at most. So the undo's producer is derived from that of the correction, and the audit list
//! shows how far the undo is: it is complete if it has as many steps. A merge is taken back in both of its sites.

use super::{
    blame::blame,
    course::{Course, position_after, producer},
    error::CorrectionError,
    merge::{second_producer, sites_of},
    order::Order,
    report::Report,
};
use crate::{
    domain::{
        correction::{AuditEntry, Change, CorrectionKind, KEPT_CHANGES, Note},
        producer::{ProducerId, Seq},
        site::SiteId,
    },
    transfer::steps::{StepError, audit, retried},
};

const KIND: CorrectionKind = CorrectionKind::Undo;

/// Takes back the correction of a site with a number. `progress` is called with the number of steps taken back, and of all.
///
/// # Errors
/// If it cannot be taken back, or the store cannot be used.
pub async fn undo(order: &Order<'_>, site: &SiteId, number: u64, mut progress: impl FnMut(u64, u64)) -> Result<Report, CorrectionError> {
    let list = audit(order.store, site).await?;
    let entry = list.iter().find(|entry| entry.number == number).ok_or_else(|| unknown(site, number, &list))?;
    let sites = both_sites(order, site, entry).await?;
    let mut halves = Vec::new();
    for (site, producer) in sites {
        halves.extend(Half::open(order, site, producer).await?);
    }
    let mut report = Report::new(KIND, site);
    if !order.dry_run {
        let steps = halves.iter().map(|half| half.target.steps).sum();
        let mut done = 0;
        // The second site of a merge is first: it can lack views that were moved on, and then nothing changes.
        while let Some(half) = halves.iter_mut().filter(|half| !half.is_complete()).min_by_key(|half| half.done()) {
            half.advance().await?;
            done += 1;
            progress(done, steps);
        }
    }
    for half in &halves {
        half.report(&mut report, site).await?;
    }
    Ok(report)
}

fn unknown(site: &SiteId, number: u64, list: &[AuditEntry]) -> CorrectionError {
    let has = match list.last() {
        Some(last) => format!("its last one is {}; truycap audit {site} shows all", last.number),
        None => "it has none".into(),
    };
    CorrectionError::Refused(format!("site {site} has no correction {number}: {has}"))
}

/// The sites in which a correction is, each with its producer there; for a merge, the second site first.
async fn both_sites(order: &Order<'_>, site: &SiteId, entry: &AuditEntry) -> Result<Vec<(SiteId, ProducerId)>, CorrectionError> {
    let Some((from, into)) = sites_of(entry) else { return Ok(vec![(site.clone(), entry.producer)]) };
    if *site == from {
        return Ok(vec![(into, second_producer(entry.producer)), (from, entry.producer)]);
    }
    let first = audit(order.store, &from).await?.into_iter().find(|first| second_producer(first.producer) == entry.producer);
    Ok([(into, entry.producer)].into_iter().chain(first.map(|first| (from, first.producer))).collect())
}

/// The undo in one site.
struct Half<'a> {
    order: &'a Order<'a>,
    site: SiteId,
    /// What is taken back.
    target: AuditEntry,
    undo: Course<'a>,
    /// Whether it was complete when the command began.
    was_complete: bool,
}

impl<'a> Half<'a> {
    /// The undo of the correction with a producer; `None` if the site has none: the crash was before, or the store lost it.
    async fn open(order: &'a Order<'a>, site: SiteId, target: ProducerId) -> Result<Option<Self>, CorrectionError> {
        let list = audit(order.store, &site).await?;
        let Some(target) = list.iter().find(|entry| entry.producer == target) else { return Ok(None) };
        let number = target.number;
        let refused = |why: String| Err(CorrectionError::Refused(format!("correction {number} of site {site} {why}")));
        if target.note.kind == KIND {
            return refused("takes back another one: to make that change again, repeat its command".into());
        }
        let producer = producer(&["undo", &target.producer.to_string()]);
        let by = target.undone_by.and_then(|by| list.iter().find(|entry| entry.number == by));
        let was_complete = by.is_some_and(|by| by.steps >= target.steps);
        if list.last().is_some_and(|last| number + KEPT_CHANGES <= last.number) && !was_complete {
            return refused(format!("cannot be taken back: only the latest {KEPT_CHANGES} corrections can be"));
        }
        let note = Note { undoes: Some(number), ..order.note(KIND, format!("{site} {number}")) };
        let undo = Course::of_producer(order.store, &site, producer, note).await?;
        Ok(Some(Self { order, target: target.clone(), undo, was_complete, site }))
    }

    /// How many steps were taken back.
    fn done(&self) -> Seq {
        self.undo.position().seq
    }

    fn is_complete(&self) -> bool {
        self.done() >= self.target.steps
    }

    /// Takes back the next step.
    async fn advance(&mut self) -> Result<(), CorrectionError> {
        let step = self.done() + 1;
        let Self { order, site, target, .. } = self;
        let kept = retried(async || order.store.changes(site, target.number, step).await).await?;
        let Some(kept) = kept else {
            let number = target.number;
            return Err(CorrectionError::Blocked(format!("the changes of correction {number} of site {site} are not kept any more")));
        };
        let changes: Vec<_> = kept.iter().map(Change::inverse).collect();
        let to = position_after(self.undo.position(), &changes, false);
        match self.undo.make_to(to, changes).await {
            Err(CorrectionError::Step(StepError::BelowZero(below))) => {
                let why = blame(self.order, &self.site, self.target.number, &below).await?;
                let (done, steps) = (step - 1, self.target.steps);
                let state = if done == 0 { "nothing was changed".into() } else { format!("{done} of {steps} steps were taken back") };
                return Err(CorrectionError::Blocked(format!("{why}; {state}")));
            }
            made => made?,
        }
        if self.is_complete() {
            // It could grow until its first step was taken back.
            let list = audit(self.order.store, &self.site).await?;
            let grown = list.into_iter().find(|entry| entry.number == self.target.number);
            self.target.steps = grown.map_or(self.target.steps, |entry| entry.steps);
        }
        Ok(())
    }

    async fn report(&self, report: &mut Report, named: &SiteId) -> Result<(), CorrectionError> {
        let entry = self.undo.entry().await?;
        let views = match &entry {
            Some(_) if self.order.dry_run && self.was_complete => (0, 0),
            Some(entry) if !self.order.dry_run => (entry.site_views, entry.article_views),
            _ => (-self.target.site_views, -self.target.article_views),
        };
        if let Some(entry) = &entry {
            if self.was_complete {
                report.notes.push(format!("site {}: correction {} had taken it back", self.site, entry.number));
            } else if self.site != *named {
                report.notes.push(format!("in the audit list of site {} it is correction {}", self.site, entry.number));
            }
        }
        if self.site == *named {
            report.number = entry.filter(|_| !self.order.dry_run).map(|entry| entry.number);
            report.article_views = views.1;
        }
        report.total(self.order, &self.site, None, views.0).await
    }
}
