//! Makes reports, a few at a time.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use parking_lot::Mutex;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    contents::{Counts, Days, Gap, MAX_MOST_READ, MostRead, Report, Step},
    cover::{pieces, steps, whole_buckets},
    imported::imported,
    most_read::Ranking,
    range::FIRST_YEAR,
};
use crate::{
    domain::{
        article::ArticleId,
        counts::{Kind, Subject},
        figures::Figure,
        period::{Bucket, Period},
        retention::Retention,
        site::SiteId,
    },
    recorder::{Handle, SiteCounter},
    store::{LIST_LEAST, StoreError},
};

/// The most reports that are made at once, and that wait for that; and how long they wait.
const MAX_MADE: usize = 2;
const MAX_WAITING: usize = 30;
const WAIT: Duration = Duration::from_secs(5);

/// How long a report is shown again to others, and how many are kept for that.
const KEPT: Duration = Duration::from_secs(1);
const MAX_KEPT: usize = 64;

/// The most lists of a report: more buckets cannot make up its period.
const MAX_LISTS: usize = 64;

/// The most articles whose views are asked for, and how many at once.
const MAX_ASKED: usize = 512;
const ASKED_AT_ONCE: usize = 16;

/// Why a report could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Too many others are being made.
    #[error("other reports are being made")]
    Busy,
    /// The store does not answer.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Which report.
type Key = (SiteId, Days, Period);

/// Makes the reports of all sites. They are read from the store, a few at a time, so that figures and lists do not wait for them.
#[derive(Debug)]
pub struct Reports {
    handle: Handle,
    retention: Retention,
    accepted: Semaphore,
    making: Semaphore,
    kept: Mutex<HashMap<Key, (Instant, Arc<Report>)>>,
}

impl Reports {
    /// Reports of what a recorder counts, with the retention of its store.
    #[must_use]
    pub fn new(handle: Handle, retention: Retention) -> Self {
        let (accepted, making) = (Semaphore::new(MAX_MADE + MAX_WAITING), Semaphore::new(MAX_MADE));
        Self { handle, retention, accepted, making, kept: Mutex::default() }
    }

    /// The present instant, by the recorder's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.handle.now()
    }

    /// The report of a site on some days, in steps of a kind. It can be up to a second old.
    ///
    /// # Errors
    /// If the store does not answer, or many reports are requested.
    pub async fn report(&self, counter: &Arc<SiteCounter>, days: Days, by: Period) -> Result<Arc<Report>, ReportError> {
        let _accepted = self.accepted.try_acquire().map_err(|_| ReportError::Busy)?;
        let _making = timeout(WAIT, self.making.acquire()).await.map_err(|_| ReportError::Busy)?;
        // Looked for in its turn, so that one report serves all that wait for the same one.
        let key = (counter.id().clone(), days, by);
        if let Some(report) = self.kept(&key) {
            return Ok(report);
        }
        let report = Arc::new(Making { handle: &self.handle, counter, retention: self.retention }.report(days, by).await?);
        let mut kept = self.kept.lock();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(key, (Instant::now(), Arc::clone(&report)));
        Ok(report)
    }

    fn kept(&self, key: &Key) -> Option<Arc<Report>> {
        let kept = self.kept.lock();
        let (made, report) = kept.get(key)?;
        (made.elapsed() < KEPT).then(|| Arc::clone(report))
    }
}

/// A report that is being made.
struct Making<'a> {
    handle: &'a Handle,
    counter: &'a Arc<SiteCounter>,
    retention: Retention,
}

/// Counters of one moment.
struct Counters(HashMap<Bucket, u64>);

impl Counters {
    fn of(&self, bucket: Bucket) -> u64 {
        self.0.get(&bucket).copied().unwrap_or_default()
    }

    fn sum_of(&self, buckets: impl IntoIterator<Item = Bucket>) -> u64 {
        buckets.into_iter().fold(0, |sum, bucket| sum.saturating_add(self.of(bucket)))
    }

    fn sum(&self, days: Days) -> u64 {
        self.sum_of(whole_buckets(days))
    }
}

/// Views and visits.
struct Both {
    views: Counters,
    visits: Counters,
}

impl Both {
    fn sum(&self, days: Days) -> Counts {
        Counts { views: self.views.sum(days), visits: self.visits.sum(days) }
    }
}

impl Making<'_> {
    async fn report(&self, days: Days, by: Period) -> Result<Report, StoreError> {
        let site = self.counter.site();
        let made = self.handle.now().with_timezone(&site.timezone);
        let today = made.date_naive();
        let (before, year_before) = (days.before(), days.year_before());
        let begun = days.begun(today);
        // One question, so that parts and sums are of one moment.
        let periods = [days, before, year_before];
        let mut buckets: BTreeSet<Bucket> = periods.into_iter().flat_map(whole_buckets).collect();
        let shown: Vec<_> = begun.map(|_| steps(days, by).filter(|(_, part)| part.from <= today).collect()).unwrap_or_default();
        buckets.extend(shown.iter().flat_map(|(_, part)| whole_buckets(*part)));
        buckets.extend((FIRST_YEAR..=today.year()).map(Bucket::Year));
        let visits = self.counters(Subject::Kind(Kind::Visits), buckets.clone()).await?;
        buckets.extend(begun.into_iter().flat_map(Days::iter).map(Bucket::Day));
        buckets.extend(periods.into_iter().flat_map(cut).flat_map(|(whole, parts)| parts.into_iter().chain([whole])));
        buckets.insert(Bucket::Total);
        let both = Both { views: self.counters(Subject::Site, buckets).await?, visits };
        let steps: Vec<_> = shown.into_iter().map(|(bucket, days)| Step { bucket, days, counts: both.sum(days) }).collect();
        let counts = both.sum(days);
        let mut undated: Vec<_> = periods.into_iter().filter(|days| is_undated(*days, &both.views)).collect();
        undated.dedup();
        let by_day = both.views.sum_of(begun.into_iter().flat_map(Days::iter).map(Bucket::Day));
        let begins = self.begins(&Subject::Site, &both.views, today).await?;
        let visits_begin = self.begins(&Subject::Kind(Kind::Visits), &both.visits, today).await?;
        let counted = begun.zip(begins).map(|(begun, begins)| Days { from: begun.from.max(begins), ..begun });
        let figures = self.handle.figures(self.counter, &[]).await;
        Ok(Report {
            site: site.id.clone(),
            days,
            by,
            made,
            stale: figures.stale,
            counts,
            before: (before, both.sum(before)),
            year_before: (year_before, both.sum(year_before)),
            undated,
            without_step: without_step(counts, &steps),
            steps,
            best: begun.and_then(|begun| best(begun, &both.views)),
            without_day: counts.views.saturating_sub(by_day),
            days_counted: counted.filter(|days| days.from <= days.to),
            most_read: self.most_read(days, today).await?,
            not_counted: self.not_counted(days).await?,
            total: figures.site.map_or_else(|| both.views.of(Bucket::Total), |site| site[Figure::Total]),
            older: both.views.of(Bucket::Total).saturating_sub(both.views.sum_of((FIRST_YEAR..=today.year()).map(Bucket::Year))),
            begins,
            visits_begin,
            imported: imported(&self.handle.audit(self.counter).await?),
        })
    }

    async fn counters(&self, subject: Subject, buckets: impl IntoIterator<Item = Bucket>) -> Result<Counters, StoreError> {
        let buckets: Vec<_> = buckets.into_iter().collect();
        let counts = self.handle.history(self.counter, &subject, buckets.clone()).await?;
        Ok(Counters(buckets.into_iter().zip(counts).collect()))
    }

    async fn not_counted(&self, days: Days) -> Result<Vec<(Kind, u64)>, StoreError> {
        let mut found = Vec::new();
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Visits) {
            let count = self.counters(Subject::Kind(kind), whole_buckets(days)).await?.sum(days);
            if count > 0 {
                found.push((kind, count));
            }
        }
        Ok(found)
    }

    /// The first day with counts: the first day of the first year or month, if not all of its counts are known by month or day.
    async fn begins(&self, subject: &Subject, counts: &Counters, today: NaiveDate) -> Result<Option<NaiveDate>, StoreError> {
        let mut years = (FIRST_YEAR..=today.year()).map(Bucket::Year);
        let Some(year) = years.find(|year| counts.of(*year) > 0) else { return Ok(None) };
        let months: Vec<_> = parts(year, Period::Month);
        let of_months = self.counters(subject.clone(), months.iter().copied()).await?;
        let Some(month) = first(counts.of(year), &months, &of_months) else { return Ok(year.first_day()) };
        let days: Vec<_> = parts(month, Period::Day);
        let of_days = self.counters(subject.clone(), days.iter().copied()).await?;
        Ok(first(of_months.of(month), &days, &of_days).unwrap_or(month).first_day())
    }

    async fn most_read(&self, days: Days, today: NaiveDate) -> Result<MostRead, StoreError> {
        let gap = |gap| Ok(MostRead { articles: Vec::new(), gap: Some(gap) });
        // Buckets that expire tomorrow can be gone before they are all read.
        let tomorrow = self.handle.now().date_naive().succ_opt().unwrap_or(NaiveDate::MAX);
        let Some(buckets) = pieces(days, today, |bucket| !self.retention.expired(bucket, tomorrow)) else { return gap(Gap::Expired) };
        if buckets.len() > MAX_LISTS {
            return gap(Gap::Unproven);
        }
        let mut lists = Vec::with_capacity(buckets.len());
        for bucket in &buckets {
            let list = self.handle.top(self.counter, None, *bucket).await?;
            if list.stale {
                return gap(Gap::Building);
            }
            lists.push(list.articles);
        }
        // Those that the portal does not have are left out later.
        let rows = if self.counter.site().rules.titles { LIST_LEAST } else { MAX_MOST_READ };
        let mut ranking = Ranking::new(&lists, rows);
        let mut asked = 0;
        while asked < MAX_ASKED {
            let articles = ranking.next(ASKED_AT_ONCE);
            if articles.is_empty() {
                break;
            }
            asked += articles.len();
            for (article, views) in self.views_of(articles, &buckets).await? {
                ranking.answer(article, views);
            }
        }
        Ok(ranking.finish())
    }

    /// The views of articles in all of these buckets together.
    async fn views_of(&self, articles: Vec<ArticleId>, buckets: &[Bucket]) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        let mut questions = JoinSet::new();
        for article in articles {
            let (handle, counter, buckets) = (self.handle.clone(), Arc::clone(self.counter), buckets.to_vec());
            questions.spawn(async move {
                let counts = handle.history(&counter, &Subject::Article(article.clone()), buckets).await?;
                Ok((article, counts.into_iter().fold(0, u64::saturating_add)))
            });
        }
        let mut views = Vec::new();
        while let Some(answer) = questions.join_next().await {
            views.push(answer.unwrap_or_else(|error| Err(StoreError::NotApplied(error.to_string())))?);
        }
        Ok(views)
    }
}

/// What the steps lack of the sum.
fn without_step(counts: Counts, steps: &[Step]) -> Counts {
    let rest = |of: fn(&Counts) -> u64| steps.iter().fold(of(&counts), |rest, step| rest.saturating_sub(of(&step.counts)));
    Counts { views: rest(|counts| counts.views), visits: rest(|counts| counts.visits) }
}

/// The day with most views, the first one of several.
fn best(days: Days, views: &Counters) -> Option<(NaiveDate, u64)> {
    let days = days.iter().map(|day| (day, views.of(Bucket::Day(day)))).filter(|(_, views)| *views > 0);
    days.reduce(|best, day| if day.1 > best.1 { day } else { best })
}

/// The months of a year, or the days of a month.
fn parts(bucket: Bucket, by: Period) -> Vec<Bucket> {
    let first = bucket.first_day().map(|day| by.bucket(day));
    let parts = std::iter::successors(first, |part| part.next());
    parts.take_while(|part| part.first_day().is_some_and(|day| bucket.contains(day))).collect()
}

/// The years and months, each with its parts, that a period has only in part.
fn cut(days: Days) -> Vec<(Bucket, Vec<Bucket>)> {
    let whole = whole_buckets(days);
    let of_day = |day| {
        let (year, month) = (Period::Year.bucket(day), Period::Month.bucket(day));
        let is_year_cut = !whole.contains(&year);
        let is_month_cut = is_year_cut && !whole.contains(&month);
        [is_year_cut.then(|| (year, parts(year, Period::Month))), is_month_cut.then(|| (month, parts(month, Period::Day)))]
    };
    [days.from, days.to].into_iter().flat_map(of_day).flatten().collect()
}

/// Whether the sum of a period can lack views, because only the year or the month is known.
fn is_undated(days: Days, views: &Counters) -> bool {
    cut(days).into_iter().any(|(whole, parts)| views.of(whole) > views.sum_of(parts))
}

/// The first part that has views, if the parts have all views of the whole.
fn first(whole: u64, parts: &[Bucket], views: &Counters) -> Option<Bucket> {
    let sum = views.sum_of(parts.iter().copied());
    parts.iter().copied().find(|part| sum >= whole && views.of(*part) > 0)
}
