//! What is in a report.

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;

use crate::domain::{
    article::ArticleId,
    counts::Kind,
    period::{Bucket, Period},
    site::SiteId,
};

/// The days of a report, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Days {
    /// The first day.
    pub from: NaiveDate,
    /// The last day; not before the first one.
    pub to: NaiveDate,
}

impl Days {
    /// How many days there are.
    #[must_use]
    pub fn count(self) -> u32 {
        u32::try_from((self.to - self.from).num_days() + 1).unwrap_or_default()
    }

    /// The days, in order.
    pub fn iter(self) -> impl Iterator<Item = NaiveDate> {
        self.from.iter_days().take_while(move |day| *day <= self.to)
    }

    /// Those that have begun on a day; `None` if none has.
    #[must_use]
    pub fn begun(self, today: NaiveDate) -> Option<Self> {
        (self.from <= today).then(|| Self { to: self.to.min(today), ..self })
    }
}

/// Views and visits of some days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Page views.
    pub views: u64,
    /// Visits.
    pub visits: u64,
}

/// The most articles of a report.
pub const MAX_MOST_READ: usize = 20;

/// A part of the period: one bar of the chart, one row of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The day, week, month or year.
    pub bucket: Bucket,
    /// Its days within the period.
    pub days: Days,
    /// What was counted on these days.
    pub counts: Counts,
}

/// An article of a most-read list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadArticle {
    /// Its id.
    pub article: ArticleId,
    /// Its title, if it is known.
    pub title: Option<String>,
    /// Its views in the period; exact.
    pub views: u64,
}

/// The most-read articles of the period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MostRead {
    /// Most views first, then by id; at most [`MAX_MOST_READ`], or more if some of them are not to be shown.
    pub articles: Vec<ReadArticle>,
    /// Why there are fewer than the report has room for, if that is not because no more were read.
    pub gap: Option<Gap>,
}

/// Why the most-read articles are not all known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Counts of articles of that time are deleted.
    Expired,
    /// The lists that are kept do not prove which articles come next.
    Unproven,
    /// The store builds a list.
    Building,
    /// The portal does not have some of the articles, or has not answered about them.
    NotListed,
}

/// A report.
#[derive(Clone, Debug)]
pub struct Report {
    /// The site.
    pub site: SiteId,
    /// The period.
    pub days: Days,
    /// The size of a step.
    pub by: Period,
    /// When the report was made, in the site's time zone. A period that contains that day, or ends later, is not over.
    pub made: DateTime<Tz>,
    /// Whether counts can be missing, because the store does not answer.
    pub stale: bool,
    /// The sum of the period.
    pub counts: Counts,
    /// The [period before](Days::before), and its sum.
    pub before: (Days, Counts),
    /// The [same days of the year before](Days::year_before), and their sum.
    pub year_before: (Days, Counts),
    /// Those of these three periods whose sums can lack views: the views are known only for a year or month that the period has in part.
    pub undated: Vec<Days>,
    /// The steps of the period, in order; days that are yet to come are left out.
    pub steps: Vec<Step>,
    /// What belongs to the period and to none of its steps: imports that name only a month or a year, while the steps are shorter.
    pub without_step: Counts,
    /// The day with most views, the first one of several; `None` if no day has views.
    pub best: Option<(NaiveDate, u64)>,
    /// Views of the period that belong to none of its days, so that the best day is only that of the days that are known.
    pub without_day: u64,
    /// The days of the period with figures, over which the mean is: those that have begun, from the first day with counts on; `None` if
    /// there are none.
    pub days_counted: Option<Days>,
    /// The most-read articles.
    pub most_read: MostRead,
    /// What was not counted in the period; only kinds with a count, not visits.
    pub not_counted: Vec<(Kind, u64)>,
    /// All views until now.
    pub total: u64,
    /// How many of them were imported without a time; so they can be older than the first day.
    pub older: u64,
    /// The first day with counts, counted or imported; `None` if there are none with a time.
    pub begins: Option<NaiveDate>,
    /// The first day with visits; before, they were not counted. `None` if there are none.
    pub visits_begin: Option<NaiveDate>,
    /// How many views imports have added and none has taken back; `None` if the store does not know how many of them the total
    /// still has.
    pub imported: Option<u64>,
}

impl Report {
    /// Whether visits were counted on some of these days.
    #[must_use]
    pub fn counts_visits(&self, days: Days) -> bool {
        self.visits_begin.is_some_and(|begin| begin <= days.to)
    }

    /// The first day with visits, if it is in the period and there were figures on earlier days of it.
    #[must_use]
    pub fn visits_begin_within(&self) -> Option<NaiveDate> {
        let begin = self.visits_begin.filter(|begin| (self.days.from..=self.days.to).contains(begin))?;
        let earlier = self.begins.filter(|begins| *begins < begin)?.max(self.days.from);
        (earlier < begin).then_some(begin)
    }

    /// Whether the sum of one of the three periods is known, at least in part.
    #[must_use]
    pub fn is_known(&self, (days, counts): (Days, Counts)) -> bool {
        self.begins.is_some_and(|begins| begins <= days.to) && !self.is_lost((days, counts))
    }

    /// Whether nothing is known of one of the three periods, because all of its views are in a longer month or year.
    #[must_use]
    pub fn is_lost(&self, (days, counts): (Days, Counts)) -> bool {
        counts == Counts::default() && self.undated.contains(&days)
    }
}
