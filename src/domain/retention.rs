//! How long the buckets of articles are kept. Buckets of sites, and every `total`, are kept for ever.
//!
//! Nothing is dropped for a date that may be wrong. A store keeps with each site the latest time that it trusts
//! ([`TrustedTime`]); a clock that is more than a day away from it drops nothing until it has held for six hours.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use super::period::{Bucket, Period};

/// How many periods a bucket of articles is kept after its own period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How many days a day is kept.
    pub days: u32,
    /// How many weeks a week is kept.
    pub weeks: u32,
    /// How many months a month is kept.
    pub months: u32,
    /// How many years a year is kept.
    pub years: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: 40, weeks: 10, months: 14, years: 3 }
    }
}

impl Retention {
    fn periods(&self, period: Period) -> u32 {
        match period {
            Period::Day => self.days,
            Period::Week => self.weeks,
            Period::Month => self.months,
            Period::Year => self.years,
        }
    }

    /// The number of the oldest bucket of a kind that is kept on a day (UTC); see [`Bucket::number`].
    ///
    /// Includes one extra day, so that the retention holds in every time zone.
    #[must_use]
    pub fn oldest(&self, period: Period, today: NaiveDate) -> i32 {
        let current = period.bucket(today.checked_sub_days(Days::new(1)).unwrap_or(today)).number();
        current.saturating_sub_unsigned(self.periods(period))
    }

    /// Whether a bucket of articles has expired on a day (UTC).
    #[must_use]
    pub fn expired(&self, bucket: Bucket, today: NaiveDate) -> bool {
        bucket.period().is_some_and(|period| bucket.number() < self.oldest(period, today))
    }
}

/// How far the clock may be from the latest time that a store trusts, before it must hold for [`HOLD`].
pub const MAX_STEP: TimeDelta = TimeDelta::days(1);

/// How long a clock that has jumped must hold before it is trusted.
pub const HOLD: TimeDelta = TimeDelta::hours(6);

/// By how much the clock must advance before a store takes the new time in, so that most applies need not write it.
pub const STEP: TimeDelta = TimeDelta::hours(1);

/// The latest time that a store trusts for a site, and a clock that is far away from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedTime {
    /// The latest time, to within [`STEP`].
    pub latest: DateTime<Utc>,
    /// When a clock that is more than [`MAX_STEP`] ahead, or behind, was first seen, and last, by that clock.
    pub ahead: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// What a clock's time means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// What the store trusts from now on.
    pub time: TrustedTime,
    /// Whether expired buckets can be dropped.
    pub trusted: bool,
    /// Whether the clock is seen to be far away for the first time.
    pub jumped: bool,
}

impl TrustedTime {
    /// Takes in a clock's time. The store has seen no time before if `known` is `None`.
    #[must_use]
    pub fn observe(known: Option<Self>, now: DateTime<Utc>) -> Observed {
        let at = |latest| Self { latest, ahead: None };
        let Some(known) = known else { return Observed { time: at(now), trusted: true, jumped: false } };
        let passed = now - known.latest;
        if passed.abs() <= MAX_STEP {
            let latest = if passed >= STEP { now } else { known.latest };
            return Observed { time: at(latest), trusted: true, jumped: false };
        }
        // A second jump, or a long silence, begins the wait anew.
        match known.ahead.filter(|(since, last)| now >= *since && now - *last <= MAX_STEP) {
            Some((since, _)) if now - since >= HOLD => Observed { time: at(now), trusted: true, jumped: false },
            Some((since, _)) => Observed { time: Self { ahead: Some((since, now)), ..known }, trusted: false, jumped: false },
            None => Observed { time: Self { ahead: Some((now, now)), ..known }, trusted: false, jumped: true },
        }
    }

    /// What remains of a time if nothing happens but that the clock goes on: `None` if it need not be written. So the clock is
    /// followed also if a site has no views for days. A jump is left to the next apply, which reports it.
    #[must_use]
    pub fn pass(self, now: DateTime<Utc>) -> Option<Self> {
        let Observed { time, jumped, .. } = Self::observe(Some(self), now);
        let waits = |(_, last): (DateTime<Utc>, DateTime<Utc>)| now - last >= STEP;
        (!jumped && (time.latest != self.latest || self.ahead.is_some_and(waits))).then_some(time)
    }

    /// The day (UTC) by which buckets expire for a reader whose clock shows `now`.
    #[must_use]
    pub fn day(known: Option<Self>, now: DateTime<Utc>) -> NaiveDate {
        let observed = Self::observe(known, now);
        if observed.trusted { now.date_naive() } else { observed.time.latest.min(now).date_naive() }
    }
}
