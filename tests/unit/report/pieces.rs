//! The buckets that make up a period.

use chrono::{Days as Count, NaiveDate};
use proptest::{prelude::*, proptest};
use truycap::{
    domain::{period::Bucket, retention::Retention},
    report::{Days, pieces, whole_buckets},
};

use super::{day, days};

fn texts(buckets: &[Bucket]) -> String {
    buckets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_sum_is_of_whole_years_months_and_the_days_that_are_left() {
    let known = [
        ("2026-11-01", "2026-11-30", "2026-11"),
        ("2026-01-01", "2026-12-31", "2026"),
        ("2025-12-31", "2027-02-01", "2025-12-31 2026 2027-01 2027-02-01"),
        (
            "2028-02-01",
            "2028-02-28",
            &texts(&(1..=28).map(|n| Bucket::Day(NaiveDate::from_ymd_opt(2028, 2, n).unwrap())).collect::<Vec<_>>()),
        ),
        ("2028-02-01", "2028-02-29", "2028-02"),
    ];
    for (from, to, expected) in known {
        assert_eq!(texts(&whole_buckets(days(from, to))), expected);
    }
}

#[test]
fn a_list_is_made_of_the_fewest_kept_buckets() {
    let today = day("2026-11-28");
    let kept = |bucket| !Retention::default().expired(bucket, today);
    let known = [
        // One bucket, also if it is not over.
        ("2026-11-28", "2026-11-28", Some("2026-11-28")),
        ("2026-11-23", "2026-11-29", Some("2026-W48")),
        ("2026-11-01", "2026-11-30", Some("2026-11")),
        ("2026-01-01", "2026-12-31", Some("2026")),
        // Days of the future do not matter.
        ("2026-11-23", "2026-12-15", Some("2026-W48")),
        ("2026-12-01", "2026-12-31", Some("")),
        // Days, whole weeks, days.
        (
            "2026-10-20",
            "2026-11-14",
            Some(
                "2026-10-20 2026-10-21 2026-10-22 2026-10-23 2026-10-24 2026-10-25 2026-W44 2026-W45 2026-11-09 2026-11-10 2026-11-11 2026-11-12 2026-11-13 2026-11-14",
            ),
        ),
        // Days are kept for forty days.
        ("2026-10-15", "2026-11-14", None),
        ("2026-07-01", "2026-09-30", Some("2026-07 2026-08 2026-09")),
        // Weeks are kept for ten weeks.
        ("2026-09-21", "2026-10-04", Some("2026-W39 2026-W40")),
        ("2026-09-21", "2026-10-05", None),
        ("2023-01-01", "2023-12-31", Some("2023")),
        ("2022-01-01", "2022-12-31", None),
    ];
    for (from, to, expected) in known {
        let found = pieces(days(from, to), today, kept).map(|buckets| texts(&buckets));
        assert_eq!(found.as_deref(), expected, "{from} to {to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn buckets_have_each_day_of_the_period_that_has_begun_exactly_once(from in 0..4000_u64, length in 0..800_u64, today in 0..5000_u64, seed: u64) {
        let at = |number: u64| day("2020-01-01").checked_add_days(Count::new(number)).unwrap();
        let (period, today) = (Days { from: at(from), to: at(from + length) }, at(today));
        // Days are kept if the seed says so, so that larger buckets are needed.
        let kept = |bucket: Bucket| !matches!(bucket, Bucket::Day(_)) || !(i64::from(bucket.number()).cast_unsigned() ^ seed).is_multiple_of(5);
        if let Some(buckets) = pieces(period, today, kept) {
            for day in period.iter().filter(|day| *day <= today) {
                prop_assert_eq!(buckets.iter().filter(|bucket| bucket.contains(day)).count(), 1);
            }
            for bucket in &buckets {
                prop_assert!(kept(*bucket));
                prop_assert!(bucket.first_day().unwrap() >= period.from);
                let after = bucket.next().unwrap().first_day().unwrap();
                prop_assert!(after.pred_opt().unwrap() <= period.to || period.to >= today);
            }
        }
        let whole = whole_buckets(period);
        for day in period.iter() {
            prop_assert_eq!(whole.iter().filter(|bucket| bucket.contains(day)).count(), 1);
        }
        prop_assert!(whole.iter().all(|bucket| bucket.first_day().unwrap() >= period.from));
    }
}
