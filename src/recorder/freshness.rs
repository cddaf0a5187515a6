//! How fresh the store's snapshot of one site is, and when the store must be asked again.
//!
//! A state machine without I/O and without a clock: the present instant is an argument. A snapshot is fresh for
//! [`FRESH`] after the store was asked for it. It becomes fresh again in two ways: the store answers a question, or an
//! apply shows that no other producer has counted.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use tokio::time::Instant;

/// How long a snapshot counts as the store's present state: half of the second within which the views of other instances
/// must show.
pub const FRESH: Duration = Duration::from_millis(500);

/// The age at which a snapshot that is being requested is renewed, so that no request has to wait for that.
pub const REFRESH: Duration = Duration::from_millis(250);

/// The same while an apply is expected to show that no other producer has counted. It leaves enough time for an answer
/// before the snapshot is too old.
pub const REFRESH_BEFORE_APPLY: Duration = Duration::from_millis(400);

/// How often articles are read again although no other producer seems to have counted, in case someone edited the store by
/// hand.
pub const REREAD: Duration = Duration::from_secs(60);

/// How long a request waits for the store before it is answered with what is known.
pub const STORE_WAIT: Duration = Duration::from_millis(250);

/// An instant by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// By the clock that never goes back.
    pub instant: Instant,
    /// By the clock that people read.
    pub utc: DateTime<Utc>,
}

/// How fresh one site's snapshot is.
#[derive(Clone, Debug)]
pub struct Freshness {
    /// Whether figures were requested since the store was last asked.
    requested: bool,
    /// The last moment at which the snapshot is known to be the store's state.
    current: Option<Moment>,
    /// The site's day for which the store was last asked.
    day: Option<NaiveDate>,
    /// Whether the next apply is likely to confirm the snapshot in time, as the last one did.
    applies_confirm: bool,
    /// When articles were last read again.
    reread: Instant,
    /// When the last call began.
    last_called: Option<Instant>,
    /// When the call under way began.
    call_began: Option<Instant>,
    /// When the last call that was answered began.
    last_answered: Option<Instant>,
}

impl Freshness {
    /// Nothing is known of the store yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            requested: false,
            current: None,
            day: None,
            applies_confirm: false,
            reread: now,
            last_called: None,
            call_began: None,
            last_answered: None,
        }
    }

    /// Figures are requested.
    pub fn request(&mut self) {
        self.requested = true;
    }

    /// A question goes to the store; `more` requests are left for the next one.
    pub fn question(&mut self, more: bool) {
        self.requested = more;
    }

    /// Whether the snapshot counts as the store's present state.
    #[must_use]
    pub fn is_fresh(&self, now: Instant) -> bool {
        self.current.is_some_and(|current| now.duration_since(current.instant) <= FRESH)
    }

    /// When the snapshot was last known to be the store's state.
    #[must_use]
    pub fn as_of(&self) -> Option<DateTime<Utc>> {
        self.current.map(|current| current.utc)
    }

    /// Whether articles must be read again; see [`REREAD`].
    #[must_use]
    pub fn must_reread(&self, now: Instant) -> bool {
        now.duration_since(self.reread) >= REREAD
    }

    /// Articles are read again from now on.
    pub fn reread(&mut self, now: Instant) {
        self.reread = now;
    }

    /// Whether figures are requested. Only then is a snapshot renewed.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.requested
    }

    /// Whether the snapshot is old enough to be renewed. `unapplied` views mean that an apply follows soon.
    #[must_use]
    pub fn is_old(&self, now: Instant, unapplied: bool) -> bool {
        self.current.is_none_or(|current| now.duration_since(current.instant) >= self.refresh(unapplied))
    }

    /// When the snapshot must be renewed; `None` if figures are not requested.
    #[must_use]
    pub fn refresh_at(&self, now: Instant, unapplied: bool) -> Option<Instant> {
        self.requested.then(|| self.current.map_or(now, |current| current.instant + self.refresh(unapplied)))
    }

    fn refresh(&self, unapplied: bool) -> Duration {
        if self.applies_confirm && unapplied { REFRESH_BEFORE_APPLY } else { REFRESH }
    }

    /// A call of the store begins.
    pub fn call_began(&mut self, now: Instant) {
        (self.last_called, self.call_began) = (Some(now), Some(now));
    }

    /// The call has ended, with an answer or without.
    pub fn call_ended(&mut self, answered: bool) {
        let began = self.call_began.take();
        if answered {
            self.last_answered = began;
        }
    }

    /// Whether the call under way takes so long that requests do not wait for it.
    #[must_use]
    pub fn is_stuck(&self, now: Instant) -> bool {
        self.call_began.is_some_and(|began| now.duration_since(began) >= STORE_WAIT)
    }

    /// When the last call began, whether it was answered or not.
    #[must_use]
    pub fn last_called(&self) -> Option<Instant> {
        self.last_called
    }

    /// When the last call that was answered began: the store has confirmed its offset since then.
    #[must_use]
    pub fn last_answered(&self) -> Option<Instant> {
        self.last_answered
    }

    /// The store has answered a question for figures of `day`, which was sent at `asked`.
    pub fn answered(&mut self, asked: Moment, day: NaiveDate) {
        self.current = Some(asked);
        self.day = Some(day);
    }

    /// An apply that began at `began` has ended at `now`; `day` is the site's day at its beginning, `alone` whether the
    /// answer shows that no other producer has counted, and `flush_interval` how soon the next apply follows.
    pub fn applied(&mut self, began: Moment, now: Instant, day: NaiveDate, alone: bool, flush_interval: Duration) {
        // The snapshot of one day says nothing of the buckets that only another day needs.
        let confirmed = alone && self.day == Some(day) && !self.must_reread(now);
        self.applies_confirm = confirmed && flush_interval + 2 * now.duration_since(began.instant) < REFRESH_BEFORE_APPLY;
        if confirmed {
            self.current = Some(began);
        }
    }
}
