//! Why a correction cannot be taken back: which later correction took away the views that it had added.

use super::{error::CorrectionError, order::Order};
use crate::{
    domain::{
        correction::{AuditEntry, BelowZero, Change},
        site::SiteId,
    },
    transfer::steps::{StepError, audit, retried},
};

/// Says which counter would get below zero, and which later correction to take back first: the latest one that took views away from it.
pub(super) async fn blame(order: &Order<'_>, site: &SiteId, number: u64, below: &BelowZero) -> Result<String, CorrectionError> {
    let counter = StepError::BelowZero(below.clone());
    for entry in audit(order.store, site).await?.iter().rev().filter(|entry| entry.number > number && entry.undone_by.is_none()) {
        if takes_from(order, site, entry, below).await? {
            let later = entry.number;
            return Ok(format!(
                "{counter}, fewer than correction {number} added, because correction {later} took some away: first give truycap undo {site} {later}"
            ));
        }
    }
    Ok(format!("{counter}, fewer than correction {number} added, and no later correction that is kept took them away"))
}

async fn takes_from(order: &Order<'_>, site: &SiteId, entry: &AuditEntry, below: &BelowZero) -> Result<bool, CorrectionError> {
    let takes =
        |change: &Change| change.views < 0 && change.subject == below.subject && change.buckets.buckets().any(|b| b == below.bucket);
    for step in 1..=entry.steps {
        let changes = retried(async || order.store.changes(site, entry.number, step).await).await?;
        if changes.is_some_and(|changes| changes.iter().any(takes)) {
            return Ok(true);
        }
    }
    Ok(false)
}
