//! Which client holds how many connections.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus::IntCounter;
use tracing::warn;

use super::{address::Address, seldom::Seldom};

/// The places that clients take, each up to so many. There are no more entries than open connections.
#[derive(Debug)]
pub(super) struct Places {
    /// 0 is any number.
    most: usize,
    taken: Mutex<HashMap<Address, usize>>,
    refused: IntCounter,
    log: Seldom,
}

/// A client's place, which is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    client: Address,
}

impl Places {
    pub(super) fn new(most: usize, refused: IntCounter) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default(), refused, log: Seldom::default() })
    }

    /// A place for one more connection of a client, or an error where it has all that it may. Who is no client needs none.
    pub(super) fn take(self: &Arc<Self>, client: Option<Address>) -> Result<Option<Place>, Full> {
        let Some(client) = client.filter(|_| self.most > 0) else { return Ok(None) };
        let mut taken = self.lock();
        let own = taken.entry(client).or_default();
        if *own < self.most {
            *own += 1;
            return Ok(Some(Place { places: Arc::clone(self), client }));
        }
        drop(taken);
        self.refused.inc();
        if self.log.may_tell() {
            warn!(
                "a client has clients.max_connections open, and more of its connections are closed; is it a proxy that is not configured?"
            );
        }
        Err(Full)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Address, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client has as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(own) = taken.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.client);
            }
        }
    }
}
