//! The names of buckets, their order, and which buckets contain which.

use chrono::{Datelike, Days, NaiveDate};
use proptest::{prelude::*, proptest};
use truycap::domain::period::{Bucket, BucketSet, Period};

use super::{cases, model::monday};

const PERIODS: [Period; 4] = [Period::Day, Period::Week, Period::Month, Period::Year];

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn bucket(text: &str) -> Bucket {
    text.parse().unwrap()
}

fn texts(buckets: Vec<Bucket>) -> Vec<String> {
    buckets.iter().map(ToString::to_string).collect()
}

#[test]
fn a_view_adds_to_the_five_buckets_of_its_day() {
    let known = [
        ("2026-11-23", ["2026-11-23", "2026-W48", "2026-11", "2026", "total"]),
        ("2016-01-03", ["2016-01-03", "2015-W53", "2016-01", "2016", "total"]),
        ("2020-12-31", ["2020-12-31", "2020-W53", "2020-12", "2020", "total"]),
        ("2021-01-03", ["2021-01-03", "2020-W53", "2021-01", "2021", "total"]),
        ("2021-01-04", ["2021-01-04", "2021-W01", "2021-01", "2021", "total"]),
        ("2019-12-30", ["2019-12-30", "2020-W01", "2019-12", "2019", "total"]),
        ("2027-01-01", ["2027-01-01", "2026-W53", "2027-01", "2027", "total"]),
        ("2024-02-29", ["2024-02-29", "2024-W09", "2024-02", "2024", "total"]),
        ("0001-01-01", ["0001-01-01", "0001-W01", "0001-01", "0001", "total"]),
        ("9999-12-31", ["9999-12-31", "9999-W52", "9999-12", "9999", "total"]),
    ];
    for (date, buckets) in known {
        assert_eq!(texts(Bucket::of_day(day(date)).to_vec()), buckets);
    }
}

#[test]
fn any_other_spelling_of_a_bucket_is_refused() {
    let wrong = [
        "",
        " ",
        "-",
        "--",
        "Total",
        "TOTAL",
        "total ",
        " 2026",
        "2026 ",
        "2026-11 ",
        "2026 -11",
        "2026-11- 1",
        "\t2026",
        "2026\n",
        "026",
        "+026",
        "-026",
        "-2026",
        "20266",
        "12026",
        "02026",
        "0000",
        "0000-01",
        "0000-12-31",
        "0000-W10",
        "202a",
        "0x7e",
        "2026-",
        "2026-1",
        "2026-00",
        "2026-13",
        "2026-011",
        "2026-+1",
        "2026--1",
        "2026-11-",
        "2026-11-1",
        "2026-11-00",
        "2026-11-31",
        "2026-02-29",
        "2100-02-29",
        "2026-13-01",
        "2026-00-01",
        "2026-11-023",
        "2026-11-23-",
        "2026-11-23-1",
        "2026-11-+3",
        "20266-11-23",
        "2026-11-23T00:00:00Z",
        "2026/11/23",
        "20261123",
        "2026-W",
        "2026-W1",
        "2026-W00",
        "2026-W53x",
        "2026-W54",
        "2026-W99",
        "2026-w48",
        "2025-W53",
        "2024-W53",
        "2026-W+1",
        "2026-W048",
        "2026-W48-1",
        "2026W48",
        "2026-Ｗ48",
        "２０２６",
        "2026-１１",
        "2026-11-２3",
        "2026-W4８",
        "٢٠٢٦",
        "2026‐11",
        "2026-é1",
        "2026-Wé",
    ];
    for text in wrong {
        let refused = text.parse::<Bucket>().unwrap_err();
        assert_eq!(refused.0, text);
    }
    // Valid neighbours of the texts above, which shows that those are refused for the intended reason.
    for text in ["2026-W53", "2020-W53", "2024-02-29", "2000-02-29", "2026-W01", "2025-W52", "0001", "9999", "total"] {
        assert_eq!(bucket(text).to_string(), text);
    }
}

#[test]
fn a_bucket_counts_toward_itself_and_the_larger_buckets_that_contain_it() {
    assert_eq!(texts(bucket("2027-01-01").and_larger().unwrap()), ["2027-01-01", "2026-W53", "2027-01", "2027", "total"]);
    assert_eq!(texts(bucket("2027-01").and_larger().unwrap()), ["2027-01", "2027", "total"]);
    assert_eq!(texts(bucket("2027").and_larger().unwrap()), ["2027", "total"]);
    assert_eq!(texts(bucket("total").and_larger().unwrap()), ["total"]);
    assert_eq!(bucket("2026-W53").and_larger(), None);
}

#[test]
fn periods_have_names() {
    assert_eq!(PERIODS.map(Period::name), ["day", "week", "month", "year"]);
    assert_eq!(PERIODS.map(|period| Period::from_name(period.name())), PERIODS.map(Some));
    assert_eq!([Period::from_name("total"), Period::from_name("Day"), Period::from_name("")], [None; 3]);
}

/// The range of a history: the buckets from one day's to another day's.
fn range(period: Period, from: &str, to: &str) -> Vec<String> {
    let (first, last) = (period.bucket(day(from)), period.bucket(day(to)));
    texts(std::iter::successors(Some(first), |bucket| bucket.next()).take_while(|bucket| *bucket <= last).collect())
}

#[test]
fn a_history_has_every_bucket_of_its_range_once() {
    assert_eq!(range(Period::Day, "2024-02-28", "2024-03-01"), ["2024-02-28", "2024-02-29", "2024-03-01"]);
    assert_eq!(range(Period::Day, "2026-12-31", "2027-01-01"), ["2026-12-31", "2027-01-01"]);
    assert_eq!(range(Period::Week, "2026-12-27", "2027-01-11"), ["2026-W52", "2026-W53", "2027-W01", "2027-W02"]);
    assert_eq!(range(Period::Week, "2024-12-29", "2024-12-30"), ["2024-W52", "2025-W01"]);
    assert_eq!(range(Period::Month, "2019-11-30", "2020-02-01"), ["2019-11", "2019-12", "2020-01", "2020-02"]);
    assert_eq!(range(Period::Year, "2019-12-31", "2021-01-01"), ["2019", "2020", "2021"]);
    assert_eq!(range(Period::Day, "2026-11-23", "2026-11-23"), ["2026-11-23"]);
    assert_eq!(range(Period::Day, "2026-11-23", "2026-11-22"), [""; 0]);
    assert_eq!(range(Period::Day, "0001-01-01", "0003-01-01").len(), 731);
}

#[test]
fn total_and_the_end_of_the_calendar_have_no_successor() {
    assert_eq!((Bucket::Total.next(), Bucket::Total.first_day(), Bucket::Total.period()), (None, None, None));
    for bucket in ["2026-11-23", "2026-W48", "2026-11", "2026"].map(bucket) {
        assert_eq!(bucket.forward(0), Some(bucket));
        assert_eq!(bucket.forward(u32::MAX), None);
    }
    for period in PERIODS {
        assert_eq!(period.bucket(NaiveDate::MAX).next(), None);
    }
}

/// The first day of the period that contains a day, computed independently of the domain.
fn first(period: Period, day: NaiveDate) -> NaiveDate {
    match period {
        Period::Day => day,
        Period::Week => monday(day),
        Period::Month => day - Days::new(day.day0().into()),
        Period::Year => day - Days::new(day.ordinal0().into()),
    }
}

#[test]
fn periods_are_numbered_from_1970() {
    let known = [
        ("1970-01-01", [0, 0, 0, 0]),
        ("1969-12-31", [-1, 0, -1, -1]),
        ("1969-12-29", [-3, 0, -1, -1]),
        ("1969-12-28", [-4, -1, -1, -1]),
        ("1970-01-04", [3, 0, 0, 0]),
        ("1970-01-05", [4, 1, 0, 0]),
        ("2026-11-28", [20_785, 2969, 682, 56]),
        ("0001-01-01", [-719_162, -102_737, -23_628, -1969]),
        ("9999-12-31", [2_932_896, 418_985, 96_359, 8029]),
    ];
    for (date, numbers) in known {
        assert_eq!(PERIODS.map(|period| period.bucket(day(date)).number()), numbers, "{date}");
    }
    assert_eq!(Bucket::Total.number(), 0);
}

#[test]
fn every_period_of_the_years_1_to_9999_has_a_number_and_no_other_has() {
    let mut before = PERIODS.map(|period| period.bucket(day("0001-01-01")).number() - 1);
    for day in day("0001-01-01").iter_days().take_while(|day| day.year() < 10_000) {
        for (period, before) in PERIODS.into_iter().zip(&mut before) {
            let number = period.bucket(day).number();
            if number != *before {
                assert_eq!((number, period.bucket(day).first_day()), (*before + 1, Some(day)), "{day}");
                assert_eq!(period.numbered(number), Some(period.bucket(day)));
            }
            *before = number;
        }
    }
    let firsts = PERIODS.map(|period| period.bucket(day("0001-01-01")).number());
    for (period, (first, last)) in PERIODS.into_iter().zip(firsts.into_iter().zip(before)) {
        assert!(period.numbered(first).is_some() && period.numbered(last).is_some());
        for number in [first - 1, last + 1, i32::MIN, i32::MAX] {
            assert_eq!(period.numbered(number), None, "{period:?} {number}");
        }
    }
}

#[test]
fn a_set_has_at_most_one_bucket_of_each_kind() {
    let set = BucketSet::of_day(day("2027-01-01"));
    assert_eq!(texts(set.buckets().collect()), ["2027-01-01", "2026-W53", "2027-01", "2027", "total"]);
    assert_eq!(Bucket::of_day(day("2027-01-01")).into_iter().collect::<BucketSet>(), set);
    for text in ["2027-01-01", "2026-W53", "0001-01", "9999", "total"] {
        assert_eq!(texts(BucketSet::from_iter([bucket(text)]).buckets().collect()), [text]);
    }
    let later = BucketSet::from_iter(["2027", "total", "2026", "2026-W01"].map(bucket));
    assert_eq!(texts(later.buckets().collect()), ["2026-W01", "2026", "total"]);
    assert_eq!(BucketSet::default().buckets().count(), 0);
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn every_bucket_parses_back_from_its_text_and_contains_only_its_own_days(number in 1..3_652_059_i32, near in -400..=400_i64) {
        let day = NaiveDate::from_num_days_from_ce_opt(number).unwrap();
        let other = day + chrono::TimeDelta::days(near);
        for bucket in Bucket::of_day(day) {
            prop_assert_eq!(bucket.to_string().parse(), Ok(bucket));
            prop_assert!(bucket.contains(day));
            let same = bucket.period().is_none_or(|period| first(period, day) == first(period, other));
            prop_assert_eq!(bucket.contains(other), same, "{} in {}", other, bucket);
        }
        for period in PERIODS {
            prop_assert_eq!(period.bucket(day).first_day(), Some(first(period, day)));
            prop_assert_eq!(period.bucket(day).period(), Some(period));
        }
    }

    #[test]
    fn forward_equals_repeated_calls_of_next(number in 1..3_000_000_i32, count in 0..120_u32) {
        let day = NaiveDate::from_num_days_from_ce_opt(number).unwrap();
        for period in PERIODS {
            let start = period.bucket(day);
            let mut walked = start;
            for _ in 0..count {
                let next = walked.next().unwrap();
                // The next bucket begins on the first day that this one does not contain.
                let beyond = walked.first_day().unwrap().iter_days().find(|&day| !walked.contains(day));
                prop_assert_eq!(next.first_day(), beyond);
                prop_assert!(next > walked && next.to_string() > walked.to_string());
                walked = next;
            }
            prop_assert_eq!(start.forward(count), Some(walked));
        }
    }
}
