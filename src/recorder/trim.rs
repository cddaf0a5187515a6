//! Lets go of applied entries when their time has passed.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    Stage, TRIM_INTERVAL,
    shared::{Confirmed, Shared},
};
use crate::{
    domain::producer::Seq,
    journal::{JournalError, Usage},
};

/// Which entries may go. An entry is kept until the store has confirmed it over a span of `retain`: not until it is that
/// old, or a fail-over soon after a long outage would find it gone; and not while the store is silent, for it may come
/// back as it was before.
struct Trimmer {
    retain: Duration,
    /// Moments and the entries up to which all was applied then, both ascending.
    seen: VecDeque<(Instant, Seq)>,
    /// The last entry that was let go.
    deleted: Seq,
}

impl Trimmer {
    /// How many moments are remembered; `retain` is kept to within this share of it.
    const MOMENTS: u32 = 64;

    /// Takes in how far the store is; answers up to which entry it has been so for `retain`.
    fn follow(&mut self, confirmed: &Confirmed, went_back: Seq) -> Seq {
        // A store that went back takes its word back.
        for (_, seen) in &mut self.seen {
            *seen = confirmed.upto.min(went_back).min(*seen);
        }
        let Some(at) = confirmed.at else { return 0 };
        let now = Instant::now();
        // While a store is silent nothing is taken out, so nothing is put in without end.
        let room = self.seen.len() < 2 * Self::MOMENTS as usize;
        if room && self.seen.back().is_none_or(|(then, _)| now - *then >= self.retain / Self::MOMENTS) {
            self.seen.push_back((now, confirmed.upto));
        }
        let old = self.seen.partition_point(|(then, _)| at.saturating_duration_since(*then) >= self.retain);
        if old == 0 {
            return 0;
        }
        self.seen.drain(..old - 1);
        self.deleted = self.seen.front().map_or(0, |(_, upto)| *upto);
        self.deleted
    }

    async fn trim(&mut self, shared: &Shared) -> Result<Usage, JournalError> {
        shared.recheck(self.deleted);
        let confirmed = shared.confirmed(self.deleted);
        let delete = self.follow(&confirmed, shared.take_went_back());
        let usage = shared.journal.trim(confirmed.offsets, confirmed.upto, delete).await?;
        shared.metrics.journal.bytes.set(i64::try_from(usage.bytes).unwrap_or(i64::MAX));
        // Before somebody has to wait for it, and before the journal seems full to who asks whether views are taken.
        if usage.room { Ok(usage) } else { shared.make_room().await }
    }
}

/// Deletes entries whose time has passed, until told to stop; then once more, so that the next start knows how far the
/// store is.
pub(super) async fn run(shared: Arc<Shared>, mut stage: watch::Receiver<Stage>) {
    let mut trimmer = Trimmer { retain: shared.config.retain, seen: VecDeque::new(), deleted: 0 };
    let mut ticks = interval(TRIM_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let stopping = tokio::select! {
            biased;
            _ = stage.wait_for(|stage| *stage >= Stage::Trimming) => true,
            _ = ticks.tick() => false,
        };
        match trimmer.trim(&shared).await {
            Ok(Usage { more: true, .. }) if !stopping => ticks.reset_immediately(),
            // Whether there is none, the next entry will tell: a little is left, and may do for long.
            Ok(Usage { room: true, .. }) => shared.journal_room(true, ""),
            Ok(_) => {}
            Err(JournalError::Full(why)) => shared.journal_room(false, &why),
            Err(error) => return shared.fail(error),
        }
        if stopping {
            return;
        }
    }
}
