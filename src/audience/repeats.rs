//! The views that were counted recently, so that a visitor who loads an article again counts once per window.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use parking_lot::Mutex;

use super::visitor_key::{VisitorHash, VisitorKey, is_over};
use crate::domain::{
    article::ArticleId,
    site::{Site, SiteId},
};

/// The most views that are remembered, over all sites: about 80 bytes each. Views beyond that count without being
/// remembered.
pub const MAX_REMEMBERED: usize = 200_000;

/// The views that this process has counted recently.
#[derive(Debug, Default)]
pub struct Repeats {
    sites: Mutex<HashMap<SiteId, Arc<Mutex<RecentViews>>>>,
    remembered: AtomicUsize,
}

/// The recent views of a site's day.
#[derive(Debug)]
struct RecentViews {
    day: NaiveDate,
    timezone: Tz,
    key: VisitorKey,
    /// The second in which a visitor was counted for an article.
    counted: HashMap<VisitorHash, i64>,
    /// The same views, oldest first; released ones can still be among them.
    order: VecDeque<(i64, VisitorHash)>,
}

/// Whether a view is a repeat.
#[derive(Debug)]
pub enum Claim<'a> {
    /// It counts, and is remembered if it is [kept](RepeatGuard::keep).
    First(RepeatGuard<'a>),
    /// The same visitor was counted for the same article within the window.
    Repeat,
    /// It counts, but cannot be remembered: there is no space or no key.
    Unknown,
}

/// A view that is being counted. Dropping the guard forgets the view unless it is kept: a view that was not counted must
/// not keep the next attempt from counting.
#[derive(Debug)]
pub struct RepeatGuard<'a> {
    repeats: &'a Repeats,
    site: Arc<Mutex<RecentViews>>,
    view: VisitorHash,
    kept: bool,
}

impl Repeats {
    /// Claims a view of a visitor, who is described by `parts`: address and agent.
    #[must_use]
    pub fn claim(&self, site: &Site, article: Option<&ArticleId>, parts: [&[u8]; 2], now: DateTime<Utc>) -> Claim<'_> {
        let Some(recent) = self.recent(site, now) else { return Claim::Unknown };
        let mut inner = recent.lock();
        self.start_day(&mut inner, site, now);
        let [address, agent] = parts;
        let article = article.map_or(&[][..], |article| article.as_str().as_bytes());
        let view = inner.key.hash(&[address, agent, article]);
        self.expire(&mut inner, site.rules.repeat_window, now);
        if inner.counted.contains_key(&view) {
            return Claim::Repeat;
        }
        // A released view occupies its place in the order until its window has passed.
        if self.remembered.fetch_add(1, Relaxed) >= MAX_REMEMBERED {
            self.remembered.fetch_sub(1, Relaxed);
            return Claim::Unknown;
        }
        inner.counted.insert(view, now.timestamp());
        inner.order.push_back((now.timestamp(), view));
        drop(inner);
        Claim::First(RepeatGuard { repeats: self, site: recent, view, kept: false })
    }

    /// Forgets days that have ended, also of sites that get no views.
    pub fn forget(&self, now: DateTime<Utc>) {
        self.sites.lock().retain(|_, site| {
            let inner = site.lock();
            // A day that a request is using is kept until the next call.
            let over = is_over(inner.day, inner.timezone, now) && Arc::strong_count(site) == 1;
            if over {
                self.remembered.fetch_sub(inner.order.len(), Relaxed);
            }
            !over
        });
    }

    /// The number of views that are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.remembered.load(Relaxed)
    }

    fn recent(&self, site: &Site, now: DateTime<Utc>) -> Option<Arc<Mutex<RecentViews>>> {
        let mut sites = self.sites.lock();
        if let Some(recent) = sites.get(&site.id) {
            return Some(Arc::clone(recent));
        }
        let recent = Arc::new(Mutex::new(RecentViews::new(site, now)?));
        sites.insert(site.id.clone(), Arc::clone(&recent));
        Some(recent)
    }

    /// Forgets all views if a new day has begun.
    fn start_day(&self, recent: &mut RecentViews, site: &Site, now: DateTime<Utc>) {
        // A reload can change it within the day.
        recent.timezone = site.timezone;
        if recent.day == site.day(now) {
            return;
        }
        let Some(new) = RecentViews::new(site, now) else { return };
        self.remembered.fetch_sub(recent.order.len(), Relaxed);
        *recent = new;
    }

    /// Forgets views that are older than the window.
    fn expire(&self, recent: &mut RecentViews, window: Duration, now: DateTime<Utc>) {
        let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
        let expired = |at: i64| now.timestamp().saturating_sub(at) >= window;
        while let Some((at, view)) = recent.order.front().copied().filter(|(at, _)| expired(*at)) {
            recent.order.pop_front();
            self.remembered.fetch_sub(1, Relaxed);
            if recent.counted.get(&view) == Some(&at) {
                recent.counted.remove(&view);
            }
        }
    }
}

impl RecentViews {
    /// An empty day; `None` if the system provides no randomness.
    fn new(site: &Site, now: DateTime<Utc>) -> Option<Self> {
        let (day, timezone) = (site.day(now), site.timezone);
        Some(Self { day, timezone, key: VisitorKey::random()?, counted: HashMap::new(), order: VecDeque::new() })
    }
}

impl RepeatGuard<'_> {
    /// The view is counted, or can still be: it stays remembered.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// The view is not counted after all: it is forgotten.
    pub fn release(mut self) {
        self.kept = false;
    }
}

impl Drop for RepeatGuard<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let mut inner = self.site.lock();
        inner.counted.remove(&self.view);
        // The view is usually the last in the order, and is then removed there too: otherwise views released over and over
        // would fill the memory.
        if inner.order.back().is_some_and(|(_, view)| *view == self.view) {
            inner.order.pop_back();
            self.repeats.remembered.fetch_sub(1, Relaxed);
        }
    }
}
