//! The period of a report.

use truycap::{domain::period::Period, report::RangeQuery};

use super::{day, days};

fn query(text: &str) -> RangeQuery<'_> {
    let mut query = RangeQuery::default();
    for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
        let place = match name {
            "from" => &mut query.from,
            "to" => &mut query.to,
            "month" => &mut query.month,
            "quarter" => &mut query.quarter,
            "half" => &mut query.half,
            "year" => &mut query.year,
            "by" => &mut query.by,
            _ => panic!("{name}"),
        };
        *place = Some(value);
    }
    query
}

#[test]
fn a_period_is_named_by_its_days_or_by_the_calendar() {
    use Period::{Day, Month, Week, Year};
    let known = [
        ("", "2026-11-01", "2026-11-30", Day),
        ("from=2026-10-15&to=2026-11-14", "2026-10-15", "2026-11-14", Day),
        ("from=2026-11-28&to=2026-11-28", "2026-11-28", "2026-11-28", Day),
        ("month=2028-02", "2028-02-01", "2028-02-29", Day),
        ("month=2027-02", "2027-02-01", "2027-02-28", Day),
        ("quarter=2026-Q3", "2026-07-01", "2026-09-30", Week),
        ("half=2026-H1", "2026-01-01", "2026-06-30", Month),
        ("half=2026-H2", "2026-07-01", "2026-12-31", Month),
        ("year=2026", "2026-01-01", "2026-12-31", Month),
        ("year=2026&by=day", "2026-01-01", "2026-12-31", Day),
        ("from=2026-01-01&to=2026-03-03", "2026-01-01", "2026-03-03", Day),
        ("from=2026-01-01&to=2026-03-04", "2026-01-01", "2026-03-04", Week),
        ("from=2021-01-01&to=2025-12-31", "2021-01-01", "2025-12-31", Month),
        ("from=2020-12-31&to=2025-12-31", "2020-12-31", "2025-12-31", Year),
        ("from=2017-01-01&to=2026-12-31", "2017-01-01", "2026-12-31", Year),
        ("from=2027-01-01&to=2027-01-31", "2027-01-01", "2027-01-31", Day),
    ];
    for (text, from, to, by) in known {
        assert_eq!(query(text).read(day("2026-11-28")), Ok((days(from, to), by)), "{text}");
    }
}

#[test]
fn a_wrong_query_says_what_to_write() {
    let both = "one end of the period is missing: write both, such as from=2026-10-01&to=2026-10-31";
    let several = "several parameters name a period: write one of month, quarter, half and year, or both from and to";
    let known = [
        ("from=2026-10-01", both),
        ("to=2026-10-01", both),
        ("from=01/10/2026&to=31/10/2026", "from is not a day such as 2026-10-01"),
        ("from=2026-10-01&to=2026-10-32", "to is not a day such as 2026-10-01"),
        ("from=2026-10-01&to=2026-10", "to is not a day such as 2026-10-01"),
        ("from=2026-10-02&to=2026-10-01", "from is after to"),
        ("month=2026-13", "month is not a month such as 2026-10"),
        ("month=2026", "month is not a month such as 2026-10"),
        ("quarter=2026-Q5", "quarter is not a quarter such as 2026-Q3, from Q1 to Q4"),
        ("quarter=2026-3", "quarter is not a quarter such as 2026-Q3, from Q1 to Q4"),
        ("half=2026-H3", "half is not a half-year such as 2026-H1, H1 or H2"),
        ("year=26", "year is not a year such as 2026"),
        ("year=2026&month=2026-10", several),
        ("year=2026&from=2026-10-01", several),
        ("year=2026&by=hour", "by is not day, week, month or year"),
        ("from=2016-11-28&to=2026-11-28", "the period is longer than 10 years: write a shorter one"),
        ("year=1969", "the period begins before 1970: write a later one"),
        ("from=2024-01-01&to=2026-01-01&by=day", "by=day gives more than 400 rows for this period: write by=week or by=month"),
        ("from=2017-01-01&to=2026-01-01&by=week", "by=week gives more than 400 rows for this period: write by=month"),
    ];
    for (text, expected) in known {
        assert_eq!(query(text).read(day("2026-11-28")).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn a_period_is_compared_with_the_one_before_and_with_the_year_before() {
    let known = [
        // A month, a quarter, half a year, a year.
        (("2026-11-01", "2026-11-30"), ("2026-10-01", "2026-10-31"), ("2025-11-01", "2025-11-30")),
        (("2026-01-01", "2026-03-31"), ("2025-10-01", "2025-12-31"), ("2025-01-01", "2025-03-31")),
        (("2026-07-01", "2026-12-31"), ("2026-01-01", "2026-06-30"), ("2025-07-01", "2025-12-31")),
        (("2026-01-01", "2026-12-31"), ("2025-01-01", "2025-12-31"), ("2025-01-01", "2025-12-31")),
        // From the 15th to the 14th.
        (("2026-10-15", "2026-11-14"), ("2026-09-15", "2026-10-14"), ("2025-10-15", "2025-11-14")),
        // February, in leap years and after them.
        (("2028-02-01", "2028-02-29"), ("2028-01-01", "2028-01-31"), ("2027-02-01", "2027-02-28")),
        (("2025-02-01", "2025-02-28"), ("2025-01-01", "2025-01-31"), ("2024-02-01", "2024-02-29")),
        // A single 29 February, and other days.
        (("2028-02-29", "2028-02-29"), ("2028-02-28", "2028-02-28"), ("2027-02-28", "2027-02-28")),
        (("2026-11-23", "2026-11-29"), ("2026-11-16", "2026-11-22"), ("2025-11-23", "2025-11-29")),
        (("2026-01-01", "2026-01-10"), ("2025-12-22", "2025-12-31"), ("2025-01-01", "2025-01-10")),
    ];
    for (own, before, year_before) in known {
        let period = days(own.0, own.1);
        assert_eq!(period.before(), days(before.0, before.1), "before {own:?}");
        assert_eq!(period.year_before(), days(year_before.0, year_before.1), "a year before {own:?}");
    }
}
