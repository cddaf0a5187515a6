//! The model: it keeps every view with its local date, and computes a figure by scanning all views.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Offset, TimeDelta, TimeZone, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use truycap::domain::figures::Figures;

/// Zones with a DST shift of half an hour, DST that begins at midnight, a skipped day, and none of these.
pub(crate) const ZONES: [Tz; 8] = [
    Tz::Asia__Ho_Chi_Minh,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::America__Sao_Paulo,
    Tz::Australia__Lord_Howe,
    Tz::Pacific__Apia,
    Tz::Pacific__Kiritimati,
    Tz::UTC,
];

/// The years from which moments are taken: from the first to before the second.
pub(crate) const YEARS: (i32, i32) = (2010, 2029);

/// The local date, computed from the zone's offset only.
pub(crate) fn local_date(zone: Tz, at: DateTime<Utc>) -> NaiveDate {
    let utc = at.naive_utc();
    (utc + TimeDelta::seconds(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc().into())).date()
}

/// The first instant at which the zone's calendar shows `date` or a later one.
pub(crate) fn first_instant(zone: Tz, date: NaiveDate) -> DateTime<Utc> {
    let (mut before, mut at) = (-100_000_i64, 100_000_i64);
    let midnight = date.and_time(NaiveTime::MIN).and_utc();
    while before + 1 < at {
        let middle = i64::midpoint(before, at);
        if local_date(zone, midnight + TimeDelta::seconds(middle)) >= date { at = middle } else { before = middle }
    }
    midnight + TimeDelta::seconds(at)
}

/// The calendar boundaries: the starts of days that are easy to get wrong, and every change of the offset.
pub(crate) fn boundaries(zone: Tz) -> Vec<DateTime<Utc>> {
    let first = NaiveDate::from_ymd_opt(YEARS.0, 1, 1).unwrap();
    let days = first.iter_days().take_while(|day| day.year() < YEARS.1);
    let mut boundaries: Vec<_> = days.filter(|&day| is_boundary(day)).map(|day| first_instant(zone, day)).collect();
    let offset = |at: DateTime<Utc>| zone.offset_from_utc_datetime(&at.naive_utc()).fix();
    let mut at = first.and_time(NaiveTime::MIN).and_utc();
    while at.year() < YEARS.1 {
        // Offsets change only at multiples of a quarter of an hour.
        let next = at + TimeDelta::minutes(15);
        if offset(at) != offset(next) {
            boundaries.push(next);
        }
        at = next;
    }
    boundaries.sort();
    boundaries
}

/// The 1st of a month, the last days of February and of the year, and every day of the weeks around new year.
fn is_boundary(day: NaiveDate) -> bool {
    let (month, day) = (day.month(), day.day());
    day == 1 || (month == 2 && day >= 28) || (month == 12 && day >= 20) || (month == 1 && day <= 18)
}

/// Every view of a site: its local date and its article.
#[derive(Default)]
pub(crate) struct Model(pub(crate) Vec<(NaiveDate, Option<usize>)>);

impl Model {
    /// The nine figures on a day, in the order of a box: of all views, or of one article's views.
    pub(crate) fn figures(&self, today: NaiveDate, article: Option<usize>) -> Figures {
        let monday = monday(today);
        let (year, month) = (today.year(), today.month());
        let last_month = if month == 1 { (year - 1, 12) } else { (year, month - 1) };
        let mut nine = [0; 9];
        for (day, _) in self.0.iter().filter(|(_, seen)| article.is_none() || *seen == article) {
            let hits = [
                true,
                *day == today,
                day.succ_opt() == Some(today),
                *day >= monday && *day < monday + Days::new(7),
                *day >= monday - Days::new(7) && *day < monday,
                (day.year(), day.month()) == (year, month),
                (day.year(), day.month()) == last_month,
                day.year() == year,
                day.year() == year - 1,
            ];
            for (figure, hit) in nine.iter_mut().zip(hits) {
                *figure += u64::from(hit);
            }
        }
        Figures::new(nine)
    }
}

/// The Monday on or before a day, found by walking back.
pub(crate) fn monday(mut day: NaiveDate) -> NaiveDate {
    while day.weekday() != Weekday::Mon {
        day = day.pred_opt().unwrap();
    }
    day
}

#[test]
fn the_models_calendar_agrees_with_known_clocks() {
    let known = [
        // Samoa skipped 30 December 2011.
        (Tz::Pacific__Apia, "2011-12-30T09:59:59Z", (2011, 12, 29)),
        (Tz::Pacific__Apia, "2011-12-30T10:00:00Z", (2011, 12, 31)),
        // In São Paulo, 4 November 2018 began at 01:00, and 17 February 2018 had 23:00 twice.
        (Tz::America__Sao_Paulo, "2018-11-04T02:59:59Z", (2018, 11, 3)),
        (Tz::America__Sao_Paulo, "2018-11-04T03:00:00Z", (2018, 11, 4)),
        (Tz::America__Sao_Paulo, "2018-02-18T02:59:59Z", (2018, 2, 17)),
        (Tz::America__Sao_Paulo, "2018-02-18T03:00:00Z", (2018, 2, 18)),
        // Lord Howe Island: UTC+10:30 in winter, UTC+11:00 in summer.
        (Tz::Australia__Lord_Howe, "2026-06-30T13:30:00Z", (2026, 7, 1)),
        (Tz::Australia__Lord_Howe, "2026-12-31T12:59:59Z", (2026, 12, 31)),
        (Tz::Australia__Lord_Howe, "2026-12-31T13:00:00Z", (2027, 1, 1)),
        (Tz::Asia__Ho_Chi_Minh, "2020-01-16T16:59:59Z", (2020, 1, 16)),
        (Tz::Asia__Ho_Chi_Minh, "2020-01-16T17:00:00Z", (2020, 1, 17)),
        (Tz::Pacific__Kiritimati, "2026-12-31T10:00:00Z", (2027, 1, 1)),
    ];
    for (zone, at, (year, month, day)) in known {
        assert_eq!(Some(local_date(zone, at.parse().unwrap())), NaiveDate::from_ymd_opt(year, month, day), "{zone} {at}");
    }
    assert_eq!(first_instant(Tz::Pacific__Apia, NaiveDate::from_ymd_opt(2011, 12, 30).unwrap()).hour(), 10);
}
