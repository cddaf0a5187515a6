//! `truycap merge`: all counters of a site moved to another one.
//!
//! The two sites have counters, offset and audit list of their own, perhaps on different servers, so no step can change both.
//! A merge is a correction of each site. Its steps have the same numbers and positions in both: a step takes a chunk out of
//! the first site, whose audit list keeps it, and the step of that number adds the same to the second site. The second
//! producer is derived from the first one.
//!
//! **After a crash**, or if one store goes back to an earlier state, one of the sites is behind. The command first makes its missing
//! steps of what the other site keeps. Only then it takes another chunk. So each chunk is out of the first site and in the
//! second one, or neither, whatever was lost.
//!
//! The merge is complete if the last step was made in both.
//!
//! If too many corrections followed, the changes that one site lacks are not kept any more. Then the command begins another merge, and
//! reports how many views were lost or added twice.

use std::cmp::Ordering;

use super::{
    contents::{Contents, sums},
    course::{Course, is_complete, look_up, position_after, producer},
    error::CorrectionError,
    order::Order,
    report::Report,
};
use crate::{
    domain::{
        correction::{AuditEntry, Change, CorrectionKind},
        producer::{Position, ProducerId},
        site::SiteId,
    },
    transfer::steps::{audit, retried},
};

const KIND: CorrectionKind = CorrectionKind::Merge;

/// The arguments of the command, which both sites keep.
fn arguments(from: &SiteId, into: &SiteId) -> String {
    format!("{from} {into}")
}

/// The producer in the second site.
pub(super) fn second_producer(first: ProducerId) -> ProducerId {
    producer(&["merge into", &first.to_string()])
}

/// The two sites of a merge in an audit list, by the note's `what`.
pub(super) fn sites_of(entry: &AuditEntry) -> Option<(SiteId, SiteId)> {
    let (from, into) = entry.note.what.split_once(' ')?;
    (entry.note.kind == KIND).then_some(())?;
    Some((SiteId::parse(from).ok()?, SiteId::parse(into).ok()?))
}

/// Moves all counters of a site to another one. `progress` is called with the number of articles taken out so far.
///
/// What is counted for the first site meanwhile stays there until the command is given again.
///
/// # Errors
/// If there is nothing to move, or a store cannot be used.
pub async fn merge(order: &Order<'_>, from: &SiteId, into: &SiteId, mut progress: impl FnMut(u64)) -> Result<Report, CorrectionError> {
    if from == into {
        return Err(CorrectionError::Refused(format!("site {from} cannot be merged into itself; name two sites")));
    }
    if order.dry_run {
        return planned(order, from, into).await;
    }
    let mut contents = Contents::new(order, from);
    let (mut merge, mut before, next) = Merge::open(order, from, into).await?;
    let mut notes = Vec::new();
    if !merge.catch_up().await? {
        notes.extend(merge.unbalanced().await?);
        (merge, before) = (Merge::of_producer(order, from, into, next).await?, None);
        // The site that went back can have lost what the other one has of this generation.
        if !merge.catch_up().await? {
            return Err(lost(from, into));
        }
    }
    while !is_complete(merge.first.position()) {
        let (chunk, is_last) = contents.next().await?;
        if chunk.is_empty() && merge.first.position() == Position::START {
            break;
        }
        merge.first.make(chunk.clone(), is_last).await?;
        merge.second.make_to(merge.first.position(), inverse(&chunk)).await?;
        progress(contents.articles);
    }
    let mut report = merge.report(before).await?;
    report.notes.extend(notes);
    Ok(report)
}

/// The corrections of both sites.
struct Merge<'a> {
    order: &'a Order<'a>,
    from: &'a SiteId,
    into: &'a SiteId,
    first: Course<'a>,
    second: Course<'a>,
}

impl<'a> Merge<'a> {
    /// Continues the latest merge of the sites, or begins another one. Returns the one before too, if that is complete, and the
    /// producer of the next one.
    async fn open(
        order: &'a Order<'a>,
        from: &'a SiteId,
        into: &'a SiteId,
    ) -> Result<(Self, Option<ProducerId>, ProducerId), CorrectionError> {
        let second_list = audit(order.store, into).await?;
        let second_of = |first| second_list.iter().find(|entry| entry.producer == second_producer(first));
        // The first site went back to before a merge that was taken back in both.
        let used_up = |first| second_of(first).is_some_and(|entry| entry.undone_by.is_some());
        let command = [KIND.name(), from.as_str(), into.as_str()];
        let (latest, next) = look_up(order.store, from, &command, used_up).await?;
        let (mut producer, mut before) = (next, None);
        if let Some(latest) = latest {
            let second = second_of(latest.producer);
            let undone = [Some(&latest.entry), second].map(|entry| entry.is_none_or(|entry| entry.undone_by.is_some()));
            match undone {
                [true, true] => {}
                [false, _] if second.is_none_or(|entry| entry.undone_by.is_none()) => {
                    let offset = retried(async || order.store.offset(into, second_producer(latest.producer)).await).await?;
                    let is_complete = is_complete(latest.position) && offset == latest.position;
                    (producer, before) = if is_complete { (next, Some(latest.producer)) } else { (latest.producer, None) };
                }
                _ => return Err(half_undone(from, latest.entry.number)),
            }
        }
        Ok((Self::of_producer(order, from, into, producer).await?, before, next))
    }

    /// The merge with a producer in the first site.
    async fn of_producer(order: &'a Order<'a>, from: &'a SiteId, into: &'a SiteId, producer: ProducerId) -> Result<Self, CorrectionError> {
        let note = order.note(KIND, arguments(from, into));
        let first = Course::of_producer(order.store, from, producer, note.clone()).await?;
        let second = Course::of_producer(order.store, into, second_producer(producer), note).await?;
        Ok(Self { order, from, into, first, second })
    }

    /// Makes the steps that one site lacks of those that the other one keeps. Returns whether they are all kept.
    async fn catch_up(&mut self) -> Result<bool, CorrectionError> {
        loop {
            let [first, second] = [self.first.position(), self.second.position()];
            let (ahead, behind, site, goal) = match first.seq.cmp(&second.seq) {
                Ordering::Greater => (&self.first, &mut self.second, self.from, first),
                Ordering::Less => (&self.second, &mut self.first, self.into, second),
                Ordering::Equal if first == second => return Ok(true),
                Ordering::Equal => return Err(self.diverged()),
            };
            let Some(AuditEntry { number, .. }) = ahead.entry().await? else { return Ok(false) };
            let step = behind.position().seq + 1;
            let kept = retried(async || self.order.store.changes(site, number, step).await).await?;
            let Some(kept) = kept else { return Ok(false) };
            let changes = inverse(&kept);
            // The digests are those of what is taken out of the first site.
            let taken = if site == self.from { inverse(&changes) } else { changes.clone() };
            let is_last = step == goal.seq && is_complete(goal);
            behind.make_to(position_after(behind.position(), &taken, is_last), changes).await?;
        }
    }

    fn diverged(&self) -> CorrectionError {
        let (from, into) = (self.from, self.into);
        CorrectionError::Blocked(format!(
            "sites {from} and {into} keep different steps of this merge: look at truycap audit {from} and truycap audit {into}, and take \
             the merge back with truycap undo"
        ))
    }

    /// What the operator should know about a merge that cannot be continued.
    async fn unbalanced(&self) -> Result<Option<String>, CorrectionError> {
        let (from, into) = (self.from, self.into);
        let (first, second) = (self.first.entry().await?, self.second.entry().await?);
        let Some(number) = first.as_ref().map(|entry| entry.number) else { return Ok(None) };
        let sum = |of: fn(&AuditEntry) -> i64| [&first, &second].into_iter().flatten().map(of).fold(0, i64::saturating_add);
        let (views, of_articles) = (sum(|entry| entry.site_views), sum(|entry| entry.article_views));
        let what = if views.min(of_articles) < 0 { "were taken away and not added to" } else { "were added twice to" };
        let (lost, of_articles) = (views.unsigned_abs(), of_articles.unsigned_abs());
        let command = if views == 0 {
            String::new()
        } else {
            format!(": to correct its total, give truycap adjust {into} {} --period total", -views)
        };
        Ok(Some(format!(
            "an earlier merge, correction {number} of site {from}, was interrupted, and too many corrections followed to continue it; {lost} views \
             of site {from} and {of_articles} of its articles {what} site {into}{command}"
        )))
    }

    async fn report(self, before: Option<ProducerId>) -> Result<Report, CorrectionError> {
        let Self { order, from, into, first, second } = self;
        let mut report = Report::new(KIND, into);
        report.notes = first.warnings().into_iter().chain(second.warnings()).collect();
        report.notes.dedup();
        let mut entries = first.entry().await?.zip(second.entry().await?);
        if let (None, Some(before)) = (&entries, before) {
            let of = async |site, producer| {
                Ok::<_, CorrectionError>(audit(order.store, site).await?.into_iter().find(|entry| entry.producer == producer))
            };
            entries = of(from, before).await?.zip(of(into, second_producer(before)).await?);
        }
        let (first, second) = entries.ok_or_else(|| nothing(from))?;
        report.numbered(second.number);
        report.notes.push(format!("in the audit list of site {from} it is correction {}", first.number));
        report.total(order, from, None, first.site_views).await?;
        report.total(order, into, None, second.site_views).await?;
        report.article_views = second.article_views;
        Ok(report)
    }
}

/// What a merge would do.
async fn planned(order: &Order<'_>, from: &SiteId, into: &SiteId) -> Result<Report, CorrectionError> {
    let sums = sums(order, from).await?;
    if sums.counters == 0 {
        return Err(nothing(from));
    }
    let mut report = Report::new(KIND, into);
    report.article_views = sums.article_views.cast_signed();
    report.notes.push(format!("{} articles", sums.articles));
    report.total(order, from, None, -sums.site.cast_signed()).await?;
    report.total(order, into, None, sums.site.cast_signed()).await?;
    Ok(report)
}

fn nothing(from: &SiteId) -> CorrectionError {
    CorrectionError::Refused(format!("site {from} has no views"))
}

fn half_undone(from: &SiteId, number: u64) -> CorrectionError {
    CorrectionError::Blocked(format!(
        "the earlier merge, correction {number} of site {from}, is not taken back completely: first give truycap undo {from} {number}"
    ))
}

fn lost(from: &SiteId, into: &SiteId) -> CorrectionError {
    CorrectionError::Blocked(format!(
        "the merge cannot be continued, because too many corrections followed: look at truycap audit {from} and truycap audit {into}"
    ))
}

fn inverse(changes: &[Change]) -> Vec<Change> {
    changes.iter().map(Change::inverse).collect()
}
