//! The nine numbers of a box.

use std::ops::{Index, IndexMut};

use chrono::{Datelike, Days, NaiveDate};
use serde::{Serialize, Serializer};

use super::{
    period::{Bucket, Period},
    record::saturating_count,
};

/// The name of one number of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Figure {
    /// All views, including imported ones.
    Total,
    /// The site's calendar day.
    Today,
    /// The day before.
    Yesterday,
    /// The ISO week, Monday to Sunday.
    ThisWeek,
    /// The previous ISO week.
    LastWeek,
    /// The calendar month.
    ThisMonth,
    /// The previous month.
    LastMonth,
    /// The calendar year.
    ThisYear,
    /// The previous year.
    LastYear,
}

impl Figure {
    /// All nine, in the order in which a box shows them.
    pub const ALL: [Self; 9] = [
        Self::Total,
        Self::Today,
        Self::Yesterday,
        Self::ThisWeek,
        Self::LastWeek,
        Self::ThisMonth,
        Self::LastMonth,
        Self::ThisYear,
        Self::LastYear,
    ];

    /// The figure's name in every interface.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Today => "today",
            Self::Yesterday => "yesterday",
            Self::ThisWeek => "this_week",
            Self::LastWeek => "last_week",
            Self::ThisMonth => "this_month",
            Self::LastMonth => "last_month",
            Self::ThisYear => "this_year",
            Self::LastYear => "last_year",
        }
    }

    /// The figure with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|figure| figure.name() == name)
    }

    /// The bucket that holds this figure on a day.
    #[must_use]
    pub fn bucket(self, today: NaiveDate) -> Bucket {
        let earlier = |days| today.checked_sub_days(Days::new(days)).unwrap_or(NaiveDate::MIN);
        match self {
            Self::Total => Bucket::Total,
            Self::Today => Bucket::Day(today),
            Self::Yesterday => Bucket::Day(earlier(1)),
            Self::ThisWeek => Period::Week.bucket(today),
            Self::LastWeek => Period::Week.bucket(earlier(7)),
            Self::ThisMonth => Period::Month.bucket(today),
            // Going back by the day of the month reaches the last day of the previous month.
            Self::LastMonth => Period::Month.bucket(earlier(today.day().into())),
            Self::ThisYear => Bucket::Year(today.year()),
            Self::LastYear => Bucket::Year(today.year() - 1),
        }
    }

    /// The nine buckets of a box on a day, in the order of [`Figure::ALL`].
    #[must_use]
    pub fn buckets(today: NaiveDate) -> [Bucket; 9] {
        Self::ALL.map(|figure| figure.bucket(today))
    }
}

/// The nine numbers of a box, in views. Serialises as an object with nine members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures([u64; 9]);

impl Figures {
    /// Figures from nine counts in the order of [`Figure::ALL`].
    #[must_use]
    pub fn new(counts: [u64; 9]) -> Self {
        Self(counts)
    }

    /// Adds views that were received on `day` to the figures of `today`.
    pub fn add(&mut self, today: NaiveDate, day: NaiveDate, views: u64) {
        // The usual case, which needs no calendar arithmetic.
        if day == today {
            for figure in [Figure::Total, Figure::Today, Figure::ThisWeek, Figure::ThisMonth, Figure::ThisYear] {
                self[figure] = saturating_count(self[figure], views);
            }
            return;
        }
        for figure in Figure::ALL {
            if figure.bucket(today).contains(day) {
                self[figure] = saturating_count(self[figure], views);
            }
        }
    }

    /// Appends the figures as JSON, identical to their serialised form. Every response contains them at least twice, so this is
    /// written by hand for speed.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        let mut before = b'{';
        for figure in Figure::ALL {
            out.extend_from_slice(&[before, b'"']);
            out.extend_from_slice(figure.name().as_bytes());
            out.extend_from_slice(b"\":");
            out.extend_from_slice(digits.format(self[figure]).as_bytes());
            before = b',';
        }
        out.push(b'}');
    }

    /// The same counters on another day: yesterday's `today` is today's `yesterday`.
    ///
    /// Exact if `to` is not before `from` and nothing has been counted since; a bucket that began after `from` is 0.
    #[must_use]
    pub fn seen_on(&self, from: NaiveDate, to: NaiveDate) -> Self {
        if from == to {
            return *self;
        }
        let known = Figure::buckets(from);
        let count = |bucket| known.iter().position(|&b| b == bucket).map_or(0, |i| self.0[i]);
        Self(Figure::buckets(to).map(count))
    }
}

impl Index<Figure> for Figures {
    type Output = u64;

    fn index(&self, figure: Figure) -> &u64 {
        &self.0[figure as usize]
    }
}

impl IndexMut<Figure> for Figures {
    fn index_mut(&mut self, figure: Figure) -> &mut u64 {
        &mut self.0[figure as usize]
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Figure::ALL.map(|figure| (figure.name(), self[figure])))
    }
}
