//! An article's counters as the stores keep them: one short text for the total and the latest periods, one for earlier ones.
//!
//! A [`Record`] is `total|days|weeks|months|years`, such as `1092|20785:903,20784:3|2969:921|682:903,681:90|56:1074`. Each of
//! the four lists holds the two latest periods that have views, newest first, as `number:views`; see [`Bucket::number`]. A
//! [`Past`] is the four lists of all earlier periods that are kept, newest first. It has no total.
//!
//! So all nine figures of a box come from the record, unless a clock was ahead; and an article that is read every day writes
//! its past once a day.

use std::{collections::BTreeMap, str::FromStr};

use super::{
    MAX_COUNT,
    period::{Bucket, Period},
};

/// The views of one period, by its number.
pub type PeriodViews = (i32, u64);

/// The total of an article, and its two latest periods of each kind that have views.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// All views.
    pub total: u64,
    latest: [[Option<PeriodViews>; 2]; 4],
}

/// The earlier periods of an article.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past([Vec<PeriodViews>; 4]);

/// A text that is not a record, or not a past.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a record of views")]
pub struct RecordError(pub String);

/// Where a record has put views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// In the record. Holds the period's new count.
    Here(u64),
    /// In the record, which has moved its earlier period out: that belongs into the past. Holds the new count and the period.
    Displaced(u64, PeriodViews),
    /// Nowhere: the period is earlier than both of the record, and belongs into the past.
    Past,
}

/// The record and the past of an article that has these counts.
#[must_use]
pub fn divide(counts: &BTreeMap<Bucket, u64>) -> (Record, Past) {
    let (mut record, mut past) = (Record::default(), Past::default());
    // Of each kind the newest first.
    for (bucket, &views) in counts.iter().rev().filter(|(_, views)| **views > 0) {
        let Some(period) = bucket.period() else {
            record.total = views;
            continue;
        };
        let counted = (bucket.number(), views);
        match record.latest[period as usize].iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(counted),
            None => past.0[period as usize].push(counted),
        }
    }
    (record, past)
}

/// Adds views to a count, which stays at [`MAX_COUNT`] if it would exceed that.
#[must_use]
pub fn saturating_count(count: u64, views: u64) -> u64 {
    count.saturating_add(views).min(MAX_COUNT)
}

impl Record {
    /// Adds views to the total.
    pub fn add_total(&mut self, views: u64) {
        self.total = saturating_count(self.total, views);
    }

    /// Adds views to a period.
    pub fn add(&mut self, period: Period, number: i32, views: u64) -> Placed {
        let latest = &mut self.latest[period as usize];
        if let Some((_, count)) = latest.iter_mut().flatten().find(|(known, _)| *known == number) {
            *count = saturating_count(*count, views);
            return Placed::Here(*count);
        }
        let new = (number, saturating_count(0, views));
        let displaced = match *latest {
            [Some((first, _)), second] if number < first => match second {
                Some((second, _)) if number < second => return Placed::Past,
                _ => latest[1].replace(new),
            },
            [first, second] => {
                *latest = [Some(new), first];
                second
            }
        };
        displaced.map_or(Placed::Here(new.1), |earlier| Placed::Displaced(new.1, earlier))
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The views in a bucket; `None` if only the past has them or knows that there are none.
    #[must_use]
    pub fn views(&self, bucket: Bucket) -> Option<u64> {
        bucket.period().map_or(Some(self.total), |period| self.period_views(period, bucket.number()))
    }

    /// The same for a period, by its number.
    #[must_use]
    pub fn period_views(&self, period: Period, number: i32) -> Option<u64> {
        let latest = &self.latest[period as usize];
        match latest {
            [_, Some((second, _))] if number < *second => None,
            _ => Some(latest.iter().flatten().find(|(known, _)| *known == number).map_or(0, |(_, views)| *views)),
        }
    }

    /// All periods, newest first within each kind.
    pub fn periods(&self) -> impl Iterator<Item = (Period, PeriodViews)> {
        Period::ALL.into_iter().flat_map(|period| self.latest[period as usize].into_iter().flatten().map(move |views| (period, views)))
    }
}

impl Past {
    /// Adds views to a period, and returns its new count.
    pub fn add(&mut self, period: Period, number: i32, views: u64) -> u64 {
        let list = &mut self.0[period as usize];
        let at = list.partition_point(|(known, _)| *known > number);
        match list.get_mut(at) {
            Some((known, count)) if *known == number => {
                *count = saturating_count(*count, views);
                *count
            }
            _ => {
                let count = saturating_count(0, views);
                list.insert(at, (number, count));
                count
            }
        }
    }

    /// Drops the periods of a kind that are earlier than `oldest`.
    pub fn drop_before(&mut self, period: Period, oldest: i32) {
        self.0[period as usize].retain(|(number, _)| *number >= oldest);
    }

    /// The views in a bucket.
    #[must_use]
    pub fn views(&self, bucket: Bucket) -> u64 {
        bucket.period().map_or(0, |period| self.period_views(period, bucket.number()))
    }

    /// The views of a period, by its number.
    #[must_use]
    pub fn period_views(&self, period: Period, number: i32) -> u64 {
        self.0[period as usize].iter().find(|(known, _)| *known == number).map_or(0, |(_, views)| *views)
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// All periods, newest first within each kind.
    pub fn periods(&self) -> impl Iterator<Item = (Period, PeriodViews)> {
        Period::ALL.into_iter().flat_map(|period| self.0[period as usize].iter().map(move |views| (period, *views)))
    }
}

/// Appends a list to a text. By hand, because each view of an article writes one.
fn write_list(text: &mut String, list: impl Iterator<Item = PeriodViews>) {
    let mut digits = itoa::Buffer::new();
    for (at, (number, views)) in list.enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(digits.format(number));
        text.push(':');
        text.push_str(digits.format(views));
    }
}

impl Record {
    /// The record as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(96);
        text.push_str(itoa::Buffer::new().format(self.total));
        for latest in &self.latest {
            text.push('|');
            write_list(&mut text, latest.iter().copied().flatten());
        }
        text
    }
}

impl Past {
    /// The past as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (at, list) in self.0.iter().enumerate() {
            if at > 0 {
                text.push('|');
            }
            write_list(&mut text, list.iter().copied());
        }
        text
    }
}

/// Reads a list whose numbers descend and whose views are counts above 0.
fn read_list(text: &str) -> impl Iterator<Item = Option<PeriodViews>> {
    let mut before = None;
    text.split(',').filter(|_| !text.is_empty()).map(move |part| {
        let (number, views) = part.split_once(':')?;
        let (number, views) = (read_number(number)?, read_count(views).filter(|views| *views > 0)?);
        let descends = before.replace(number).is_none_or(|before| number < before);
        descends.then_some((number, views))
    })
}

/// Each number has one spelling, so two texts are equal if their content is.
fn is_plain(digits: &str) -> bool {
    digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn read_number(text: &str) -> Option<i32> {
    let plain = is_plain(text.strip_prefix('-').unwrap_or(text)) && text != "-0";
    text.parse().ok().filter(|_| plain)
}

fn read_count(text: &str) -> Option<u64> {
    text.parse().ok().filter(|count| is_plain(text) && *count <= MAX_COUNT)
}

impl FromStr for Record {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        let parse = || {
            let mut parts = text.split('|');
            let mut record = Self { total: read_count(parts.next()?)?, ..Self::default() };
            for latest in &mut record.latest {
                let mut list = read_list(parts.next()?);
                for place in latest {
                    *place = match list.next() {
                        Some(read) => Some(read?),
                        None => None,
                    };
                }
                list.next().is_none().then_some(())?;
            }
            parts.next().is_none().then_some(record)
        };
        parse().ok_or_else(|| RecordError(text.into()))
    }
}

impl FromStr for Past {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        let parse = || {
            let mut parts = text.split('|');
            let mut past = Self::default();
            for list in &mut past.0 {
                *list = read_list(parts.next()?).collect::<Option<_>>()?;
            }
            parts.next().is_none().then_some(past)
        };
        parse().ok_or_else(|| RecordError(text.into()))
    }
}
