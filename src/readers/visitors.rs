//! How many readers a site has: online now, and today. Estimates beside the counters, never through the journal.
//!
//! Where one instance counts, it remembers its readers itself. Instances that share a Redis put theirs together there:
//! each sends those it has seen, and learns how many there are, once a second. No answer waits for either.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use super::{Key, Reader, is_over};
use crate::{
    domain::site::{Site, SiteId},
    store::VisitorCounts,
};

/// The most readers of all sites that are remembered for a day where one instance counts: about 60 bytes each. Beyond
/// them no new ones are.
pub const MAX_READERS: usize = 200_000;

/// The most readers of a site that wait to be sent to Redis, which is once a second. Beyond them they are left out.
const MAX_WAITING: usize = 10_000;

/// The most of them that wait for the day's key, of each site: at most about a kilobyte each.
const MAX_NAMELESS: usize = 1000;

/// A reader is online for so many minutes after the one in which it was last seen.
const ONLINE: i64 = 5;

/// After how many seconds without an answer of Redis nothing is said any more.
const STALE: i64 = 30;

/// How many readers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Seen within the last five minutes, or a little more.
    pub online: u64,
    /// Seen since midnight of the site.
    pub visitors_today: u64,
}

/// The readers of all sites that ask for them.
#[derive(Debug)]
pub struct Visitors {
    /// Whether several instances count them, in Redis.
    shared: bool,
    sites: Mutex<HashMap<SiteId, Arc<Mutex<Room>>>>,
    remembered: AtomicUsize,
}

/// The readers of a site's day.
#[derive(Debug)]
struct Room {
    day: NaiveDate,
    timezone: Tz,
    /// Without it nobody can be told apart: where Redis has it, it has to be asked for first.
    key: Option<Key>,
    /// The minute in which each was last seen; of shared ones, those that Redis has not been told yet.
    seen: HashMap<Reader, i64>,
    /// Readers that came while the key was being asked for, which is a second at most; never written anywhere.
    nameless: Vec<[Box<[u8]>; 2]>,
    /// What is known, and since which second.
    known: Option<(i64, Estimate)>,
    /// Whether somebody has asked or come since Redis was asked.
    busy: bool,
}

/// What Redis is told and asked of a site.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) site: SiteId,
    pub(super) day: NaiveDate,
    /// Whether the day's key is not known yet.
    pub(super) needs_key: bool,
    pub(super) minute: i64,
    pub(super) readers: Vec<Reader>,
}

impl Visitors {
    /// Nobody has been seen yet. `shared` says whether Redis puts the readers of several instances together.
    #[must_use]
    pub fn new(shared: bool) -> Self {
        Self { shared, sites: Mutex::default(), remembered: AtomicUsize::new(0) }
    }

    /// A reader, described by `parts`, is there.
    pub fn saw(&self, site: &Site, parts: [&[u8]; 2], now: DateTime<Utc>) {
        let room = self.room(site, now);
        let mut room = lock(&room);
        room.busy = true;
        let Some(key) = room.key else {
            if self.shared && room.nameless.len() < MAX_NAMELESS {
                room.nameless.push(parts.map(Box::from));
            }
            return;
        };
        let (reader, minute) = (key.reader(&parts), minute(now));
        if let Some(seen) = room.seen.get_mut(&reader) {
            *seen = minute;
        } else if self.shared {
            if room.seen.len() < MAX_WAITING {
                room.seen.insert(reader, minute);
            }
        } else if self.remembered.fetch_add(1, Relaxed) < MAX_READERS {
            room.seen.insert(reader, minute);
        } else {
            self.remembered.fetch_sub(1, Relaxed);
        }
    }

    /// How many readers there are; `None` where Redis has not said so lately.
    #[must_use]
    pub fn estimate(&self, site: &Site, now: DateTime<Utc>) -> Option<Estimate> {
        let room = self.room(site, now);
        let mut room = lock(&room);
        room.busy = true;
        let at = now.timestamp();
        if self.shared {
            return room.known.filter(|(known, _)| (at - known).abs() <= STALE).map(|(_, estimate)| estimate);
        }
        // Looking through all of them once a second is enough.
        if room.known.is_none_or(|(known, estimate)| known != at || estimate.visitors_today < 1000) {
            let online = room.seen.values().filter(|seen| minute(now) - **seen <= ONLINE).count();
            room.known = Some((at, Estimate { online: online as u64, visitors_today: room.seen.len() as u64 }));
        }
        room.known.map(|(_, estimate)| estimate)
    }

    /// Forgets days that are over, also of sites that nobody reads.
    pub fn forget(&self, now: DateTime<Utc>) {
        lock(&self.sites).retain(|_, room| {
            let inner = lock(room);
            // What a request has at hand is left for the next time.
            let over = is_over(inner.day, inner.timezone, now) && Arc::strong_count(room) == 1;
            if over {
                self.emptied(inner.seen.len());
            }
            !over
        });
    }

    /// What Redis has to be told and asked now.
    pub(super) fn errands(&self, now: DateTime<Utc>) -> Vec<Errand> {
        let errand = |(site, room): (&SiteId, &Arc<Mutex<Room>>)| {
            let mut room = lock(room);
            if !std::mem::take(&mut room.busy) {
                return None;
            }
            let readers = room.seen.drain().map(|(reader, _)| reader).collect();
            Some(Errand { site: site.clone(), day: room.day, needs_key: room.key.is_none(), minute: minute(now), readers })
        };
        lock(&self.sites).iter().filter_map(errand).collect()
    }

    /// Redis has told the key of a site's day: answers with those who waited for it.
    pub(super) fn learn_key(&self, site: &SiteId, day: NaiveDate, key: Key) -> Vec<Reader> {
        let mut waited = Vec::new();
        self.learn(site, day, |room| {
            room.key = Some(key);
            waited.extend(room.nameless.drain(..).map(|[address, agent]| key.reader(&[&address, &agent])));
        });
        waited
    }

    /// Redis is away: nobody waits for it.
    pub(super) fn give_up(&self, site: &SiteId, day: NaiveDate) {
        self.learn(site, day, |room| room.nameless.clear());
    }

    /// Redis has counted.
    pub(super) fn learn_counts(&self, site: &SiteId, day: NaiveDate, counts: VisitorCounts, now: DateTime<Utc>) {
        let estimate = Estimate { online: counts.online, visitors_today: counts.today };
        self.learn(site, day, |room| room.known = Some((now.timestamp(), estimate)));
    }

    fn learn(&self, site: &SiteId, day: NaiveDate, what: impl FnOnce(&mut Room)) {
        let room = lock(&self.sites).get(site).cloned();
        if let Some(room) = room {
            let mut room = lock(&room);
            if room.day == day {
                what(&mut room);
            }
        }
    }

    /// The readers of a site today: on a new day nobody is known any more.
    fn room(&self, site: &Site, now: DateTime<Utc>) -> Arc<Mutex<Room>> {
        let day = site.day(now);
        let empty = || Arc::new(Mutex::new(self.empty(site, day)));
        let room = Arc::clone(lock(&self.sites).entry(site.id.clone()).or_insert_with(empty));
        let mut inner = lock(&room);
        if inner.day != day {
            self.emptied(inner.seen.len());
            *inner = self.empty(site, day);
        }
        drop(inner);
        room
    }

    fn empty(&self, site: &Site, day: NaiveDate) -> Room {
        let key = if self.shared { None } else { Key::random() };
        Room { day, timezone: site.timezone, key, seen: HashMap::new(), nameless: Vec::new(), known: None, busy: false }
    }

    fn emptied(&self, readers: usize) {
        if !self.shared {
            self.remembered.fetch_sub(readers, Relaxed);
        }
    }
}

fn minute(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(60)
}

/// Locks what is remembered: each step leaves it right, so poison is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
