//! Exponential back-off: how long to wait between attempts. Durations in, durations out; the caller sleeps.

use std::time::Duration;

/// Pauses that double after each failure, up to a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts with `first`. No pause is longer than `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// Returns how long to wait after a failure, and doubles the next pause.
    pub fn next_pause(&mut self) -> Duration {
        let pause = self.next.min(self.longest);
        self.next = pause.saturating_mul(2);
        pause
    }

    /// Like [`Backoff::next_pause`], with jitter: half of the pause plus a random part of the other half, so that
    /// clients of one server do not all return at once. `random` is any number, equally likely over the whole range.
    pub fn next_jittered_pause(&mut self, random: u32) -> Duration {
        let half = self.next_pause() / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// Starts again with the first pause, after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}
