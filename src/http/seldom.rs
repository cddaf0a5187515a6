//! What happens all the time once it happens, and is logged once in a while.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const INTERVAL: Duration = Duration::from_secs(60);

/// When it was last logged.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// Whether it may be logged now: it was not for a minute.
    pub(super) fn may_tell(&self) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let may = told.is_none_or(|at| at.elapsed() >= INTERVAL);
        if may {
            *told = Some(Instant::now());
        }
        may
    }
}
