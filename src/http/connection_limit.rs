//! Limits the open connections of each client.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use prometheus::IntCounter;
use tracing::warn;

use crate::{
    audience::ClientNetwork,
    telemetry::log_throttle::{LogThrottle, Sweep},
};

/// How often clients that have their maximum are logged.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The open connections of each client. There are never more entries than open connections.
#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    /// The most of a client; 0 is no limit.
    max: usize,
    open: Mutex<HashMap<ClientNetwork, usize>>,
    refused: IntCounter,
    log: LogThrottle<()>,
}

/// The permit for one connection of a client. Dropping it makes space for another.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    client: ClientNetwork,
}

/// A client has its maximum of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyConnections;

impl ConnectionLimiter {
    pub(super) fn new(max: usize, refused: IntCounter) -> Arc<Self> {
        Arc::new(Self { max, open: Mutex::default(), refused, log: LogThrottle::new(LOG_INTERVAL, 1) })
    }

    /// A permit for one more connection of a client. `Ok(None)` if it needs none: clients are not limited, or this is not one.
    pub(super) fn acquire(self: &Arc<Self>, client: Option<ClientNetwork>) -> Result<Option<ConnectionPermit>, TooManyConnections> {
        let Some(client) = client.filter(|_| self.max > 0) else { return Ok(None) };
        let mut open = self.open.lock();
        let own = open.entry(client).or_default();
        if *own < self.max {
            *own += 1;
            return Ok(Some(ConnectionPermit { limiter: Arc::clone(self), client }));
        }
        drop(open);
        self.refused.inc();
        if let Some(left_out) = self.log.allow(()) {
            warn!(
                event = "client_connections_limited",
                left_out, "a client has clients.max_connections open, so further ones are closed; is it a proxy that is not configured?"
            );
        }
        Err(TooManyConnections)
    }

    /// Logs how many connections were closed without a line and without a later one that accounts for them.
    pub(super) fn log_left_out(&self, sweep: Sweep) {
        let left_out = self.log.sweep(sweep).total();
        if left_out > 0 {
            warn!(
                event = "client_connections_limited",
                left_out, "further connections of clients were closed: they had clients.max_connections open"
            );
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut open = self.limiter.open.lock();
        if let Some(own) = open.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.client);
            }
        }
    }
}
