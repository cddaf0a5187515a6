//! How long the buckets of articles are kept. Buckets of sites, and every `total`, are kept for ever.

use chrono::{Days, NaiveDate};

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
    /// The day (UTC) at whose start a bucket of articles expires; `None` if it is kept for ever.
    ///
    /// Includes one extra day, so that the retention holds in every time zone.
    #[must_use]
    pub fn expiry(&self, bucket: Bucket) -> Option<NaiveDate> {
        let keep = match bucket.period()? {
            Period::Day => self.days,
            Period::Week => self.weeks,
            Period::Month => self.months,
            Period::Year => self.years,
        };
        bucket.forward(keep.checked_add(1)?)?.first_day()?.checked_add_days(Days::new(1))
    }

    /// Whether a bucket of articles has expired on a day (UTC).
    #[must_use]
    pub fn expired(&self, bucket: Bucket, today: NaiveDate) -> bool {
        self.expiry(bucket).is_some_and(|expiry| expiry <= today)
    }
}

/// Decides which buckets of articles have expired at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    /// How long buckets are kept.
    pub retention: Retention,
    /// The moment's day, in UTC.
    pub today: NaiveDate,
}

impl Expiry {
    /// Whether a bucket of articles has expired.
    #[must_use]
    pub fn is_expired(self, bucket: Bucket) -> bool {
        self.retention.expired(bucket, self.today)
    }
}
