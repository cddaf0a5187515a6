//! How long buckets of articles are kept.

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use truycap::domain::{
    period::{Bucket, Period},
    retention::Retention,
};

use super::{
    cases,
    model::{first_instant, monday},
};

const KEEP: Retention = Retention { days: 40, weeks: 10, months: 14, years: 3 };

/// The first local day on which a bucket is no longer needed, computed independently of the domain.
fn free_from(period: Period, day: NaiveDate, keep: Retention) -> NaiveDate {
    match period {
        Period::Day => day + Days::new(u64::from(keep.days) + 1),
        Period::Week => monday(day) + Days::new(7 * (u64::from(keep.weeks) + 1)),
        Period::Month => {
            let months = day.year() * 12 + day.month0().cast_signed() + keep.months.cast_signed() + 1;
            NaiveDate::from_ymd_opt(months.div_euclid(12), months.rem_euclid(12).cast_unsigned() + 1, 1).unwrap()
        }
        Period::Year => NaiveDate::from_ymd_opt(day.year() + keep.years.cast_signed() + 1, 1, 1).unwrap(),
    }
}

fn expired(keep: Retention, bucket: Bucket, at: DateTime<Utc>) -> bool {
    keep.expired(bucket, at.date_naive())
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn a_bucket_is_kept_for_its_retention_in_every_zone_and_is_gone_two_days_later(
        number in 0..12_000_u64,
        zone in 0..TZ_VARIANTS.len(),
        (days, weeks, months, years) in (0..400_u32, 0..60_u32, 0..40_u32, 0..9_u32),
    ) {
        let (day, zone) = (NaiveDate::from_ymd_opt(1999, 12, 1).unwrap() + Days::new(number), TZ_VARIANTS[zone]);
        for keep in [KEEP, Retention { days, weeks, months, years }] {
            for period in [Period::Day, Period::Week, Period::Month, Period::Year] {
                let free = first_instant(zone, free_from(period, day, keep));
                let bucket = period.bucket(day);
                prop_assert!(!expired(keep, bucket, free - TimeDelta::seconds(1)), "{} expired too early in {}", bucket, zone);
                prop_assert!(expired(keep, bucket, free + TimeDelta::days(2)), "{} kept too long in {}", bucket, zone);
            }
        }
    }
}

#[test]
fn buckets_are_kept_long_enough_in_the_zones_furthest_from_utc() {
    for zone in [Tz::Etc__GMTPlus12, Tz::Pacific__Kiritimati] {
        let (day, free) = ("2026-01-10".parse().unwrap(), first_instant(zone, "2026-02-20".parse().unwrap()));
        assert!(!expired(KEEP, Bucket::Day(day), free - TimeDelta::seconds(1)));
        assert!(expired(KEEP, Bucket::Day(day), free + TimeDelta::days(2)));
    }
}

#[test]
fn the_defaults_are_40_days_10_weeks_14_months_and_3_years() {
    assert_eq!(Retention::default(), KEEP);
    let known = [("2026-01-10", "2026-02-21"), ("2026-W01", "2026-03-17"), ("2026-01", "2027-04-02"), ("2026", "2030-01-02")];
    for (bucket, gone) in known {
        let (bucket, gone): (Bucket, NaiveDate) = (bucket.parse().unwrap(), gone.parse().unwrap());
        assert!(!KEEP.expired(bucket, gone.pred_opt().unwrap()) && KEEP.expired(bucket, gone), "{bucket}");
        let period = bucket.period().unwrap();
        assert_eq!(KEEP.oldest(period, gone.pred_opt().unwrap()), bucket.number());
        assert_eq!(KEEP.oldest(period, gone), bucket.number() + 1);
    }
}

#[test]
fn totals_and_buckets_kept_past_the_end_of_the_calendar_never_expire() {
    let for_ever = Retention { days: u32::MAX, weeks: u32::MAX, months: u32::MAX, years: u32::MAX };
    assert!(!KEEP.expired(Bucket::Total, NaiveDate::MAX));
    for bucket in Bucket::of_day("2026-01-10".parse().unwrap()) {
        assert!(!for_ever.expired(bucket, NaiveDate::MAX));
    }
}
