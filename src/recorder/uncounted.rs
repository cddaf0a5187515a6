//! What is counted by [`Kind`] beside the views: sums by site and day, on their way to the journal.
//!
//! No request waits for them. They go into the next entry with views, or, if there is none for a second, into one of their own. So a
//! flood of them costs no more than one sync a second, and memory for a few sums. A process that is killed loses those of the last
//! second; an entry that did not fit into the journal leaves them here for a later one.

use std::{collections::BTreeMap, mem, sync::Arc, time::Duration};

use chrono::NaiveDate;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::site::SiteCounter;
use crate::domain::counts::{Kind, SiteViews};

/// The least time between the last entry with such sums and one that has nothing else.
const PAUSE: Duration = Duration::from_secs(1);

/// Sums of a site on a day.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) counter: Arc<SiteCounter>,
    /// How many views of a batch are of it.
    pub(super) views: usize,
    pub(super) sum: SiteViews,
}

/// By site and day. Counters live as long as the process, so their addresses identify them and are cheap to compare.
pub(super) type Groups = BTreeMap<(usize, NaiveDate), Group>;

/// The group of a site and day; an empty one is made if there is none.
pub(super) fn group<'a>(groups: &'a mut Groups, counter: &Arc<SiteCounter>, day: NaiveDate) -> &'a mut Group {
    let empty = || Group { counter: Arc::clone(counter), views: 0, sum: SiteViews::default() };
    groups.entry((Arc::as_ptr(counter).addr(), day)).or_insert_with(empty)
}

/// How many there are.
pub(super) fn count(groups: &Groups) -> u64 {
    groups.values().flat_map(|group| group.sum.kinds.values()).sum()
}

/// The sums of all sites.
#[derive(Debug, Default)]
pub(super) struct Uncounted {
    groups: Mutex<Groups>,
    /// Wakes the task that writes them.
    arrived: Notify,
}

impl Uncounted {
    /// Counts one.
    pub(super) fn add(&self, counter: &Arc<SiteCounter>, day: NaiveDate, kind: Kind) {
        let mut groups = self.groups.lock();
        let is_first = groups.is_empty();
        group(&mut groups, counter, day).sum.count_kind(kind);
        drop(groups);
        if is_first {
            self.arrived.notify_one();
        }
    }

    /// Takes all.
    pub(super) fn take(&self) -> Groups {
        mem::take(&mut *self.groups.lock())
    }

    /// Takes back what could not be written.
    pub(super) fn put_back(&self, taken: Groups) {
        let mut groups = self.groups.lock();
        for ((_, day), taken) in taken {
            group(&mut groups, &taken.counter, day).sum.add(&taken.sum);
        }
    }

    /// Waits until there are some, and the last ones were written some time ago.
    pub(super) async fn due(&self, last: Instant) {
        while self.groups.lock().is_empty() {
            self.arrived.notified().await;
        }
        sleep_until(last + PAUSE).await;
    }
}
