//! How many visitors a site has: online now, and today. These are estimates beside the counters; they never go through the
//! journal.
//!
//! A single instance remembers its visitors itself. Instances that share a store count them there: once a second each of
//! them sends the visitors it has seen and reads how many there are in all. No response waits for either.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::task::JoinSet;
use tracing::debug;

use super::visitor_key::{VisitorHash, VisitorKey, is_over};
use crate::{
    domain::site::{Site, SiteId},
    store::{SharedVisitors, Store, StoreError, VisitorCounts},
};

/// The most visitors of all sites that a single instance remembers for a day: about 60 bytes each. Further ones are not
/// added.
pub const MAX_VISITORS: usize = 200_000;

/// The most visitors of a site that wait to be sent to the shared store. Further ones are left out.
const MAX_WAITING: usize = 10_000;

/// The most visitors of a site that wait for the day's key: at most about a kilobyte each.
const MAX_NAMELESS: usize = 1000;

/// The most sites whose visitors are sent at the same time.
const MAX_JOBS: usize = 16;

/// For how many minutes after the one in which it was last seen a visitor is online.
const ONLINE_MINUTES: i64 = 5;

/// After how many seconds without an answer from the shared store there is no estimate.
const STALE_SECONDS: i64 = 30;

/// How many visitors there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Seen within the last five minutes, or up to a minute more.
    pub online: u64,
    /// Seen since midnight of the site.
    pub visitors_today: u64,
}

/// The visitors of all sites that estimate them.
#[derive(Debug)]
pub struct Visitors {
    /// Whether instances count them together, in a shared store.
    shared: bool,
    sites: Mutex<HashMap<SiteId, Arc<Mutex<SiteVisitors>>>>,
    remembered: AtomicUsize,
}

/// The visitors of a site's day.
#[derive(Debug)]
struct SiteVisitors {
    day: NaiveDate,
    timezone: Tz,
    /// The key that hashes the visitors. If the store is shared, the key comes from there and is unknown at first.
    key: Option<VisitorKey>,
    /// The minute in which each visitor was last seen; with a shared store, only of those that were not sent yet.
    seen: HashMap<VisitorHash, i64>,
    /// Visitors seen before the key was known. They wait only for the next call of the shared store, and are never written
    /// anywhere.
    nameless: Vec<[Box<[u8]>; 2]>,
    /// The last estimate, and the second it is from.
    known: Option<(i64, Estimate)>,
    /// Whether the shared store must be called: there was a visitor, or a request for the estimate, since the last call.
    active: bool,
}

/// What is sent to the shared store about a site.
#[derive(Debug)]
struct SyncJob {
    site: SiteId,
    day: NaiveDate,
    /// Whether the day's key is not known yet.
    needs_key: bool,
    /// The present minute.
    minute: i64,
    /// Visitors, and the minute in which each was last seen.
    seen: Vec<(VisitorHash, i64)>,
}

impl Visitors {
    /// No visitors yet. `shared` is true if the store counts the visitors of several instances.
    #[must_use]
    pub fn new(shared: bool) -> Self {
        Self { shared, sites: Mutex::default(), remembered: AtomicUsize::new(0) }
    }

    /// Records that a visitor, who is described by `parts`, was seen.
    pub fn record(&self, site: &Site, parts: [&[u8]; 2], now: DateTime<Utc>) {
        let today = self.today(site, now);
        let mut today = today.lock();
        today.active = true;
        let Some(key) = today.key else {
            if self.shared && today.nameless.len() < MAX_NAMELESS {
                today.nameless.push(parts.map(Box::from));
            }
            return;
        };
        let (visitor, minute) = (key.hash(&parts), minute(now));
        if let Some(seen) = today.seen.get_mut(&visitor) {
            *seen = minute;
        } else if self.shared {
            if today.seen.len() < MAX_WAITING {
                today.seen.insert(visitor, minute);
            }
        } else if self.remembered.fetch_add(1, Relaxed) < MAX_VISITORS {
            today.seen.insert(visitor, minute);
        } else {
            self.remembered.fetch_sub(1, Relaxed);
        }
    }

    /// How many visitors are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.remembered.load(Relaxed)
    }

    /// How many visitors there are; `None` if the shared store has not answered lately.
    #[must_use]
    pub fn estimate(&self, site: &Site, now: DateTime<Utc>) -> Option<Estimate> {
        let today = self.today(site, now);
        let mut today = today.lock();
        today.active = true;
        let at = now.timestamp();
        if self.shared {
            return today.known.filter(|(known, _)| (at - known).abs() <= STALE_SECONDS).map(|(_, estimate)| estimate);
        }
        // Counting a large number once a second is enough.
        if today.known.is_none_or(|(known, estimate)| known != at || estimate.visitors_today < 1000) {
            let online = today.seen.values().filter(|seen| minute(now) - **seen <= ONLINE_MINUTES).count();
            today.known = Some((at, Estimate { online: online as u64, visitors_today: today.seen.len() as u64 }));
        }
        today.known.map(|(_, estimate)| estimate)
    }

    /// Forgets days that have ended, also of sites that get no views.
    pub fn forget(&self, now: DateTime<Utc>) {
        self.sites.lock().retain(|_, site| {
            let inner = site.lock();
            // A day that a request is using is kept until the next call.
            let over = is_over(inner.day, inner.timezone, now) && Arc::strong_count(site) == 1;
            if over {
                self.release(inner.seen.len());
            }
            !over
        });
    }

    /// Sends visitors to the shared store and reads how many there are, for several sites at a time. Does nothing if the
    /// store is
    /// not shared.
    pub async fn sync(self: &Arc<Self>, store: &Arc<dyn Store>, now: DateTime<Utc>) {
        if store.visitors().is_none() {
            return;
        }
        let mut running = JoinSet::new();
        for job in self.jobs(now) {
            if running.len() >= MAX_JOBS {
                running.join_next().await;
            }
            running.spawn(Arc::clone(self).run(Arc::clone(store), job, now));
        }
        while running.join_next().await.is_some() {}
    }

    async fn run(self: Arc<Self>, store: Arc<dyn Store>, mut job: SyncJob, now: DateTime<Utc>) {
        let Some(shared) = store.visitors() else { return };
        if let Err(error) = self.send(shared, &mut job, now).await {
            debug!(site = %job.site, %error, "visitors were not sent to the store; trying again");
            self.restore(job);
        }
    }

    async fn send(&self, shared: &dyn SharedVisitors, job: &mut SyncJob, now: DateTime<Utc>) -> Result<(), StoreError> {
        if job.needs_key {
            let Some(offer) = VisitorKey::random() else { return Ok(()) };
            let key = shared.key(&job.site, job.day, offer.bytes()).await?;
            let named = self.set_key(&job.site, job.day, key.into());
            job.seen.extend(named.into_iter().map(|visitor| (visitor, job.minute)));
        }
        // Each visitor counts as online from the minute in which it was seen. One that is no longer online by the time it
        // can be sent counts only for the day.
        let mut minutes = BTreeMap::from([(job.minute, Vec::new())]);
        for (visitor, seen) in &job.seen {
            let minute = (*seen).clamp(job.minute - ONLINE_MINUTES - 1, job.minute);
            minutes.entry(minute).or_default().push(visitor.bytes());
        }
        // The current minute is sent last, so the last answer holds the current numbers.
        for (minute, visitors) in minutes {
            let VisitorCounts { online, today } = shared.count(&job.site, job.day, minute, &visitors).await?;
            let estimate = Estimate { online, visitors_today: today };
            self.update(&job.site, job.day, |site| site.known = Some((now.timestamp(), estimate)));
        }
        Ok(())
    }

    /// Takes the waiting visitors of each active site.
    fn jobs(&self, now: DateTime<Utc>) -> Vec<SyncJob> {
        let job = |(site, visitors): (&SiteId, &Arc<Mutex<SiteVisitors>>)| {
            let mut visitors = visitors.lock();
            if !std::mem::take(&mut visitors.active) {
                return None;
            }
            let seen = visitors.seen.drain().collect();
            Some(SyncJob { site: site.clone(), day: visitors.day, needs_key: visitors.key.is_none(), minute: minute(now), seen })
        };
        self.sites.lock().iter().filter_map(job).collect()
    }

    /// Sets the key of a site's day. Returns the visitors that waited for it.
    fn set_key(&self, site: &SiteId, day: NaiveDate, key: VisitorKey) -> Vec<VisitorHash> {
        let mut waited = Vec::new();
        self.update(site, day, |site| {
            site.key = Some(key);
            waited.extend(site.nameless.drain(..).map(|[address, agent]| key.hash(&[&address, &agent])));
        });
        waited
    }

    /// Puts back the visitors of a job that failed, to be sent again: a hash counts once however often it is sent. Visitors
    /// without a hash are forgotten, because addresses must not wait until the store can be reached.
    fn restore(&self, job: SyncJob) {
        self.update(&job.site, job.day, |site| {
            site.nameless.clear();
            site.active |= !job.seen.is_empty();
            for (visitor, minute) in job.seen {
                if site.seen.len() >= MAX_WAITING {
                    break;
                }
                site.seen.entry(visitor).or_insert(minute);
            }
        });
    }

    /// Changes a site's visitors, unless another day has begun.
    fn update(&self, site: &SiteId, day: NaiveDate, change: impl FnOnce(&mut SiteVisitors)) {
        let visitors = self.sites.lock().get(site).cloned();
        if let Some(visitors) = visitors {
            let mut visitors = visitors.lock();
            if visitors.day == day {
                change(&mut visitors);
            }
        }
    }

    /// The visitors of a site today; none if a new day has begun.
    fn today(&self, site: &Site, now: DateTime<Utc>) -> Arc<Mutex<SiteVisitors>> {
        let day = site.day(now);
        let empty = || Arc::new(Mutex::new(self.empty(site, day)));
        let visitors = Arc::clone(self.sites.lock().entry(site.id.clone()).or_insert_with(empty));
        let mut inner = visitors.lock();
        // A reload can change it within the day.
        inner.timezone = site.timezone;
        if inner.day != day {
            self.release(inner.seen.len());
            *inner = self.empty(site, day);
        }
        drop(inner);
        visitors
    }

    fn empty(&self, site: &Site, day: NaiveDate) -> SiteVisitors {
        let key = if self.shared { None } else { VisitorKey::random() };
        SiteVisitors { day, timezone: site.timezone, key, seen: HashMap::new(), nameless: Vec::new(), known: None, active: false }
    }

    /// Makes the space of forgotten visitors available again.
    fn release(&self, visitors: usize) {
        if !self.shared {
            self.remembered.fetch_sub(visitors, Relaxed);
        }
    }
}

fn minute(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(60)
}
