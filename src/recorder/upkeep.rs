//! Keeps the sections of the store those of the configuration, builds the lists of new ones, and deletes lists past their
//! retention: at the start, after each reload, every hour, and soon after lists were found missing.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};
use tracing::debug;

use super::{
    shared::{Shared, Stage},
    site::SiteCounter,
};

/// How often all sites are visited. Lists past their retention cost only memory.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// How soon all sites are visited again if the store has failed for some, or lacks lists.
const RETRY: Duration = Duration::from_secs(5);

/// The pause between two steps, so that a long build leaves the store to others.
const PAUSE: Duration = Duration::from_millis(1);

/// Works until the recorder stops.
pub(super) async fn run(shared: Arc<Shared>, mut stage: watch::Receiver<Stage>) {
    let work = async {
        loop {
            let wait = if visit_all(&shared).await { INTERVAL } else { RETRY };
            tokio::select! {
                () = sleep(wait) => {}
                () = shared.configured.notified() => {}
                // Instances with different sections take each other's lists away, so not at once.
                () = async { sleep(RETRY).await; shared.lists_missing.notified().await } => {}
            }
        }
    };
    tokio::select! {
        // Dropping a step is like a crash in it: the next start goes on.
        () = work => {}
        _ = stage.wait_for(|stage| *stage > Stage::Running) => {}
    }
}

/// Visits all configured sites, and returns whether the store did what it was asked.
async fn visit_all(shared: &Shared) -> bool {
    let mut all = true;
    for counter in shared.sites.all().values().filter(|counter| counter.is_configured()) {
        all &= visit(shared, counter).await;
    }
    all
}

async fn visit(shared: &Shared, counter: &SiteCounter) -> bool {
    loop {
        match shared.store.maintain(counter.id(), &counter.site().sections).await {
            Ok(true) => sleep(PAUSE).await,
            Ok(false) => return true,
            Err(error) => {
                debug!(site = %counter.id(), %error, "the site's lists could not be maintained");
                return false;
            }
        }
    }
}
