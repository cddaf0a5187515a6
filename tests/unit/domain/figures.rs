//! Figures that are carried over to another day, and late views.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::{collection::vec, prelude::*};
use truycap::domain::figures::{Figure, Figures};

use super::{boxes::Portal, cases};

/// 2014-12-29 to 2023: three new years at which the ISO year and the calendar year differ, and two leap days.
const FROM: DateTime<Utc> = DateTime::from_timestamp(1_419_811_200, 0).unwrap();
const DAYS: u64 = 3000;

fn day(number: u64) -> NaiveDate {
    FROM.date_naive() + Days::new(number)
}

/// A portal with a view on each of these days.
fn portal(views: &[u64]) -> Portal {
    let mut portal = Portal::new(Tz::UTC);
    for &number in views {
        portal.view(FROM + Days::new(number) + TimeDelta::hours(12), Some(0));
    }
    portal.flush();
    portal
}

/// Day numbers that are often close to each other: the last one, and earlier ones.
fn days() -> impl Strategy<Value = (u64, Vec<u64>)> {
    (0..DAYS).prop_flat_map(|last| {
        let any = (0..=last).boxed();
        let late = (last.saturating_sub(70)..=last).boxed();
        (Just(last), vec(any.prop_union(late), 1..150))
    })
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn figures_carried_to_a_later_day_are_those_looked_up_on_it((last, views) in days(), later in prop_oneof![0..9_u64, 0..800_u64]) {
        let portal = portal(&views);
        let (from, to) = (day(last), day(last + later));
        prop_assert_eq!(portal.figures(from, None).seen_on(from, to), portal.figures(to, None));
        prop_assert_eq!(portal.figures(from, Some(0)).seen_on(from, to), portal.figures(to, Some(0)));
    }

    #[test]
    fn views_added_to_figures_count_on_the_day_they_were_received((last, views) in days(), known in 0..150_usize) {
        let (known, late) = views.split_at(known.min(views.len()));
        let mut figures = portal(known).figures(day(last), None);
        for &number in late {
            figures.add(day(last), day(number), 1);
        }
        prop_assert_eq!(figures, portal(&views).figures(day(last), None));
    }
}

#[test]
fn figures_have_the_names_and_the_order_of_a_box() {
    let names = ["total", "today", "yesterday", "this_week", "last_week", "this_month", "last_month", "this_year", "last_year"];
    assert_eq!(Figure::ALL.map(Figure::name), names);
    assert!(Figure::ALL.iter().all(|&figure| Figure::from_name(figure.name()) == Some(figure)));
    assert_eq!(Figure::from_name("Today"), None);
    let figures = Figures::new([9, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((figures[Figure::Total], figures[Figure::Today], figures[Figure::LastYear]), (9, 1, 8));
    let json =
        r#"{"total":9,"today":1,"yesterday":2,"this_week":3,"last_week":4,"this_month":5,"last_month":6,"this_year":7,"last_year":8}"#;
    assert_eq!(serde_json::to_string(&figures).unwrap(), json);
    let mut written = Vec::new();
    figures.write_json(&mut written);
    assert_eq!(String::from_utf8(written).unwrap(), json);
}
