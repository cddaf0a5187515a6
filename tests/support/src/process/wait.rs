//! Waiting for a condition instead of for a fixed time.

use std::{
    thread,
    time::{Duration, Instant},
};

/// The deadline of everything that has no deadline of its own. Generous, because the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Polls until there is an answer.
pub fn within<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Polls until there is an answer, for at most [`PATIENCE`].
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, ask)
}
