//! What has to be done from time to time: forgetting, and talking to Redis about readers.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::time::sleep;
use tracing::debug;

use super::{Key, Reader, Readers, visitors::Errand};
use crate::store::{SharedVisitors, Store, StoreError};

/// How often.
const INTERVAL: Duration = Duration::from_secs(1);

/// Looks after what is known of readers, for ever.
pub async fn tend(readers: Arc<Readers>, store: Arc<dyn Store>, clock: fn() -> DateTime<Utc>) {
    loop {
        sleep(INTERVAL).await;
        let now = clock();
        readers.repeats.forget(now);
        readers.visitors.forget(now);
        if let Some(shared) = store.visitors() {
            for errand in readers.visitors.errands(now) {
                // Estimates may lose a moment; what counts is not kept waiting by them.
                if let Err(error) = run(&readers, shared, &errand, now).await {
                    readers.visitors.give_up(&errand.site, errand.day);
                    debug!(site = %errand.site, %error, "readers could not be counted");
                }
            }
        }
    }
}

async fn run(readers: &Readers, shared: &dyn SharedVisitors, errand: &Errand, now: DateTime<Utc>) -> Result<(), StoreError> {
    let mut hashes: Vec<_> = errand.readers.iter().map(|reader| reader.bytes()).collect();
    if errand.needs_key {
        let Some(offer) = Key::random() else { return Ok(()) };
        let key = shared.key(&errand.site, errand.day, offer.bytes()).await?;
        let waited = readers.visitors.learn_key(&errand.site, errand.day, Key::from(key));
        hashes.extend(waited.into_iter().map(Reader::bytes));
    }
    let counts = shared.count(&errand.site, errand.day, errand.minute, &hashes).await?;
    readers.visitors.learn_counts(&errand.site, errand.day, counts, now);
    Ok(())
}
