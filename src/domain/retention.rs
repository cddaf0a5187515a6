//! How long the buckets of articles are kept. Those of sites, and every `total`, are kept for ever.

use chrono::{Days, NaiveDate};

use super::period::{Bucket, Period};

/// For how many periods after its own a bucket of articles is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days a day is kept.
    pub days: u32,
    /// Weeks a week is kept.
    pub weeks: u32,
    /// Months a month is kept.
    pub months: u32,
    /// Years a year is kept.
    pub years: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: 40, weeks: 10, months: 14, years: 3 }
    }
}

impl Retention {
    /// The day (UTC) from whose start on a bucket of articles is gone; `None` for one that is kept for ever.
    ///
    /// One day is added, so that the promise holds in every time zone.
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

    /// Whether a bucket of articles is gone on a day (UTC).
    #[must_use]
    pub fn expired(&self, bucket: Bucket, today: NaiveDate) -> bool {
        self.expiry(bucket).is_some_and(|expiry| expiry <= today)
    }
}

/// Which buckets of articles are gone, as of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    /// How long they are kept.
    pub retention: Retention,
    /// The day of that moment, in UTC.
    pub today: NaiveDate,
}

impl Expiry {
    /// Whether a bucket of articles is gone.
    #[must_use]
    pub fn is_expired(self, bucket: Bucket) -> bool {
        self.retention.expired(bucket, self.today)
    }
}
