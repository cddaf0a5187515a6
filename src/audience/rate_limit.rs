//! How many requests a client can send, and how many views a site counts: GCRA, a token bucket that is one instant.

use std::{
    collections::HashMap,
    mem,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tracing::warn;

use super::client_ip::ClientNetwork;
use crate::{
    domain::site::{Site, SiteId},
    telemetry::log_throttle::{LogThrottle, Sweep},
};

/// The most clients that are remembered: up to 70 bytes each. Further ones are not limited.
pub const MAX_CLIENTS: usize = 100_000;

/// A bucket holds the requests of so many seconds.
const BURST_SECONDS: u32 = 10;

/// How often clients that exceed their limit are logged.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A clock that never goes back.
pub type MonotonicClock = fn() -> Instant;

/// The requests that clients and sites have left.
#[derive(Debug)]
pub struct RateLimits {
    clock: MonotonicClock,
    per_client: Option<Rate>,
    /// When each client's bucket is full again. A full bucket is the same as none.
    clients: Mutex<HashMap<ClientNetwork, Instant>>,
    /// The same of sites, each with its limit, which a new configuration can change.
    sites: Mutex<HashMap<SiteId, (u32, Instant)>>,
    log: LogThrottle<()>,
    majority: Mutex<Majority>,
}

/// The client with more than half of the requests that were refused since the last line of the log, if there is one: a majority
/// vote, which needs to remember only one client.
#[derive(Debug, Default)]
struct Majority {
    candidate: Option<ClientNetwork>,
    /// How many more requests the candidate has had than all others, since it became the candidate.
    lead: u64,
    all: u64,
}

impl Majority {
    fn add(&mut self, client: ClientNetwork) {
        self.all += 1;
        if self.candidate == Some(client) {
            self.lead += 1;
        } else if self.lead == 0 {
            (self.candidate, self.lead) = (Some(client), 1);
        } else {
            self.lead -= 1;
        }
    }

    /// True only if more than half of the requests came from one client.
    fn is_certain(&self) -> bool {
        self.lead > self.all / 2
    }
}

/// The bucket is empty. One more fits in within a second, because no bucket fills up more slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimited;

/// How fast a bucket fills up.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// The time until one more fits in.
    interval: Duration,
    /// The time from empty to full.
    burst: Duration,
}

impl Rate {
    /// The rate of a limit; `None` for 0, which is no limit.
    fn per_second(limit: u32) -> Option<Self> {
        let interval = Duration::from_secs(1).checked_div(limit)?;
        Some(Self { interval, burst: interval * limit.saturating_mul(BURST_SECONDS) })
    }

    /// Takes one from the bucket that is full at `full_at`. Returns when it is then full again.
    fn take(self, full_at: Instant, now: Instant) -> Result<Instant, RateLimited> {
        let next = full_at.max(now) + self.interval;
        if next - now <= self.burst { Ok(next) } else { Err(RateLimited) }
    }
}

impl RateLimits {
    /// Limits each client to so many requests a second, and ten times as many at once; 0 is no limit.
    #[must_use]
    pub fn new(max_requests_per_second: u32, clock: MonotonicClock) -> Self {
        let per_client = Rate::per_second(max_requests_per_second);
        let log = LogThrottle::new(LOG_INTERVAL, 1);
        Self { clock, per_client, clients: Mutex::default(), sites: Mutex::default(), log, majority: Mutex::default() }
    }

    /// Takes a request from a client's bucket. `client` is called only if clients are limited; `None` is not limited.
    ///
    /// # Errors
    /// If the bucket is empty.
    pub fn take_request(&self, client: impl FnOnce() -> Option<ClientNetwork>) -> Result<(), RateLimited> {
        let Some(rate) = self.per_client else { return Ok(()) };
        let Some(client) = client() else { return Ok(()) };
        let now = (self.clock)();
        let mut clients = self.clients.lock();
        let taken = match clients.get_mut(&client) {
            Some(full_at) => rate.take(*full_at, now).map(|next| *full_at = next),
            None => rate.take(now, now).map(|next| {
                if clients.len() < MAX_CLIENTS {
                    clients.insert(client, next);
                }
            }),
        };
        drop(clients);
        if taken.is_err() {
            self.log_refusal(client);
        }
        taken
    }

    fn log_refusal(&self, client: ClientNetwork) {
        let mut majority = self.majority.lock();
        majority.add(client);
        let Some(left_out) = self.log.allow(()) else { return };
        let is_certain = mem::take(&mut *majority).is_certain();
        if left_out > 0 && is_certain {
            warn!(
                event = "client_limited",
                left_out,
                "one client sends most of the requests that exceed clients.max_requests_per_second and get 429. If it is a proxy, \
                 set clients.header and clients.trusted_proxies"
            );
        } else {
            warn!(
                event = "client_limited",
                left_out, "a client exceeds clients.max_requests_per_second and gets 429; is it a proxy that is not configured?"
            );
        }
    }

    /// Logs how many refused requests have no line and no later one that accounts for them.
    pub fn log_left_out(&self, sweep: Sweep) {
        let mut majority = self.majority.lock();
        let left_out = self.log.sweep(sweep).total();
        if left_out == 0 {
            return;
        }
        let one_client = mem::take(&mut *majority).is_certain();
        let hint = if one_client {
            "; one client sent most of them: if it is a proxy, set clients.header and clients.trusted_proxies"
        } else {
            ""
        };
        warn!(event = "client_limited", left_out, "further requests exceeded clients.max_requests_per_second and got 429{hint}");
    }

    /// Takes a view from a site's bucket, before it is counted.
    ///
    /// # Errors
    /// If the bucket is empty.
    pub fn take_view(&self, site: &Site) -> Result<(), RateLimited> {
        let limit = site.rules.max_views_per_second;
        let Some(rate) = Rate::per_second(limit) else { return Ok(()) };
        let now = (self.clock)();
        let mut sites = self.sites.lock();
        match sites.get_mut(&site.id) {
            Some((known, full_at)) if *known == limit => *full_at = rate.take(*full_at, now)?,
            _ => {
                sites.insert(site.id.clone(), (limit, rate.take(now, now)?));
            }
        }
        Ok(())
    }

    /// Forgets the clients whose buckets are full again.
    pub fn forget(&self) {
        let now = (self.clock)();
        self.clients.lock().retain(|_, full_at| *full_at > now);
    }

    /// The number of clients that are remembered.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.lock().len()
    }
}
