//! The buckets that make up a period.

use std::iter::successors;

use chrono::NaiveDate;

use super::contents::Days;
use crate::domain::period::{Bucket, Period};

/// The last day of a bucket; `None` for `total`.
fn last_day(bucket: Bucket) -> Option<NaiveDate> {
    bucket.next()?.first_day()?.pred_opt()
}

/// The steps of a period: each bucket of that kind with a day in it, and its days there.
pub(super) fn steps(days: Days, by: Period) -> impl Iterator<Item = (Bucket, Days)> {
    let buckets = successors(Some(by.bucket(days.from)), |bucket| bucket.next());
    buckets.map_while(move |bucket| {
        let first = bucket.first_day().filter(|first| *first <= days.to)?;
        Some((bucket, Days { from: first.max(days.from), to: last_day(bucket)?.min(days.to) }))
    })
}

/// The buckets whose sum is that of a period: its whole years, its further whole months, and the days that are left. So the sum has
/// imports that name only a year or a month.
#[must_use]
pub fn whole_buckets(days: Days) -> Vec<Bucket> {
    let mut buckets = Vec::new();
    let mut next = Some(days.from);
    while let Some(day) = next.filter(|day| *day <= days.to) {
        let whole = |bucket: &Bucket| bucket.first_day() == Some(day) && last_day(*bucket).is_some_and(|last| last <= days.to);
        let largest = [Period::Year, Period::Month].map(|period| period.bucket(day)).into_iter().find(whole);
        let bucket = largest.unwrap_or(Bucket::Day(day));
        buckets.push(bucket);
        next = last_day(bucket).and_then(|last| last.succ_opt());
    }
    buckets
}

/// The fewest buckets of any kind that together have exactly the days of a period, of those that are `kept`; `None` if there are
/// none. Days after `today` do not matter, because nothing is counted on them yet.
#[must_use]
pub fn pieces(days: Days, today: NaiveDate, kept: impl Fn(Bucket) -> bool) -> Option<Vec<Bucket>> {
    let Some(begun) = days.begun(today) else { return Some(Vec::new()) };
    let is_open = days.to >= today;
    let length = begun.count() as usize;
    // For each day, from the last one on: how many buckets cover the days from there, and the first of them.
    let mut best: Vec<Option<(usize, Bucket)>> = vec![None; length];
    for (at, day) in begun.iter().enumerate().collect::<Vec<_>>().into_iter().rev() {
        let buckets = Period::ALL.map(|period| period.bucket(day));
        let starting = buckets.into_iter().filter(|bucket| bucket.first_day() == Some(day) && kept(*bucket));
        let covers = starting.filter_map(|bucket| {
            let last = last_day(bucket)?;
            if last >= begun.to {
                return (last == begun.to || is_open).then_some((1, bucket));
            }
            let next = usize::try_from((last - begun.from).num_days() + 1).ok()?;
            Some((best.get(next)?.as_ref()?.0 + 1, bucket))
        });
        best[at] = covers.min_by_key(|(count, _)| *count);
    }
    let mut chosen = Vec::new();
    let mut at = 0;
    while at < length {
        let (_, bucket) = best[at]?;
        chosen.push(bucket);
        at = usize::try_from((last_day(bucket)? - begun.from).num_days() + 1).ok()?;
    }
    Some(chosen)
}
