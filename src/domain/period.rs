//! Calendar periods, and the buckets in which views are summed.
//!
//! No bucket is ever reset: when the day changes, "today" reads another bucket.

use std::{fmt, str::FromStr};

use chrono::{Datelike, Days, Months, NaiveDate, Weekday};

/// One calendar period in which views are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// A calendar day, `2026-11-23`.
    Day(NaiveDate),
    /// An ISO 8601 week, `2026-W48`.
    Week {
        /// The ISO year, which can differ from the calendar year around 1 January.
        year: i32,
        /// 1 to 53.
        week: u32,
    },
    /// A calendar month, `2026-11`.
    Month {
        /// The year.
        year: i32,
        /// 1 to 12.
        month: u32,
    },
    /// A calendar year, `2026`.
    Year(i32),
    /// All time, `total`.
    Total,
}

/// The kinds of buckets, except `total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// Calendar days.
    Day,
    /// ISO weeks.
    Week,
    /// Calendar months.
    Month,
    /// Calendar years.
    Year,
}

impl Period {
    /// All four, from the shortest to the longest.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Year];

    /// The period's name: `day`, `week`, `month` or `year`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The period with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.name() == name)
    }

    /// The bucket of this kind that contains a day.
    #[must_use]
    pub fn bucket(self, day: NaiveDate) -> Bucket {
        match self {
            Self::Day => Bucket::Day(day),
            Self::Week => Bucket::Week { year: day.iso_week().year(), week: day.iso_week().week() },
            Self::Month => Bucket::Month { year: day.year(), month: day.month() },
            Self::Year => Bucket::Year(day.year()),
        }
    }
}

/// 1970-01-01 in days of the common era, and the Monday before it.
const EPOCH: i32 = 719_163;
const EPOCH_MONDAY: i32 = EPOCH - 3;

impl Period {
    /// The bucket of this kind with a number; see [`Bucket::number`]. `None` outside the years 1 to 9999.
    #[must_use]
    pub fn numbered(self, number: i32) -> Option<Bucket> {
        let first = match self {
            Self::Day => NaiveDate::from_num_days_from_ce_opt(number.checked_add(EPOCH)?),
            Self::Week => NaiveDate::from_num_days_from_ce_opt(number.checked_mul(7)?.checked_add(EPOCH_MONDAY)?),
            Self::Month => {
                let year = number.div_euclid(12).checked_add(1970)?;
                NaiveDate::from_ymd_opt(year, u32::try_from(number.rem_euclid(12)).ok()? + 1, 1)
            }
            Self::Year => NaiveDate::from_ymd_opt(number.checked_add(1970)?, 1, 1),
        }?;
        let bucket = self.bucket(first);
        (1..=9999).contains(&bucket.year()?).then_some(bucket)
    }
}

impl Bucket {
    /// The number of its period, counted from the one that contains 1970-01-01, which is 0: days, ISO weeks, months or years.
    /// Earlier ones are negative. `total` is 0.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Day(day) => day.num_days_from_ce() - EPOCH,
            Self::Week { .. } => self.first_day().map_or(0, |day| (day.num_days_from_ce() - EPOCH_MONDAY).div_euclid(7)),
            Self::Month { year, month } => (year - 1970) * 12 + month.cast_signed() - 1,
            Self::Year(year) => year - 1970,
            Self::Total => 0,
        }
    }

    /// Its year, for a week the ISO year; `None` for `total`.
    fn year(self) -> Option<i32> {
        match self {
            Self::Day(day) => Some(day.year()),
            Self::Week { year, .. } | Self::Month { year, .. } | Self::Year(year) => Some(year),
            Self::Total => None,
        }
    }

    /// The five buckets that a view on this day adds to.
    #[must_use]
    pub fn of_day(day: NaiveDate) -> [Self; 5] {
        [Self::Day(day), Period::Week.bucket(day), Period::Month.bucket(day), Period::Year.bucket(day), Self::Total]
    }

    /// This bucket and the larger ones that contain it; `None` for a week, which can span two months or years.
    #[must_use]
    pub fn and_larger(self) -> Option<Vec<Self>> {
        match self {
            Self::Day(day) => Some(Self::of_day(day).to_vec()),
            Self::Week { .. } => None,
            Self::Month { year, .. } => Some(vec![self, Self::Year(year), Self::Total]),
            Self::Year(_) => Some(vec![self, Self::Total]),
            Self::Total => Some(vec![self]),
        }
    }

    /// Whether a view on this day is counted in this bucket.
    #[must_use]
    pub fn contains(self, day: NaiveDate) -> bool {
        match self {
            Self::Day(own) => own == day,
            Self::Week { year, week } => day.iso_week().year() == year && day.iso_week().week() == week,
            Self::Month { year, month } => day.year() == year && day.month() == month,
            Self::Year(year) => day.year() == year,
            Self::Total => true,
        }
    }

    /// The kind of the bucket; `None` for `total`.
    #[must_use]
    pub fn period(self) -> Option<Period> {
        match self {
            Self::Day(_) => Some(Period::Day),
            Self::Week { .. } => Some(Period::Week),
            Self::Month { .. } => Some(Period::Month),
            Self::Year(_) => Some(Period::Year),
            Self::Total => None,
        }
    }

    /// The first day of the bucket; `None` for `total`.
    #[must_use]
    pub fn first_day(self) -> Option<NaiveDate> {
        match self {
            Self::Day(day) => Some(day),
            Self::Week { year, week } => NaiveDate::from_isoywd_opt(year, week, Weekday::Mon),
            Self::Month { year, month } => NaiveDate::from_ymd_opt(year, month, 1),
            Self::Year(year) => NaiveDate::from_ymd_opt(year, 1, 1),
            Self::Total => None,
        }
    }

    /// The next bucket of the same kind; `None` for `total` and at the end of the calendar.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.forward(1)
    }

    /// The bucket of the same kind `count` periods later; `None` for `total` and past the end of the calendar.
    #[must_use]
    pub fn forward(self, count: u32) -> Option<Self> {
        let (period, first) = (self.period()?, self.first_day()?);
        let day = match period {
            Period::Day => first.checked_add_days(Days::new(count.into())),
            Period::Week => first.checked_add_days(Days::new(7 * u64::from(count))),
            Period::Month => first.checked_add_months(Months::new(count)),
            Period::Year => first.checked_add_months(Months::new(count.checked_mul(12)?)),
        }?;
        Some(period.bucket(day))
    }
}

/// Buckets that take the same views: at most one of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketSet {
    /// The numbers of the periods, in the order of [`Period::ALL`]; see [`Bucket::number`].
    pub periods: [Option<i32>; 4],
    /// Whether `total` is one of them.
    pub total: bool,
}

impl BucketSet {
    /// The five buckets that a view on this day adds to.
    #[must_use]
    pub fn of_day(day: NaiveDate) -> Self {
        Self { periods: Period::ALL.map(|period| Some(period.bucket(day).number())), total: true }
    }

    /// The buckets, the shortest period first.
    pub fn buckets(self) -> impl Iterator<Item = Bucket> {
        let periods = Period::ALL.into_iter().zip(self.periods);
        let periods = periods.filter_map(|(period, number)| period.numbered(number?));
        periods.chain(self.total.then_some(Bucket::Total))
    }
}

/// A later bucket replaces an earlier one of the same kind.
impl FromIterator<Bucket> for BucketSet {
    fn from_iter<I: IntoIterator<Item = Bucket>>(buckets: I) -> Self {
        let mut set = Self::default();
        for bucket in buckets {
            match bucket.period() {
                Some(period) => set.periods[period as usize] = Some(bucket.number()),
                None => set.total = true,
            }
        }
        set
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => write!(f, "{:04}-{:02}-{:02}", day.year(), day.month(), day.day()),
            Self::Week { year, week } => write!(f, "{year:04}-W{week:02}"),
            Self::Month { year, month } => write!(f, "{year:04}-{month:02}"),
            Self::Year(year) => write!(f, "{year:04}"),
            Self::Total => f.write_str("total"),
        }
    }
}

/// A text that does not name a bucket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a day (2026-11-22), week (2026-W47), month (2026-11), year (2026) or total")]
pub struct BucketError(pub String);

impl FromStr for Bucket {
    type Err = BucketError;

    fn from_str(text: &str) -> Result<Self, BucketError> {
        let error = || BucketError(text.into());
        // A fixed number of ASCII digits, so that every bucket has exactly one spelling.
        let number = |part: &str, digits: usize| {
            let plain = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| part.parse::<u32>().ok()).flatten().ok_or_else(error)
        };
        if text == "total" {
            return Ok(Self::Total);
        }
        let mut parts = text.splitn(3, '-');
        let year = number(parts.next().unwrap_or_default(), 4)?.cast_signed();
        let bucket = match (parts.next(), parts.next()) {
            (None, _) => Self::Year(year),
            (Some(week), None) if week.starts_with('W') => Self::Week { year, week: number(&week[1..], 2)? },
            (Some(month), None) => Self::Month { year, month: number(month, 2)? },
            (Some(month), Some(day)) => {
                NaiveDate::from_ymd_opt(year, number(month, 2)?, number(day, 2)?).map(Self::Day).ok_or_else(error)?
            }
        };
        // Refuses week 53 of a year with 52 weeks, month 13 and the year 0.
        if year >= 1 && bucket.first_day().is_some() { Ok(bucket) } else { Err(error()) }
    }
}
