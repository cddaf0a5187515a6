//! Asks the store again for sites that are not requested, so that a store that went back is repaired for them too, and a
//! store that is reachable again is seen to be.

use std::time::Duration;

use tokio::time::Instant;

use super::{health::StoreFault, shared::Shared};
use crate::domain::producer::Seq;

/// The shortest time between two choices. A little less than the second between two calls of the trimmer, which differ by
/// what the machine needs to wake it.
const INTERVAL: Duration = Duration::from_millis(900);

/// How old the store's confirmation of a site's offset may become before the store is asked again. It is also the shortest
/// time between two rounds over all sites.
const RECHECK: Duration = Duration::from_secs(5);

/// The most sites that are asked for at a time because of that. With more sites in the journal, a round over all of
/// them takes longer than [`RECHECK`].
const MAX_RECHECKS: usize = 100;

/// Chooses the sites.
#[derive(Debug, Default)]
pub(super) struct Rechecker {
    last_run: Option<Instant>,
    /// The last round over all sites.
    last_round: Option<Instant>,
}

impl Rechecker {
    /// Asks the store again for sites with entries after `deleted`, and for sites for which its last call failed: those that
    /// were called for longest ago first. After a rewind it asks for all of them at once, because the store has probably gone
    /// back for all. After an outage it asks at once for those for which the store is unreachable.
    pub(super) fn run(&mut self, shared: &Shared, deleted: Seq) {
        let now = Instant::now();
        if self.last_run.is_some_and(|last| now - last < INTERVAL) {
            return;
        }
        self.last_run = Some(now);
        let recovered = shared.health.take_recovered();
        let round = self.last_round.is_none_or(|last| now - last >= RECHECK) && shared.watermark.take_rewound();
        if round {
            self.last_round = Some(now);
        }
        let sites = shared.sites.all();
        let (mut urgent, mut due) = (Vec::new(), Vec::new());
        for counter in sites.values() {
            let inner = counter.lock();
            let Some(answered) = inner.freshness.last_answered() else { continue };
            let fault = inner.health.fault();
            let matters = fault != StoreFault::None || inner.state.place().is_some_and(|place| place.included > deleted);
            if matters && (round || (recovered && fault == StoreFault::Unreachable)) {
                urgent.push(counter);
            } else if matters && now - answered >= RECHECK {
                due.push((inner.freshness.last_called(), counter));
            }
        }
        due.sort_unstable_by_key(|(called, _)| *called);
        let due = due.into_iter().take(MAX_RECHECKS).map(|(_, counter)| counter);
        urgent.into_iter().chain(due).for_each(|counter| counter.recheck());
    }
}
