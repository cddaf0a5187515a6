//! The time at which truycap began to count: later views of a file are in its counters already.

use std::{fmt, str::FromStr};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;

use crate::domain::period::Bucket;

/// The first day, or the first moment, whose views are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// A day of the site's calendar.
    Day(NaiveDate),
    /// A moment.
    Moment(DateTime<Utc>),
}

impl Until {
    /// Whether a view at this moment, on a site in this time zone, is left out.
    #[must_use]
    pub fn leaves_out(self, at: DateTime<Utc>, timezone: Tz) -> bool {
        match self {
            Self::Day(day) => at.with_timezone(&timezone).date_naive() >= day,
            Self::Moment(moment) => at >= moment,
        }
    }

    /// Whether views of a period are left out; an error if only a part of it is. A moment leaves out no period.
    pub(super) fn leaves_out_period(self, bucket: Bucket) -> Result<bool, String> {
        let Self::Day(until) = self else { return Ok(false) };
        let Some(first) = bucket.first_day() else { return Ok(false) };
        match bucket.next().and_then(Bucket::first_day) {
            _ if first >= until => Ok(true),
            Some(next) if next > until => {
                Err(format!("period \"{bucket}\" has days from {until} on, as --until says: give its days instead"))
            }
            _ => Ok(false),
        }
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => write!(f, "{day}"),
            Self::Moment(moment) => f.write_str(&moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        }
    }
}

/// A text that is not a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a day (2026-11-22) or a moment (2026-11-22T08:30:00+07:00)")]
pub struct UntilError(String);

impl FromStr for Until {
    type Err = UntilError;

    fn from_str(text: &str) -> Result<Self, UntilError> {
        let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Self::Day);
        let moment = || DateTime::parse_from_rfc3339(text).ok().map(|moment| Self::Moment(moment.to_utc()));
        day().or_else(moment).ok_or_else(|| UntilError(text.into()))
    }
}
