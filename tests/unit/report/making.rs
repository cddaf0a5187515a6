//! Reports of a site, compared with a plain sum over its days.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, Datelike, Days as Count, NaiveDate, Utc};
use chrono_tz::Tz;
use proptest::{prelude::*, proptest};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use truycap::{
    domain::{
        counts::{Deltas, Kind, SiteViews},
        period::{BucketSet, Period},
        producer::{Digest, Position, ProducerId},
        retention::Retention,
        site::{Rules, Site, SiteId},
    },
    recorder::{self, APPLY_SUMS, Config, Handle, Recorder},
    report::{Counts, Days, Gap, MAX_MOST_READ, Report, Reports},
    store::{Store, memory::MemoryStore},
};
use truycap_test_support::memory_journal::MemoryJournal;

use super::{article, bucket, day, days};

/// 06:30 on 29 November in Hanoi, and still 28 November in Europe and in America.
fn now() -> DateTime<Utc> {
    "2026-11-28T23:30:00Z".parse().unwrap()
}

/// What was counted on each day.
type Story = BTreeMap<NaiveDate, SiteViews>;

/// A recorder on a store that has a story.
struct Stage {
    store: Arc<MemoryStore>,
    handle: Handle,
    reports: Reports,
    _recorder: Recorder,
}

impl Stage {
    async fn new(story: &Story, timezone: Tz) -> Self {
        let id = SiteId::parse("portal").unwrap();
        let store = Arc::new(MemoryStore::new(Retention::default(), now));
        let stage = Self::on(Arc::clone(&store), &id, timezone).await;
        stage.apply(1, story.iter().map(|(day, views)| (*day, views)).collect()).await;
        stage
    }

    async fn on(store: Arc<MemoryStore>, id: &SiteId, timezone: Tz) -> Self {
        let site = Site { id: id.clone(), aliases: vec![], origins: vec![], timezone, sections: vec![], rules: Rules::default() };
        let config = Config { flush_interval: Duration::from_millis(100), retain: Duration::from_secs(60), apply_sums: APPLY_SUMS };
        let journal = Arc::new(MemoryJournal::new(ProducerId(1), 0, 1000));
        let (handle, recorder) = recorder::spawn(config, vec![site], journal, Arc::clone(&store) as _, now).await.unwrap();
        let reports = Reports::new(handle.clone(), Retention::default());
        Self { store, handle, reports, _recorder: recorder }
    }

    /// Adds counts to the store as producer no. `producer`.
    async fn apply(&self, producer: u128, deltas: Deltas) {
        let to = Position { seq: 1, digest: Digest(7) };
        let site = SiteId::parse("portal").unwrap();
        self.store.apply(&site, ProducerId(100 + producer), Position::START, to, Arc::new(deltas)).await.unwrap();
    }

    async fn report(&self, days: Days, by: Period) -> Report {
        let counter = self.handle.site("portal").unwrap();
        Report::clone(&*self.reports.report(&counter, days, by).await.unwrap())
    }
}

/// The report on a story.
fn report(story: &Story, timezone: Tz, days: Days, by: Period) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { Stage::new(story, timezone).await.report(days, by).await })
}

const HANOI: Tz = Tz::Asia__Ho_Chi_Minh;

/// Views of some days up to 28 November 2026: of the site, of articles, visits, and what was not counted.
fn story(seed: u64, first: NaiveDate, articles: usize) -> Story {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut story = Story::new();
    for day in first.iter_days().take_while(|day| *day <= now().date_naive()) {
        if rng.random_range(0..10) == 0 {
            continue;
        }
        let views = story.entry(day).or_default();
        for _ in 0..rng.random_range(0..=articles) {
            let count = 500 / rng.random_range(1..=250_u64);
            *views.articles.entry(article(rng.random_range(0..articles))).or_default() += count;
        }
        views.views = views.articles.values().sum::<u64>() + rng.random_range(0..100);
        for kind in [Kind::Visits, Kind::Bot, Kind::ArticleLimit] {
            views.kinds.insert(kind, rng.random_range(1..50));
        }
    }
    story
}

/// The sums of a story over days, one by one.
fn sum(story: &Story, days: Days) -> Counts {
    let of_days = || story.range(days.from..=days.to).map(|(_, views)| views);
    let visits = of_days().filter_map(|views| views.kinds.get(&Kind::Visits)).sum();
    Counts { views: of_days().map(|views| views.views).sum(), visits }
}

/// Compares a report with its story.
fn check(story: &Story, report: &Report) -> Result<(), TestCaseError> {
    let (days, today) = (report.days, day("2026-11-29"));
    prop_assert_eq!(report.counts, sum(story, days));
    prop_assert_eq!(report.before, (days.before(), sum(story, days.before())));
    prop_assert_eq!(report.year_before, (days.year_before(), sum(story, days.year_before())));
    prop_assert_eq!(report.without_step, Counts::default());
    prop_assert!(report.undated.is_empty() && report.without_day == 0);
    // The steps have each day once, in order, and each has what was counted on its days.
    let begun: Vec<_> = days.iter().filter(|day| *day <= today).collect();
    let of_steps: Vec<_> = report.steps.iter().flat_map(|step| step.days.iter()).filter(|day| *day <= today).collect();
    prop_assert_eq!(&of_steps, &begun);
    for step in &report.steps {
        prop_assert_eq!(step.counts, sum(story, step.days));
        prop_assert!(step.days.iter().all(|day| step.bucket.contains(day)) && step.bucket.period() == Some(report.by));
    }
    let counted: Vec<_> = begun.iter().copied().filter(|day| report.begins.is_some_and(|begins| *day >= begins)).collect();
    prop_assert_eq!(report.days_counted.into_iter().flat_map(Days::iter).collect::<Vec<_>>(), counted);
    let most = story.range(days.from..=days.to).map(|(_, views)| views.views).max().filter(|most| *most > 0);
    let best = most.and_then(|most| begun.iter().copied().find(|day| story.get(day).is_some_and(|views| views.views == most)));
    prop_assert_eq!(report.best, best.zip(most));
    for kind in [Kind::Bot, Kind::ArticleLimit] {
        let count: u64 = story.range(days.from..=days.to).filter_map(|(_, views)| views.kinds.get(&kind)).sum();
        let found = report.not_counted.iter().find(|(own, _)| *own == kind).map_or(0, |(_, count)| *count);
        prop_assert_eq!(found, count);
    }
    prop_assert!(report.not_counted.iter().all(|(kind, count)| *kind != Kind::Visits && *count > 0));
    prop_assert_eq!(report.total, story.values().map(|views| views.views).sum::<u64>());
    let begins = story.iter().find(|(_, views)| views.views > 0).map(|(day, _)| *day);
    prop_assert_eq!(report.begins, begins);
    prop_assert_eq!((report.imported, report.older, report.stale), (Some(0), 0, false));
    check_articles(story, report)
}

fn check_articles(story: &Story, report: &Report) -> Result<(), TestCaseError> {
    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    for (article, views) in story.range(report.days.from..=report.days.to).flat_map(|(_, views)| &views.articles) {
        *counts.entry(article.clone()).or_default() += views;
    }
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by(|(a, a_views), (b, b_views)| b_views.cmp(a_views).then_with(|| a.cmp(b)));
    let shown: Vec<_> = report.most_read.articles.iter().map(|row| (row.article.clone(), row.views)).collect();
    prop_assert_eq!(&shown[..], &all[..shown.len()]);
    match report.most_read.gap {
        None => prop_assert_eq!(shown.len(), all.len().min(MAX_MOST_READ)),
        Some(Gap::Expired) => prop_assert!(shown.is_empty() && report.days.from < day("2026-10-21")),
        Some(_) => prop_assert!(shown.len() < MAX_MOST_READ),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_report_adds_up_to_the_days_that_it_names(seed: u64, age in 0..900_u64, from in -100..1100_i64, length in 0..400_u64, by in 0..4_usize, articles in 1..250_usize) {
        let today = day("2026-11-29");
        let first = today.checked_sub_days(Count::new(age)).unwrap();
        let story = story(seed, first, articles);
        let from = today - chrono::TimeDelta::days(from);
        let days = Days { from, to: from.checked_add_days(Count::new(length)).unwrap() };
        check(&story, &report(&story, HANOI, days, Period::ALL[by]))?;
    }

    #[test]
    fn calendar_periods_add_up_too(seed: u64, year in 2024..=2027_i32, month in 1..=12_u32, months in 1..=12_u32) {
        let story = story(seed, day("2024-01-30"), 20);
        let from = NaiveDate::from_ymd_opt(year, month, 1).unwrap();
        let to = from.checked_add_months(chrono::Months::new(months)).unwrap().pred_opt().unwrap();
        for by in Period::ALL {
            check(&story, &report(&story, HANOI, Days { from, to }, by))?;
        }
    }
}

#[test]
fn a_site_without_views_has_a_report() {
    let empty = report(&Story::new(), HANOI, days("2026-11-01", "2026-11-30"), Period::Day);
    assert_eq!((empty.counts, empty.best, empty.begins, empty.total), (Counts::default(), None, None, 0));
    assert_eq!((empty.steps.len(), empty.days_counted, empty.most_read.gap), (29, None, None));
}

#[test]
fn a_period_of_the_future_has_no_steps() {
    let story = story(1, day("2026-11-01"), 5);
    let future = report(&story, HANOI, days("2026-12-01", "2026-12-31"), Period::Day);
    assert_eq!((future.steps.len(), future.days_counted, future.counts), (0, None, Counts::default()));
    assert_eq!((future.best, future.most_read.articles.len(), future.most_read.gap), (None, 0, None));
    assert_eq!(future.before.1, sum(&story, days("2026-11-01", "2026-11-30")));
}

#[test]
fn a_mean_is_over_the_days_since_counting_began() {
    let story: Story = ["2026-11-20", "2026-11-28"].map(|text| (day(text), SiteViews { views: 50, ..SiteViews::default() })).into();
    let month = report(&story, HANOI, days("2026-11-01", "2026-11-30"), Period::Day);
    assert_eq!(month.days_counted, Some(days("2026-11-20", "2026-11-29")));
    let before = report(&story, HANOI, days("2026-10-01", "2026-10-31"), Period::Day);
    assert_eq!(before.days_counted, None);
}

#[test]
fn visits_can_begin_within_a_period() {
    let views = || SiteViews { views: 9, ..SiteViews::default() };
    let with_visits = SiteViews { kinds: [(Kind::Visits, 4)].into(), ..views() };
    let story: Story = [(day("2026-10-30"), views()), (day("2026-11-03"), with_visits), (day("2026-11-05"), views())].into();
    let year = report(&story, HANOI, days("2026-01-01", "2026-12-31"), Period::Month);
    assert_eq!((year.counts, year.visits_begin_within()), (Counts { views: 27, visits: 4 }, Some(day("2026-11-03"))));
    let november = report(&story, HANOI, days("2026-11-01", "2026-11-30"), Period::Day);
    assert_eq!(november.visits_begin_within(), Some(day("2026-11-03")));
    let october = report(&story, HANOI, days("2026-10-01", "2026-10-31"), Period::Day);
    assert_eq!((october.visits_begin_within(), october.counts_visits(october.days)), (None, false));
}

#[test]
fn today_is_the_day_of_the_site() {
    let period = days("2026-11-28", "2026-11-30");
    // America/Bogota is on the 28th; Pacific/Kiritimati is 14 hours ahead of UTC.
    for (zone, begun) in [(HANOI, 2), (Tz::America__Bogota, 1), (Tz::Europe__Berlin, 2), (Tz::Pacific__Kiritimati, 2), (Tz::UTC, 1)] {
        let report = report(&Story::new(), zone, period, Period::Day);
        assert_eq!(report.steps.len(), begun as usize, "{zone}");
        assert_eq!(report.made.date_naive().day(), 27 + begun, "{zone}");
    }
}

#[test]
fn weeks_over_the_end_of_a_year_are_those_of_iso_8601() {
    let story: Story = (25..=31)
        .chain(1..=6)
        .zip(1..)
        .map(|(number, views)| {
            let day = if number > 20 { day(&format!("2020-12-{number}")) } else { day(&format!("2021-01-0{number}")) };
            (day, SiteViews { views, ..SiteViews::default() })
        })
        .collect();
    let report = report(&story, HANOI, days("2020-12-27", "2021-01-05"), Period::Week);
    let steps: Vec<_> = report.steps.iter().map(|step| (step.bucket, step.days, step.counts.views)).collect();
    assert_eq!(
        steps,
        [
            (bucket("2020-W52"), days("2020-12-27", "2020-12-27"), 3),
            (bucket("2020-W53"), days("2020-12-28", "2021-01-03"), 4 + 5 + 6 + 7 + 8 + 9 + 10),
            (bucket("2021-W01"), days("2021-01-04", "2021-01-05"), 11 + 12),
        ]
    );
}

/// Adds views to a bucket and to the larger ones, as an import of a month or a year does.
fn imported(deltas: &mut Deltas, period: &str, views: u64) {
    let buckets: BucketSet = bucket(period).and_larger().unwrap().into_iter().collect();
    deltas.add(buckets, None, views);
}

#[tokio::test(start_paused = true)]
async fn views_of_a_month_without_days_are_in_the_sum_and_in_no_day() {
    let story: Story = [(day("2026-03-10"), SiteViews { views: 5, ..SiteViews::default() })].into();
    let stage = Stage::new(&story, HANOI).await;
    let mut deltas = Deltas::default();
    imported(&mut deltas, "2026-03", 100);
    stage.apply(2, deltas).await;
    let march = stage.report(days("2026-03-01", "2026-03-31"), Period::Day).await;
    assert_eq!((march.counts.views, march.without_step.views, march.best), (105, 100, Some((day("2026-03-10"), 5))));
    // They can have been counted on any day of the month.
    assert_eq!(march.begins, Some(day("2026-03-01")));
    let year = stage.report(days("2026-01-01", "2026-12-31"), Period::Month).await;
    assert_eq!((year.counts.views, year.without_step, year.steps[2].counts.views), (105, Counts::default(), 105));
    // The steps have them all, and the days do not.
    assert_eq!((march.without_day, year.without_day), (100, 100));
}

#[tokio::test(start_paused = true)]
async fn a_count_begins_with_the_year_if_not_all_of_its_months_are_known() {
    let story: Story = [(day("2026-03-10"), SiteViews { views: 5, ..SiteViews::default() })].into();
    let stage = Stage::new(&story, HANOI).await;
    let mut deltas = Deltas::default();
    imported(&mut deltas, "2019", 100);
    stage.apply(2, deltas).await;
    let report = stage.report(days("2026-03-01", "2026-03-31"), Period::Day).await;
    assert_eq!((report.begins, report.total), (Some(day("2019-01-01")), 105));
}

/// What a counter showed in January 2020: a sum of all time, a year, and two months.
const OLD_COUNTER: [(&str, u64); 4] = [("total", 6_341_529), ("2019", 1_737_155), ("2019-12", 108_517), ("2020-01", 119_944)];

/// A site that has only imported views.
async fn with_imports(imports: &[(&str, u64)]) -> Stage {
    let stage = Stage::new(&Story::new(), HANOI).await;
    let mut deltas = Deltas::default();
    for (period, views) in imports {
        imported(&mut deltas, period, *views);
    }
    stage.apply(2, deltas).await;
    stage
}

#[tokio::test(start_paused = true)]
async fn periods_within_a_year_that_is_known_only_as_a_whole_lack_views() {
    let stage = with_imports(&OLD_COUNTER).await;
    let january = stage.report(days("2020-01-01", "2020-01-31"), Period::Day).await;
    let (before, year_before) = (days("2019-12-01", "2019-12-31"), days("2019-01-01", "2019-01-31"));
    assert_eq!((january.counts.views, january.before.1.views, january.year_before.1.views), (119_944, 108_517, 0));
    assert_eq!(january.undated, [before, year_before]);
    assert_eq!((january.total, january.older, january.begins), (8_307_145, 6_341_529, Some(day("2019-01-01"))));
    let may = stage.report(days("2019-05-01", "2019-05-31"), Period::Day).await;
    assert_eq!((may.counts.views, may.undated), (0, vec![days("2019-05-01", "2019-05-31"), days("2019-04-01", "2019-04-30")]));
    // A part of a month that is known only as a whole.
    let part = stage.report(days("2020-01-10", "2020-01-20"), Period::Day).await;
    assert_eq!((part.counts.views, part.undated.contains(&part.days)), (0, true));
    // Whole years lack nothing.
    let year = stage.report(days("2019-01-01", "2019-12-31"), Period::Month).await;
    assert_eq!((year.counts.views, year.without_step.views, year.undated.len()), (1_845_672, 1_737_155, 0));
}

#[tokio::test(start_paused = true)]
async fn views_without_any_time_are_in_the_total_and_in_no_period() {
    let report = with_imports(&[("total", 8_307_145)]).await.report(days("2026-11-01", "2026-11-30"), Period::Day).await;
    assert_eq!((report.total, report.older, report.begins), (8_307_145, 8_307_145, None));
    assert_eq!((report.counts, report.undated.len()), (Counts::default(), 0));
}

#[tokio::test(start_paused = true)]
async fn articles_whose_counts_are_deleted_are_not_guessed() {
    let story = story(3, day("2024-01-01"), 30);
    let stage = Stage::new(&story, HANOI).await;
    let gaps = [
        ("2026-11-15", "2026-11-20", None),
        ("2026-05-01", "2026-05-31", None),
        ("2026-05-02", "2026-05-31", Some(Gap::Expired)),
        ("2025-05-01", "2025-05-31", Some(Gap::Expired)),
    ];
    for (from, to, gap) in gaps {
        let most_read = stage.report(days(from, to), Period::Day).await.most_read;
        assert_eq!((most_read.gap, most_read.articles.is_empty()), (gap, gap.is_some()), "{from} to {to}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_is_made_again_after_a_second() {
    let story: Story = [(day("2026-11-10"), SiteViews { views: 5, ..SiteViews::default() })].into();
    let stage = Stage::new(&story, HANOI).await;
    let november = days("2026-11-01", "2026-11-30");
    assert_eq!(stage.report(november, Period::Day).await.counts.views, 5);
    stage.apply(2, [(day("2026-11-11"), &SiteViews { views: 2, ..SiteViews::default() })].into_iter().collect()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.report(november, Period::Day).await.counts.views, 7);
}
