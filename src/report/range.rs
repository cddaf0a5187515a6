//! The period of a report, as a query names it, and the periods that it is compared with.

use chrono::{Datelike, Months, NaiveDate};

use super::{contents::Days, cover::steps};
use crate::domain::period::{Bucket, Period};

/// The longest period, in years. The counters of a site are kept for ever, and the work is the same for each day.
const MAX_YEARS: u32 = 10;

/// The most steps of a report.
const MAX_STEPS: usize = 400;

/// The first year of a report: no counter of a web page is older.
pub(super) const FIRST_YEAR: i32 = 1970;

/// The longest periods, in days, whose steps are days, and weeks; and in years, whose steps are months.
const BY_DAY: u32 = 62;
const BY_WEEK: u32 = 100;
const BY_MONTH: u32 = 5;

/// Why a query names no period: a sentence that says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RangeError(String);

/// The parameters of a query that name a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeQuery<'a> {
    /// The first day, `2026-10-01`.
    pub from: Option<&'a str>,
    /// The last day.
    pub to: Option<&'a str>,
    /// `2026-10`.
    pub month: Option<&'a str>,
    /// `2026-Q3`.
    pub quarter: Option<&'a str>,
    /// `2026-H1`.
    pub half: Option<&'a str>,
    /// `2026`.
    pub year: Option<&'a str>,
    /// The size of a step: day, week, month or year.
    pub by: Option<&'a str>,
}

impl RangeQuery<'_> {
    /// The period and the size of its steps; the month of `today` if no period is named.
    ///
    /// Without `by`, up to 62 days are shown by day, up to 100 by week, up to five years by month, and longer periods by year.
    ///
    /// # Errors
    /// If a parameter has another form, several name a period, it is longer than ten years or begins before 1970, or there are more
    /// than 400 steps.
    pub fn read(&self, today: NaiveDate) -> Result<(Days, Period), RangeError> {
        let days = self.days(today)?;
        let too_long = days.from.checked_add_months(Months::new(12 * MAX_YEARS)).is_none_or(|end| days.to >= end);
        if too_long {
            return Err(RangeError(format!("the period is longer than {MAX_YEARS} years: write a shorter one")));
        }
        if days.from.year() < FIRST_YEAR {
            return Err(RangeError(format!("the period begins before {FIRST_YEAR}: write a later one")));
        }
        let by = self.by.map_or_else(|| Ok(default_step(days)), step)?;
        let steps = steps(days, by).take(MAX_STEPS + 1).count();
        if steps > MAX_STEPS {
            let larger = if by == Period::Day { "by=week or by=month" } else { "by=month" };
            return Err(RangeError(format!("by={} gives more than {MAX_STEPS} rows for this period: write {larger}", by.name())));
        }
        Ok((days, by))
    }

    fn days(&self, today: NaiveDate) -> Result<Days, RangeError> {
        let named = [("month", self.month), ("quarter", self.quarter), ("half", self.half), ("year", self.year)];
        let mut named = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let (first, second, bounds) = (named.next(), named.next(), self.from.or(self.to));
        match (first, second, bounds) {
            (Some((name, value)), None, None) => calendar(name, value),
            (None, _, Some(_)) => between(self.from, self.to),
            (None, _, None) => months(today.year(), today.month(), 1).ok_or_else(|| RangeError("this month cannot be shown".into())),
            _ => {
                Err(RangeError("several parameters name a period: write one of month, quarter, half and year, or both from and to".into()))
            }
        }
    }
}

fn step(by: &str) -> Result<Period, RangeError> {
    Period::from_name(by).ok_or_else(|| RangeError("by is not day, week, month or year".into()))
}

fn default_step(days: Days) -> Period {
    let is_within = |years: u32| days.from.checked_add_months(Months::new(12 * years)).is_some_and(|end| days.to < end);
    let count = days.count();
    if count <= BY_DAY {
        Period::Day
    } else if count <= BY_WEEK {
        Period::Week
    } else if is_within(BY_MONTH) {
        Period::Month
    } else {
        Period::Year
    }
}

/// The days between two bounds, both included.
fn between(from: Option<&str>, to: Option<&str>) -> Result<Days, RangeError> {
    let (Some(from), Some(to)) = (from, to) else {
        return Err(RangeError("one end of the period is missing: write both, such as from=2026-10-01&to=2026-10-31".into()));
    };
    let day = |name: &str, text: &str| match text.parse() {
        Ok(Bucket::Day(day)) => Ok(day),
        _ => Err(RangeError(format!("{name} is not a day such as 2026-10-01"))),
    };
    let days = Days { from: day("from", from)?, to: day("to", to)? };
    if days.from > days.to { Err(RangeError("from is after to".into())) } else { Ok(days) }
}

/// The days of a named period.
fn calendar(name: &str, value: &str) -> Result<Days, RangeError> {
    let expected = match name {
        "month" => "a month such as 2026-10",
        "quarter" => "a quarter such as 2026-Q3, from Q1 to Q4",
        "half" => "a half-year such as 2026-H1, H1 or H2",
        _ => "a year such as 2026",
    };
    let days = match (name, value.parse()) {
        ("month", Ok(Bucket::Month { year, month })) => months(year, month, 1),
        ("year", Ok(Bucket::Year(year))) => months(year, 1, 12),
        ("quarter", _) => part(value, "-Q", 3),
        ("half", _) => part(value, "-H", 6),
        _ => None,
    };
    days.ok_or_else(|| RangeError(format!("{name} is not {expected}")))
}

/// A numbered part of a year that has `size` months.
fn part(text: &str, mark: &str, size: u32) -> Option<Days> {
    let (year, number) = text.split_once(mark)?;
    let Ok(Bucket::Year(year)) = year.parse() else { return None };
    let number = (1..=12 / size).find(|known| known.to_string() == number)?;
    months(year, (number - 1) * size + 1, size)
}

/// `count` months, of which the first is `month`.
fn months(year: i32, month: u32, count: u32) -> Option<Days> {
    whole_months(NaiveDate::from_ymd_opt(year, month, 1)?, count)
}

fn whole_months(from: NaiveDate, count: u32) -> Option<Days> {
    Some(Days { from, to: from.checked_add_months(Months::new(count))?.pred_opt()? })
}

impl Days {
    /// How many whole months these days are: from a day of a month to the day before that day in another month.
    fn months(self) -> Option<u32> {
        (1..=12 * MAX_YEARS).find(|&count| whole_months(self.from, count) == Some(self))
    }

    /// The period before: as many months if these days are whole months, such as 1 to 31 October or 15 October to 14 November;
    /// otherwise as many days.
    #[must_use]
    pub fn before(self) -> Self {
        let day = |day: Option<NaiveDate>| day.unwrap_or(NaiveDate::MIN);
        let from = match self.months() {
            Some(months) => self.from.checked_sub_months(Months::new(months)),
            None => self.from.checked_sub_days(chrono::Days::new(self.count().into())),
        };
        Self { from: day(from), to: day(self.from.pred_opt()) }
    }

    /// The same days of the year before. The year before a whole February is a whole February; in other periods, the 28th stands for
    /// a 29 February that the year before does not have.
    #[must_use]
    pub fn year_before(self) -> Self {
        let earlier = |day: NaiveDate| day.checked_sub_months(Months::new(12)).unwrap_or(NaiveDate::MIN);
        let from = earlier(self.from);
        let whole = self.months().and_then(|months| whole_months(from, months));
        whole.unwrap_or_else(|| Self { from, to: earlier(self.to) })
    }
}
