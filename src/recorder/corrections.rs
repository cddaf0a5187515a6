//! Keeps in the journal which corrections the store had, and reports those that it has lost: a store that is restored from an
//! older copy gets its views again from the journal, but not what commands changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tracing::{debug, error};

use super::{
    shared::{Shared, Stage},
    site::SiteCounter,
};
use crate::{
    domain::{
        correction::{AuditEntry, KEPT_CHANGES},
        site::SiteId,
    },
    journal::{JournalError, SeenCorrection},
    store::StoreError,
};

/// How often the sites are visited whose counters another process has changed.
const INTERVAL: Duration = Duration::from_secs(1);

/// How often all sites are visited, each with all corrections that the journal has: one that is not requested can change too, and an
/// earlier correction can get further steps.
const FULL_INTERVAL: Duration = Duration::from_secs(60);

/// The most lost corrections of a site that are logged one by one, the latest ones.
const MAX_LOGGED: usize = 20;

/// Why a site's corrections could not be compared.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Journal(#[from] JournalError),
}

/// Works until the recorder stops.
pub(super) async fn run(shared: Arc<Shared>, mut stage: watch::Receiver<Stage>) {
    let work = async {
        // The last correction that the journal has, of each site that was visited.
        let mut last = BTreeMap::new();
        let mut full_at = Instant::now();
        loop {
            sleep(INTERVAL).await;
            let full = Instant::now() >= full_at;
            if full {
                full_at = Instant::now() + FULL_INTERVAL;
            }
            // Also those that are not configured any more: a site is taken out before it is deleted or merged into another one.
            for counter in shared.sites.all().values() {
                let changed = counter.lock().take_changed_elsewhere();
                if full || changed {
                    visit(&shared, counter, full, &mut last).await;
                }
            }
        }
    };
    tokio::select! {
        // Dropping a visit is like a crash in it: the next start compares again.
        () = work => {}
        _ = stage.wait_for(|stage| *stage > Stage::Running) => {}
    }
}

async fn visit(shared: &Shared, counter: &SiteCounter, full: bool, last: &mut BTreeMap<SiteId, Option<SeenCorrection>>) {
    let known = last.remove(counter.id()).filter(|_| !full);
    let followed = match known {
        Some(known) => follow(shared, counter.id(), known.into_iter().collect()).await,
        None => follow_all(shared, counter.id()).await,
    };
    match followed {
        Ok(now) => {
            last.insert(counter.id().clone(), now);
        }
        Err(error) => {
            debug!(site = %counter.id(), %error, "the site's corrections could not be compared");
            counter.lock().changed_elsewhere();
        }
    }
}

async fn follow_all(shared: &Shared, site: &SiteId) -> Result<Option<SeenCorrection>, FollowError> {
    let known = shared.journal.corrections(site).await?;
    follow(shared, site, known).await
}

/// Compares the store's corrections with the latest ones that it had, `known`. Returns the last one.
async fn follow(shared: &Shared, site: &SiteId, known: Vec<SeenCorrection>) -> Result<Option<SeenCorrection>, FollowError> {
    let after = known.first().map_or(0, |first| first.number.saturating_sub(1));
    let listed: Vec<_> = shared.store.audit(site, after).await?.iter().map(seen).collect();
    let is_here = |known: &SeenCorrection, listed: Option<&SeenCorrection>| {
        listed.is_some_and(|listed| listed.producer == known.producer && listed.steps >= known.steps)
    };
    if (0..).zip(&known).any(|(at, known)| !is_here(known, listed.get(at))) {
        return compare(shared, site).await;
    }
    let last = listed.last().cloned();
    if listed != known {
        shared.journal.keep_corrections(site, after, latest(listed)).await?;
    }
    Ok(last)
}

/// The store lacks some of what it had. Reports all that it lacks.
async fn compare(shared: &Shared, site: &SiteId) -> Result<Option<SeenCorrection>, FollowError> {
    let known = shared.journal.corrections(site).await?;
    let listed: Vec<_> = shared.store.audit(site, 0).await?.iter().map(seen).collect();
    // Reported before they are forgotten: after a crash in between, they are reported again.
    report(shared, site, &lost(known, &listed));
    let last = listed.last().cloned();
    shared.journal.keep_corrections(site, 0, latest(listed)).await?;
    Ok(last)
}

/// What is lost of the known corrections, with the number of steps that are left. A correction and its undo that are both lost have no
/// effect to give again.
fn lost(known: Vec<SeenCorrection>, listed: &[SeenCorrection]) -> Vec<(SeenCorrection, u64)> {
    let steps_left =
        |known: &SeenCorrection| listed.iter().find(|listed| listed.producer == known.producer).map_or(0, |listed| listed.steps);
    let lost: Vec<_> = known.into_iter().map(|known| (steps_left(&known), known)).filter(|(left, known)| *left < known.steps).collect();
    let gone: BTreeSet<u64> = lost.iter().filter(|(left, _)| *left == 0).map(|(_, known)| known.number).collect();
    let taken_back: BTreeSet<u64> = lost.iter().filter(|(left, _)| *left == 0).filter_map(|(_, known)| known.note.undoes).collect();
    let has_effect = |known: &SeenCorrection| {
        let is_taken_back = gone.contains(&known.number) && taken_back.contains(&known.number);
        !is_taken_back && !known.note.undoes.is_some_and(|target| gone.contains(&known.number) && gone.contains(&target))
    };
    lost.into_iter().filter(|(_, known)| has_effect(known)).map(|(left, known)| (known, left)).collect()
}

fn seen(entry: &AuditEntry) -> SeenCorrection {
    SeenCorrection { number: entry.number, producer: entry.producer, note: entry.note.clone(), steps: entry.steps }
}

/// The corrections that the journal keeps.
fn latest(mut seen: Vec<SeenCorrection>) -> Vec<SeenCorrection> {
    let dropped = seen.len().saturating_sub(usize::try_from(KEPT_CHANGES).unwrap_or(usize::MAX));
    seen.drain(..dropped);
    seen
}

fn report(shared: &Shared, site: &SiteId, lost: &[(SeenCorrection, u64)]) {
    shared.metrics.store.lost_corrections.inc_by(lost.len() as u64);
    let left_out = lost.len().saturating_sub(MAX_LOGGED);
    for (SeenCorrection { number, note, steps, .. }, left) in lost.iter().skip(left_out) {
        error!(
            event = "correction_lost", site = %site, number, kind = note.kind.name(), what = note.what, reason = note.reason, at = %note.at,
            steps, left, "the store went back to before this correction, or into it: give the command again if it still holds"
        );
    }
    if left_out > 0 {
        error!(event = "correction_lost", site = %site, left_out, "the store has lost earlier corrections too: compare with a backup");
    }
}
