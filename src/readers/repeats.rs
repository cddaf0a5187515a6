//! Who has been counted lately, and for what: so that a reader who loads an article again counts once in a while.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::{Key, Reader, is_over};
use crate::domain::{
    article::ArticleId,
    site::{Site, SiteId},
};

/// The most views of all sites that are remembered: about 80 bytes each. Beyond them every view counts.
pub const MAX_REMEMBERED: usize = 200_000;

/// What is remembered, in this process alone.
#[derive(Debug, Default)]
pub struct Repeats {
    sites: Mutex<HashMap<SiteId, Arc<Mutex<Memory>>>>,
    remembered: AtomicUsize,
}

/// What is remembered of a site's day.
#[derive(Debug)]
struct Memory {
    day: NaiveDate,
    timezone: Tz,
    key: Key,
    /// The second in which a reader was counted for an article.
    counted: HashMap<Reader, i64>,
    /// The same in the order of time; what was taken back is still in it.
    order: VecDeque<(i64, Reader)>,
}

/// What is known of a view.
#[derive(Debug)]
pub enum Claim<'a> {
    /// It counts. It is remembered where it is [kept](Hold::keep).
    First(Hold<'a>),
    /// The same reader has been counted for the same article within the window.
    Repeat,
    /// It counts, and there is no room to remember it.
    Unknown,
}

/// A view that is being counted. Unless it is kept, it is forgotten when this is dropped: what was not counted must not
/// keep the next attempt from counting.
#[derive(Debug)]
pub struct Hold<'a> {
    repeats: &'a Repeats,
    memory: Arc<Mutex<Memory>>,
    view: Reader,
    kept: bool,
}

impl Repeats {
    /// Whether a view of a reader counts now. The reader is described by `parts`: address and agent.
    #[must_use]
    pub fn claim(&self, site: &Site, article: Option<&ArticleId>, parts: [&[u8]; 2], now: DateTime<Utc>) -> Claim<'_> {
        let Some(memory) = self.memory(site, now) else { return Claim::Unknown };
        let mut inner = lock(&memory);
        self.renew(&mut inner, site, now);
        let [address, agent] = parts;
        let article = article.map_or(&[][..], |article| article.as_str().as_bytes());
        let view = inner.key.reader(&[address, agent, article]);
        self.expire(&mut inner, site.rules.repeat_window, now);
        if inner.counted.contains_key(&view) {
            return Claim::Repeat;
        }
        // What was taken back takes its room in the order until its time is over.
        if self.remembered.fetch_add(1, Relaxed) >= MAX_REMEMBERED {
            self.remembered.fetch_sub(1, Relaxed);
            return Claim::Unknown;
        }
        inner.counted.insert(view, now.timestamp());
        inner.order.push_back((now.timestamp(), view));
        drop(inner);
        Claim::First(Hold { repeats: self, memory, view, kept: false })
    }

    /// Forgets what belongs to a day that is over, also of sites that nobody reads.
    pub fn forget(&self, now: DateTime<Utc>) {
        self.lock().retain(|_, memory| {
            let inner = lock(memory);
            // What a request has at hand is left for the next time.
            let over = is_over(inner.day, inner.timezone, now) && Arc::strong_count(memory) == 1;
            if over {
                self.remembered.fetch_sub(inner.order.len(), Relaxed);
            }
            !over
        });
    }

    /// How many views are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.remembered.load(Relaxed)
    }

    fn memory(&self, site: &Site, now: DateTime<Utc>) -> Option<Arc<Mutex<Memory>>> {
        let mut sites = self.lock();
        if let Some(memory) = sites.get(&site.id) {
            return Some(Arc::clone(memory));
        }
        let memory = Arc::new(Mutex::new(Memory::new(site, now)?));
        sites.insert(site.id.clone(), Arc::clone(&memory));
        Some(memory)
    }

    /// On a new day nobody is known any more.
    fn renew(&self, memory: &mut Memory, site: &Site, now: DateTime<Utc>) {
        if memory.day == site.day(now) {
            return;
        }
        let Some(new) = Memory::new(site, now) else { return };
        self.remembered.fetch_sub(memory.order.len(), Relaxed);
        *memory = new;
    }

    /// Forgets what is older than the window.
    fn expire(&self, memory: &mut Memory, window: Duration, now: DateTime<Utc>) {
        let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
        let expired = |at: i64| now.timestamp().saturating_sub(at) >= window;
        while let Some((at, view)) = memory.order.front().copied().filter(|(at, _)| expired(*at)) {
            memory.order.pop_front();
            self.remembered.fetch_sub(1, Relaxed);
            if memory.counted.get(&view) == Some(&at) {
                memory.counted.remove(&view);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SiteId, Arc<Mutex<Memory>>>> {
        lock(&self.sites)
    }
}

impl Memory {
    /// Nobody is known; `None` where the system has no randomness to give.
    fn new(site: &Site, now: DateTime<Utc>) -> Option<Self> {
        let (day, timezone) = (site.day(now), site.timezone);
        Some(Self { day, timezone, key: Key::random()?, counted: HashMap::new(), order: VecDeque::new() })
    }
}

impl Hold<'_> {
    /// The view is counted, or may be: it is remembered.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// The view is not counted after all.
    pub fn give_up(&mut self) {
        self.kept = false;
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let mut inner = lock(&self.memory);
        inner.counted.remove(&self.view);
        // The last one, as a rule: what is taken back over and over must not fill the memory.
        if inner.order.back().is_some_and(|(_, view)| *view == self.view) {
            inner.order.pop_back();
            self.repeats.remembered.fetch_sub(1, Relaxed);
        }
    }
}

/// Locks what is remembered: each step leaves it right, so poison is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
