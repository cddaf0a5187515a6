//! The most-read lists that were requested lately, with the revision that they were read at. A list is read again, once for
//! all requests that wait for it, when the site's revision has moved.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore},
    time::timeout,
};

use super::site::SiteCounter;
use crate::{
    domain::{
        article::{ArticleId, Section},
        period::Bucket,
        site::SiteId,
    },
    store::{LIST_LEAST, Revision, Store, StoreError, TopList},
};

/// The most lists and histories that are read from the store at once, and that can wait for that.
const MAX_LISTS: usize = 64;
const MAX_WAITING_LISTS: usize = 256;

/// The most lists in memory: each has up to [`LIST_LEAST`] articles, so about 10 KiB.
const MAX_KEPT: usize = 1024;

/// How long a list or a history may take, the wait for its turn included.
const LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// The most-read articles of a bucket.
#[derive(Clone, Debug)]
pub struct MostRead {
    /// Up to [`LIST_LEAST`] articles and their views: most views first, then by id.
    pub articles: Arc<[(ArticleId, u64)]>,
    /// Whether articles may be missing, because the list is being built or the store is unreachable.
    pub stale: bool,
}

/// Which list.
type Key = (SiteId, Option<Section>, Bucket);

/// A list as it was last read.
#[derive(Debug, Default)]
struct Slot {
    /// Held while the list is read, so that one reader serves all that wait.
    reading: AsyncMutex<()>,
    /// How many reads have begun.
    begun: AtomicU64,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    /// The number of the read.
    read: u64,
    revision: Revision,
    most_read: MostRead,
}

impl Slot {
    /// The list, if it was read after `begun` reads had begun, or is whole and of the revision.
    fn current(&self, begun: u64, revision: impl FnOnce() -> Option<Revision>) -> Option<MostRead> {
        let kept = self.kept.lock();
        let kept = kept.as_ref()?;
        let is_current = kept.read > begun || (!kept.most_read.stale && revision() == Some(kept.revision));
        is_current.then(|| kept.most_read.clone())
    }

    fn keep(&self, read: u64, list: &TopList) -> MostRead {
        let most_read = MostRead { articles: list.articles.as_slice().into(), stale: !list.whole };
        *self.kept.lock() = Some(Kept { read, revision: list.revision, most_read: most_read.clone() });
        most_read
    }

    /// The list as it was, whether it is current or not.
    fn last(&self) -> Option<MostRead> {
        self.kept.lock().as_ref().map(|kept| MostRead { stale: true, ..kept.most_read.clone() })
    }
}

/// All lists in memory, and the limit of concurrent reads.
#[derive(Debug)]
pub(super) struct Lists {
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    /// A permit for each list that is read or waits.
    accepted: Semaphore,
    /// A permit for each list that is read.
    reading: Semaphore,
}

impl Default for Lists {
    fn default() -> Self {
        Self { slots: Mutex::default(), accepted: Semaphore::new(MAX_LISTS + MAX_WAITING_LISTS), reading: Semaphore::new(MAX_LISTS) }
    }
}

impl Lists {
    /// Returns a list: from memory if it is current, otherwise from the store.
    ///
    /// # Errors
    /// If the store does not answer in time and the list is not in memory, or too many lists wait.
    pub(super) async fn top(
        &self,
        store: &dyn Store,
        counter: &SiteCounter,
        section: Option<&Section>,
        bucket: Bucket,
    ) -> Result<MostRead, StoreError> {
        let slot = self.slot((counter.id().clone(), section.cloned(), bucket));
        let begun = slot.begun.load(Ordering::Relaxed);
        let waited = async {
            let _reading = slot.reading.lock().await;
            if let Some(list) = slot.current(begun, || counter.fresh_revision()) {
                return Ok(list);
            }
            let read = slot.begun.fetch_add(1, Ordering::Relaxed) + 1;
            let list = self.read(store.top(counter.id(), section, bucket, LIST_LEAST)).await?;
            Ok(slot.keep(read, &list))
        };
        let answer = timeout(LIST_TIMEOUT, waited).await.unwrap_or_else(|_| Err(no_answer()));
        answer.or_else(|error| slot.last().ok_or(error))
    }

    fn slot(&self, key: Key) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        if slots.len() >= MAX_KEPT && !slots.contains_key(&key) {
            // Lists that are requested now come back with one read each.
            slots.clear();
        }
        Arc::clone(slots.entry(key).or_default())
    }

    /// Reads a list or a history when it is its turn.
    ///
    /// # Errors
    /// If too many wait already, or it cannot be read in time.
    pub(super) async fn read<T>(&self, list: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let read = async {
            let too_many = |_| StoreError::NotApplied("too many lists are being read".into());
            let _accepted = self.accepted.try_acquire().map_err(too_many)?;
            // The semaphore is never closed.
            let _reading = self.reading.acquire().await;
            list.await
        };
        timeout(LIST_TIMEOUT, read).await.unwrap_or_else(|_| Err(no_answer()))
    }
}

fn no_answer() -> StoreError {
    StoreError::NotApplied("no answer in time".into())
}
