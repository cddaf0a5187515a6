//! How often clients may ask, and how often a site counts: buckets that fill up again at a steady rate.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed, StateStore, keyed::ShrinkableKeyedStateStore},
};
use tokio::time::sleep;
use tracing::warn;

use super::{address::Address, seldom::Seldom};
use crate::domain::site::{Site, SiteId};

/// The most clients that have a bucket: up to 70 bytes each. Beyond them, new ones are not limited.
pub const MAX_CLIENTS: usize = 100_000;

/// A bucket holds what comes in so many seconds.
const BURST: u32 = 10;

/// How often buckets that are full again are forgotten.
const INTERVAL: Duration = Duration::from_secs(1);

/// A clock that does not go back.
pub type Ticks = fn() -> Instant;

/// That clock, as the library wants it.
#[derive(Clone, Copy, Debug)]
struct Ticking(Ticks);

impl Clock for Ticking {
    type Instant = Instant;

    fn now(&self) -> Instant {
        (self.0)()
    }
}

/// A bucket for each client.
type PerClient = RateLimiter<Address, Buckets, Ticking, NoOpMiddleware<Instant>>;

/// The bucket of a site.
type Bucket = RateLimiter<NotKeyed, InMemoryState, Ticking, NoOpMiddleware<Instant>>;

/// The buckets of clients, by when each is full again. One that is full is like none.
#[derive(Debug, Default)]
struct Buckets(Mutex<HashMap<Address, Nanos>>);

/// What clients and sites may still ask for.
#[derive(Debug)]
pub struct Rates {
    clock: Ticking,
    clients: Option<PerClient>,
    /// Those of sites that count no more than so many in a second, which a new configuration may change.
    sites: Mutex<HashMap<SiteId, (NonZeroU32, Bucket)>>,
    log: Seldom,
}

/// More than there is in the bucket. The next one fits within a second, for no bucket fills up more slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl Rates {
    /// All buckets are full. A client may ask `per_second` times in a second, and ten times as often at once; with 0 as
    /// often as it likes.
    #[must_use]
    pub fn new(per_second: u32, ticks: Ticks) -> Self {
        let clock = Ticking(ticks);
        let clients = NonZeroU32::new(per_second).map(|rate| RateLimiter::new(quota(rate), Buckets::default(), clock));
        Self { clock, clients, sites: Mutex::default(), log: Seldom::default() }
    }

    /// A client asks for something. It is only looked for where clients are limited; who is none may ask for anything.
    ///
    /// # Errors
    /// Where it asks too often.
    pub fn ask(&self, client: impl FnOnce() -> Option<Address>) -> Result<(), TooMany> {
        let Some(limiter) = &self.clients else { return Ok(()) };
        let Some(client) = client() else { return Ok(()) };
        limiter.check_key(&client).map_err(|_| {
            if self.log.may_tell() {
                warn!("a client asks more often than clients.max_requests_per_second, and gets 429; is it a proxy that is not configured?");
            }
            TooMany
        })
    }

    /// A view of a site would be counted.
    ///
    /// # Errors
    /// Where the site has more of them than it may.
    pub fn count(&self, site: &Site) -> Result<(), TooMany> {
        let Some(rate) = NonZeroU32::new(site.rules.max_views_per_second) else { return Ok(()) };
        let check = |bucket: &Bucket| bucket.check().map_err(|_| TooMany);
        let mut sites = lock(&self.sites);
        match sites.get(&site.id) {
            Some((known, bucket)) if *known == rate => check(bucket),
            _ => {
                let bucket = RateLimiter::new(quota(rate), InMemoryState::default(), self.clock);
                let first = check(&bucket);
                sites.insert(site.id.clone(), (rate, bucket));
                first
            }
        }
    }

    /// Forgets the clients whose buckets are full again.
    pub fn forget(&self) {
        self.clients.iter().for_each(RateLimiter::retain_recent);
    }

    /// Forgets from time to time, for ever.
    pub async fn tend(&self) {
        loop {
            sleep(INTERVAL).await;
            self.forget();
        }
    }

    /// How many clients have a bucket.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.as_ref().map_or(0, RateLimiter::len)
    }
}

fn quota(per_second: NonZeroU32) -> Quota {
    const TIMES: NonZeroU32 = NonZeroU32::new(BURST).unwrap();
    Quota::per_second(per_second).allow_burst(per_second.saturating_mul(TIMES))
}

impl StateStore for Buckets {
    type Key = Address;

    fn measure_and_replace<T, F, E>(&self, client: &Address, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut clients = lock(&self.0);
        if let Some(full_at) = clients.get_mut(client) {
            let (answer, next) = decide(Some(*full_at))?;
            *full_at = next;
            return Ok(answer);
        }
        let (answer, next) = decide(None)?;
        if clients.len() < MAX_CLIENTS {
            clients.insert(*client, next);
        }
        Ok(answer)
    }
}

impl ShrinkableKeyedStateStore<Address> for Buckets {
    fn retain_recent(&self, full_before: Nanos) {
        lock(&self.0).retain(|_, full_at| *full_at > full_before);
    }

    fn len(&self) -> usize {
        lock(&self.0).len()
    }

    fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}

/// Each step under the lock leaves what it holds right, so poison is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
