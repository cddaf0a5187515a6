//! Producers of files that were imported, taken back and imported again.

use super::steps::{StepError, audit};
use crate::{
    domain::{producer::ProducerId, site::SiteId},
    store::Store,
};

/// The producer of the first generation of a file that no correction has taken back. `id` makes the producer of a generation.
///
/// # Errors
/// If what takes one back is not complete: the file would be added to what is left of that.
pub(super) async fn live(store: &dyn Store, site: &SiteId, id: impl Fn(u64) -> ProducerId) -> Result<ProducerId, StepError> {
    let audit = audit(store, site).await?;
    // Each generation has its own entry in the list, so one of so many is free.
    for producer in (0..audit.len() as u64).map(&id) {
        let Some(entry) = audit.iter().find(|entry| entry.producer == producer) else { return Ok(producer) };
        let Some(by) = entry.undone_by else { return Ok(producer) };
        let is_complete = audit.iter().any(|undo| undo.number == by && undo.steps >= entry.steps);
        if !is_complete {
            return Err(StepError::Unfinished { site: site.clone(), number: entry.number });
        }
    }
    Ok(id(audit.len() as u64))
}
