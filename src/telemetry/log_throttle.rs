//! Limits a log line that could repeat with every request to one a minute.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

const INTERVAL: Duration = Duration::from_secs(60);

/// When the line was last logged.
#[derive(Debug, Default)]
pub struct LogThrottle(Mutex<Option<Instant>>);

impl LogThrottle {
    /// True at most once a minute: log the line then.
    pub fn allow(&self) -> bool {
        let mut last = self.0.lock();
        let allowed = last.is_none_or(|at| at.elapsed() >= INTERVAL);
        if allowed {
            *last = Some(Instant::now());
        }
        allowed
    }
}
