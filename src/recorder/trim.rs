//! Deletes applied entries from the journal when the store has confirmed them for `journal.retain`.
//!
//! Not when they are that old: after a long outage everything that was just applied would be deleted at once, and a
//! fail-over at that moment would lose it. A store that is silent confirms nothing, so nothing is deleted: it may come
//! back as it was before.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    recheck::Rechecker,
    shared::{Progress, Shared, Stage},
};
use crate::{
    domain::producer::Seq,
    journal::{JournalError, Usage},
};

/// How often entries are deleted.
const INTERVAL: Duration = Duration::from_secs(1);

/// Decides which entries are deleted.
struct Trimmer {
    retain: Duration,
    /// Moments, and the entry up to which all was applied at that moment; both ascending.
    applied: VecDeque<(Instant, Seq)>,
    /// The last entry that was deleted.
    deleted: Seq,
    rechecker: Rechecker,
}

impl Trimmer {
    /// How many moments are remembered: `retain` is kept to within this share of it.
    const MOMENTS: u32 = 64;

    /// Takes in how far the store is. Returns the entry up to which it has been confirmed for `retain`.
    fn follow(&mut self, progress: &Progress, went_back: Seq) -> Seq {
        // A rewound store invalidates its earlier confirmations.
        for (_, applied) in &mut self.applied {
            *applied = progress.upto.min(went_back).min(*applied);
        }
        let Some(at) = progress.at else { return 0 };
        let now = Instant::now();
        // While a store is silent nothing is taken out, so the number of moments needs a bound.
        let room = self.applied.len() < 2 * Self::MOMENTS as usize;
        if room && self.applied.back().is_none_or(|(then, _)| now - *then >= self.retain / Self::MOMENTS) {
            self.applied.push_back((now, progress.upto));
        }
        let old = self.applied.partition_point(|(then, _)| at.saturating_duration_since(*then) >= self.retain);
        if old == 0 {
            return 0;
        }
        self.applied.drain(..old - 1);
        self.deleted = self.applied.front().map_or(0, |(_, upto)| *upto);
        self.deleted
    }

    async fn trim(&mut self, shared: &Shared) -> Result<Usage, JournalError> {
        self.rechecker.run(shared, self.deleted);
        let progress = shared.progress(self.deleted);
        let delete = self.follow(&progress, shared.watermark.take_went_back());
        let usage = shared.journal.trim(progress.confirmed, progress.upto, delete).await?;
        let gauge = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        shared.metrics.journal.bytes.set(gauge(usage.bytes));
        usage.disk_free.into_iter().for_each(|free| shared.metrics.journal.disk_free_bytes.set(gauge(free)));
        // Free space early, so that appends never wait and /readyz does not report a full journal.
        match usage {
            Usage { room: true, .. } => Ok(usage),
            Usage { disk_full: true, .. } => shared.delete_early("its disk is full").await,
            _ => shared.delete_early("it is close to journal.max_bytes").await,
        }
    }
}

/// Deletes entries until the recorder stops; then once more, so that the next start knows how far the store is.
pub(super) async fn run(shared: Arc<Shared>, mut stage: watch::Receiver<Stage>) {
    let mut trimmer = Trimmer { retain: shared.config.retain, applied: VecDeque::new(), deleted: 0, rechecker: Rechecker::default() };
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let stopping = tokio::select! {
            biased;
            _ = stage.wait_for(|stage| *stage >= Stage::Trimming) => true,
            _ = ticks.tick() => false,
        };
        match trimmer.trim(&shared).await {
            Ok(Usage { more: true, .. }) if !stopping => ticks.reset_immediately(),
            Ok(Usage { room: true, .. }) => shared.health.journal_ready(),
            // There is little room, but it may last for long. Whether the next entry fits shows when it is written.
            Ok(_) => {}
            Err(JournalError::Full(reason)) => shared.health.journal_full(&reason),
            Err(error) => return shared.health.fail(error),
        }
        if stopping {
            return;
        }
    }
}
