//! What the commands have in common: the store, when and why, and the changes of a subject.

use chrono::{DateTime, Utc};

use super::error::CorrectionError;
use crate::{
    domain::{
        correction::{Change, CorrectionKind, Note},
        counts::{Kind, Subject},
        period::{Bucket, BucketSet},
        site::SiteId,
    },
    store::Store,
    transfer::steps::{StepError, audit, retried},
};

/// A correction that an operator orders.
pub struct Order<'a> {
    /// Where the counters are.
    pub store: &'a dyn Store,
    /// When it is ordered.
    pub at: DateTime<Utc>,
    /// Why; can be empty.
    pub reason: &'a str,
    /// Whether nothing is changed.
    pub dry_run: bool,
}

impl Order<'_> {
    /// What the audit list keeps. `what` are the arguments of the command, so that it can be given again.
    pub(super) fn note(&self, kind: CorrectionKind, what: String) -> Note {
        Note { at: self.at, kind, what, reason: self.reason.into(), undoes: None }
    }

    /// All buckets that have views.
    pub(super) async fn counts(&self, site: &SiteId, subject: &Subject) -> Result<Vec<(Bucket, u64)>, StepError> {
        retried(async || self.store.counts(site, subject).await).await
    }
}

/// Whether a store has counters or corrections of a site.
///
/// # Errors
/// If the store cannot be used.
pub async fn holds_site(store: &dyn Store, site: &SiteId) -> Result<bool, CorrectionError> {
    if !audit(store, site).await?.is_empty() {
        return Ok(true);
    }
    for subject in own_subjects() {
        if !retried(async || store.counts(site, &subject).await).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The subjects of every site: all but its articles.
pub(super) fn own_subjects() -> impl Iterator<Item = Subject> {
    std::iter::once(Subject::Site).chain(Kind::ALL.map(Subject::Kind))
}

/// The changes that take away the counters of a subject. Buckets with the same views share one change.
pub(super) fn take_away(subject: &Subject, counts: &[(Bucket, u64)]) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for &(bucket, views) in counts {
        let views = -views.cast_signed();
        let has_room = |set: &BucketSet| bucket.period().map_or(!set.total, |period| set.periods[period as usize].is_none());
        match changes.iter_mut().find(|change| change.views == views && has_room(&change.buckets)) {
            Some(change) => change.buckets = change.buckets.buckets().chain([bucket]).collect(),
            None => changes.push(Change { subject: subject.clone(), buckets: [bucket].into_iter().collect(), views }),
        }
    }
    changes
}

/// An argument of a command as a shell reads it.
pub(super) fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/_.,:=@%+-".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) { argument.into() } else { format!("'{}'", argument.replace('\'', r"'\''")) }
}
