//! The periods of rows, in the spellings of people and of spreadsheets.

use chrono::{Datelike, NaiveDate};

use crate::domain::period::{Bucket, BucketSet, Period};

/// The short English names of the months, as Excel writes them.
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The numbers by which Excel stores the days of 1982 to 2064.
const EXCEL_DAYS: std::ops::Range<u32> = 30_000..60_000;

/// The period of a row.
pub(super) fn read(text: &str) -> Result<Bucket, String> {
    if text.is_empty() {
        return Ok(Bucket::Total);
    }
    let no_period = || format!("period {text:?} is not a day (2026-11-22), month (2026-11), year (2026) or empty");
    let other = || other_spelling(text).unwrap_or_else(|| Err(String::new()));
    let bucket = text.parse().or_else(|_| other()).map_err(|why| format!("{}{why}", no_period()))?;
    match bucket {
        Bucket::Total if text == "total" => Err("period \"total\": leave it empty for views older than any day, month or year".into()),
        Bucket::Week { .. } => Err(format!("period {text:?}: a week can belong to two months or years; give its days instead")),
        bucket => Ok(bucket),
    }
}

/// The buckets to which views of a period add.
pub(super) fn with_larger(bucket: Bucket) -> BucketSet {
    bucket.and_larger().unwrap_or_default().into_iter().collect()
}

/// A period as it is written by hand, day first; or else what to do about it. `None` if that is not known.
fn other_spelling(text: &str) -> Option<Result<Bucket, String>> {
    if let Some(instead) = by_excel(text) {
        return Some(Err(format!("; Excel has changed it into a date: format the column as text, and write {instead}")));
    }
    if text.starts_with("visits:") {
        return Some(Err("; write visits in a column \"visits\"".into()));
    }
    let separator = text.chars().find(|c| !c.is_ascii_digit()).filter(|c| "/-.".contains(*c))?;
    let parts: Vec<&str> = text.split(separator).collect();
    if !parts.iter().all(|part| matches!(part.len(), 1 | 2 | 4) && part.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let number = |part: &str| part.parse::<u32>().ok();
    let (year, month, day) = match *parts {
        [year, month] if year.len() == 4 => (number(year)?, number(month)?, None),
        [month, year] if year.len() == 4 => (number(year)?, number(month)?, None),
        [year, month, day] if year.len() == 4 => (number(year)?, number(month)?, Some(number(day)?)),
        [day, month, year] if year.len() == 4 => (number(year)?, number(month)?, Some(number(day)?)),
        [_, _, year] if year.len() == 2 => return Some(Err("; write the year with four digits".into())),
        _ => return None,
    };
    Some(bucket(year, month, day).ok_or_else(|| {
        let swapped = day.and_then(|day| bucket(year, day, Some(month)));
        swapped.map_or_else(String::new, |day| format!("; the day comes first: write {day}"))
    }))
}

fn bucket(year: u32, month: u32, day: Option<u32>) -> Option<Bucket> {
    let date = NaiveDate::from_ymd_opt(year.try_into().ok()?, month, day.unwrap_or(1))?;
    (date.year() >= 1).then(|| if day.is_some() { Bucket::Day(date) } else { Period::Month.bucket(date) })
}

/// What to write instead of a date that Excel shows as `Nov-26` or `26-Nov`, or stores as a number.
fn by_excel(text: &str) -> Option<String> {
    if text.len() == 5 && text.parse().is_ok_and(|number: u32| EXCEL_DAYS.contains(&number)) {
        return Some("the day as 2026-11-22".into());
    }
    let (first, second) = text.split_once(['-', ' '])?;
    let month = |name: &str| MONTHS.iter().position(|month| name.eq_ignore_ascii_case(month)).map(|at| at + 1);
    match (month(first), month(second), second.parse::<u32>()) {
        (Some(month), None, Ok(year)) if second.len() == 2 => Some(format!("the month as {}-{month:02}", 2000 + year)),
        (Some(month), None, Ok(year)) if second.len() == 4 => Some(format!("the month as {year}-{month:02}")),
        (None, Some(_), _) => Some("the day as 2026-11-22".into()),
        _ => None,
    }
}
