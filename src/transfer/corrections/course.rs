//! A correction that a command begins, or continues.
//!
//! **Which correction is continued.** The producer of a correction is a hash of the command's kind and arguments and of a
//! generation: 0, 1, 2 … The command looks for the first generation that the audit list does not have. The one before it is
//! the latest correction by this command. If that is not complete and not taken back, the command continues it; otherwise it
//! begins the next generation. So a command that is given again after a crash continues, and one that is given again on purpose
//! is a correction of its own.
//!
//! **What is complete.** The position after the last step is marked, in the lowest bit of its digest. The store writes it
//! together with the step, so a correction is complete exactly if its last step was made.
//!
//! This is sound also if the store goes back to an earlier state: audit list, offsets and counters go back together, so a
//! correction that the store lost is begun again as the same generation.

use sha2::{Digest as _, Sha256};

use super::error::CorrectionError;
use crate::{
    domain::{
        correction::{AuditEntry, Change, Note},
        counts::Subject,
        producer::{Digest, Position, ProducerId},
        site::SiteId,
    },
    store::Store,
    transfer::steps::{Made, Steps, audit, retried},
};

/// A producer id made of texts.
pub(super) fn producer(parts: &[&str]) -> ProducerId {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    ProducerId(hash.finalize().iter().take(16).fold(0, |id, &byte| id << 8 | u128::from(byte)))
}

/// The position after a step: its digest is one over all steps so far. The same steps have the same positions, so it shows
/// whether another process made other ones.
pub(super) fn position_after(from: Position, changes: &[Change], is_last: bool) -> Position {
    let mut hash = Sha256::new_with_prefix(from.digest.0.to_be_bytes());
    for Change { subject, buckets, views } in changes {
        let (kind, name) = match subject {
            Subject::Site => ("site", ""),
            Subject::Kind(kind) => ("kind", kind.name()),
            Subject::Article(article) => ("article", article.as_str()),
        };
        hash.update(format!("{kind} {} {name}\n{views}", name.len()));
        buckets.buckets().for_each(|bucket| hash.update(format!(" {bucket}")));
        hash.update("\n");
    }
    let digest = hash.finalize().iter().take(8).fold(0, |digest, &byte| digest << 8 | u64::from(byte));
    Position { seq: from.seq + 1, digest: Digest(digest & !1 | u64::from(is_last)) }
}

/// Whether a position is the one after the last step.
pub(super) fn is_complete(position: Position) -> bool {
    position.digest.0 & 1 == 1
}

/// The latest correction of a site by a command.
pub(super) struct Latest {
    /// Its producer.
    pub(super) producer: ProducerId,
    /// Its entry in the audit list.
    pub(super) entry: AuditEntry,
    /// How far it is.
    pub(super) position: Position,
}

/// Finds the latest correction by a command, and the producer of the next one. Generations that the audit list lacks are left out if
/// they are used up.
pub(super) async fn look_up(
    store: &dyn Store,
    site: &SiteId,
    command: &[&str],
    is_used_up: impl Fn(ProducerId) -> bool,
) -> Result<(Option<Latest>, ProducerId), CorrectionError> {
    let list = audit(store, site).await?;
    let mut latest = None;
    for generation in 0_u64.. {
        let producer = producer(&[command, &[&generation.to_string()]].concat());
        let entry = list.iter().find(|entry| entry.producer == producer);
        if entry.is_none() && is_used_up(producer) {
            continue;
        }
        let Some(entry) = entry else {
            let Some(AuditEntry { producer: before, .. }) = latest else { return Ok((None, producer)) };
            let position = retried(async || store.offset(site, before).await).await?;
            return Ok((latest.map(|entry| Latest { producer: before, entry, position }), producer));
        };
        latest = Some(entry.clone());
    }
    Err(CorrectionError::Refused("the audit list has no end".into()))
}

/// The steps of one correction.
pub(super) struct Course<'a> {
    steps: Steps<'a>,
    store: &'a dyn Store,
    site: SiteId,
    producer: ProducerId,
    /// The latest correction by the same command, if that is complete and was not taken back.
    before: Option<AuditEntry>,
}

impl<'a> Course<'a> {
    /// Continues the latest correction by a command if that is not complete, otherwise begins one.
    pub(super) async fn of_command(store: &'a dyn Store, site: &SiteId, command: &[&str], note: Note) -> Result<Self, CorrectionError> {
        let (latest, next) = look_up(store, site, command, |_| false).await?;
        let active = latest.filter(|latest| latest.entry.undone_by.is_none());
        let (producer, before) = match active {
            Some(latest) if is_complete(latest.position) => (next, Some(latest.entry)),
            Some(latest) => (latest.producer, None),
            None => (next, None),
        };
        Ok(Self { before, ..Self::of_producer(store, site, producer, note).await? })
    }

    /// The correction with a producer.
    pub(super) async fn of_producer(
        store: &'a dyn Store,
        site: &SiteId,
        producer: ProducerId,
        note: Note,
    ) -> Result<Self, CorrectionError> {
        let steps = Steps::open(store, site.clone(), producer, note).await?;
        Ok(Self { steps, store, site: site.clone(), producer, before: None })
    }

    pub(super) fn position(&self) -> Position {
        self.steps.position()
    }

    /// Makes a step.
    pub(super) async fn make(&mut self, changes: Vec<Change>, is_last: bool) -> Result<(), CorrectionError> {
        self.make_to(position_after(self.position(), &changes, is_last), changes).await
    }

    /// Makes a step that ends at a position.
    pub(super) async fn make_to(&mut self, to: Position, changes: Vec<Change>) -> Result<(), CorrectionError> {
        match self.steps.make(to, changes).await? {
            Made::Before if self.position() != to => Err(CorrectionError::Busy(self.site.clone())),
            Made::Now | Made::Before => Ok(()),
        }
    }

    /// Makes the last step. If there is nothing to change, it only completes a correction that has begun.
    pub(super) async fn finish(&mut self, changes: Vec<Change>) -> Result<(), CorrectionError> {
        if changes.is_empty() && (self.position() == Position::START || is_complete(self.position())) {
            return Ok(());
        }
        self.make(changes, true).await
    }

    /// The correction's entry in the audit list. If there was nothing to change, the one of the correction by the same command
    /// that has changed it: the command was given again after it was complete.
    pub(super) async fn entry(&self) -> Result<Option<AuditEntry>, CorrectionError> {
        let own = audit(self.store, &self.site).await?.into_iter().find(|entry| entry.producer == self.producer);
        Ok(own.or_else(|| self.before.clone()))
    }

    /// Whether there was nothing to change.
    fn is_idle(&self) -> bool {
        self.position() == Position::START
    }

    /// What the operator should know, one sentence each.
    pub(super) fn warnings(&self) -> Vec<String> {
        let saturated = "a counter has reached 2^53 - 1 and stays there; some views are missing from it";
        let jumped = "this machine's clock is more than a day away from the latest time of the store; check it";
        let idle = "nothing was left to change, because the command was given before";
        let warnings = [(self.is_idle(), idle), (self.steps.saturated, saturated), (self.steps.clock_jumped, jumped)];
        warnings.into_iter().filter(|(is, _)| *is).map(|(_, warning)| warning.to_owned()).collect()
    }
}
