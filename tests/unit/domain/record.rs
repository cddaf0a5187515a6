//! The text of an article's counters: what it shows is what was added, in any order.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use truycap::domain::{
    MAX_COUNT,
    period::{Bucket, Period},
    record::{Past, Placed, Record},
};

use super::cases;

fn record(text: &str) -> Record {
    text.parse().unwrap()
}

#[test]
fn a_record_holds_the_two_latest_periods_and_moves_the_earlier_one_out() {
    let mut record = Record::default();
    let mut add = |number, views| record.add(Period::Month, number, views);
    assert_eq!(add(10, 1), Placed::Here(1));
    assert_eq!(add(10, 1), Placed::Here(2));
    // Earlier than the only one.
    assert_eq!(add(8, 3), Placed::Here(3));
    // Between the two: the earlier one is displaced.
    assert_eq!(add(9, 4), Placed::Displaced(4, (8, 3)));
    assert_eq!(add(9, 1), Placed::Here(5));
    // Later than both.
    assert_eq!(add(12, 6), Placed::Displaced(6, (9, 5)));
    // Earlier than both.
    assert_eq!(add(9, 1), Placed::Past);
    assert_eq!(add(-3, 1), Placed::Past);
    assert_eq!(record.to_text(), "0|||12:6,10:2|");
    assert_eq!(record.period_views(Period::Month, 13), Some(0));
    assert_eq!(record.period_views(Period::Month, 12), Some(6));
    assert_eq!(record.period_views(Period::Month, 11), Some(0));
    assert_eq!(record.period_views(Period::Month, 9), None, "only the past knows");
    assert_eq!(record.period_views(Period::Day, -1_000_000), Some(0));
}

#[test]
fn a_text_has_one_spelling() {
    let right = [
        "0||||",
        "1092|20785:903,20784:3|2969:921|682:903,681:90|56:1074",
        "9007199254740991|-1:1,-2:9007199254740991|0:1||",
        "5|||0:1,-1:2|",
    ];
    for text in right {
        assert_eq!(record(text).to_text(), text);
    }
    for text in ["|||", "5:1,4:2,3:3|||-7:9", "|9:1||"] {
        assert_eq!(text.parse::<Past>().unwrap().to_text(), text);
    }
    let wrong_lists =
        ["1:0", "1", "1:", ":1", "01:1", "1:01", "-0:1", "+1:1", "1:+1", "1:1,", ",1:1", "1:1,1:1", "1:1,2:1", " 1:1", "1:1;0:1"];
    let too_large = ["1:9007199254740992", "2147483648:1", "-2147483649:1", "1:99999999999999999999"];
    for list in wrong_lists.iter().chain(&too_large) {
        assert!(format!("0|{list}|||").parse::<Record>().is_err(), "{list}");
        assert!(format!("0||||{list}").parse::<Record>().is_err(), "{list}");
        assert!(format!("{list}|||").parse::<Past>().is_err(), "{list}");
    }
    for text in ["", "0", "0|||", "0|||||", "|||", "x||||", "-1||||", "00||||", "9007199254740992||||", "0|3:1,2:1,1:1|||"] {
        assert_eq!(text.parse::<Record>().unwrap_err().0, text);
    }
    for text in ["", "||", "||||", "0||||"] {
        assert!(text.parse::<Past>().is_err(), "{text}");
    }
}

#[test]
fn counts_stay_at_the_maximum() {
    let (mut record, mut past) = (Record::default(), Past::default());
    record.add_total(u64::MAX);
    record.add_total(1);
    assert_eq!(record.total, MAX_COUNT);
    assert_eq!(record.add(Period::Year, 1, u64::MAX), Placed::Here(MAX_COUNT));
    assert_eq!(record.add(Period::Year, 1, 1), Placed::Here(MAX_COUNT));
    assert_eq!(record.add(Period::Year, 0, MAX_COUNT + 1), Placed::Here(MAX_COUNT));
    assert_eq!(past.add(Period::Day, 0, u64::MAX), MAX_COUNT);
    assert_eq!(past.add(Period::Day, 0, u64::MAX), MAX_COUNT);
    assert_eq!(record.to_text().parse(), Ok(record));
    assert_eq!(past.to_text().parse(), Ok(past));
}

#[test]
fn a_past_drops_the_periods_of_one_kind_before_a_number() {
    let mut past: Past = "5:1,4:2,3:3|5:1,4:2||".parse().unwrap();
    past.drop_before(Period::Day, 4);
    assert_eq!(past.to_text(), "5:1,4:2|5:1,4:2||");
    past.drop_before(Period::Day, 6);
    assert!(!past.is_empty());
    past.drop_before(Period::Week, 6);
    assert!(past.is_empty());
    assert_eq!(past.to_text(), "|||");
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn a_record_and_its_past_show_what_was_added(increments in vec((0..4_usize, -4..12_i32, 1..5_u64), 0..60)) {
        let (mut record, mut past) = (Record::default(), Past::default());
        let mut model: BTreeMap<(usize, i32), u64> = BTreeMap::new();
        for (kind, number, views) in increments {
            let period = Period::ALL[kind];
            let sum = model.entry((kind, number)).or_default();
            *sum += views;
            let now = match record.add(period, number, views) {
                Placed::Here(now) => now,
                Placed::Displaced(now, (earlier, count)) => {
                    prop_assert_eq!(past.add(period, earlier, count), count, "a period is in the record or in the past");
                    now
                }
                Placed::Past => past.add(period, number, views),
            };
            prop_assert_eq!(now, *sum);
        }
        for (kind, period) in Period::ALL.into_iter().enumerate() {
            for number in -5..13 {
                let views = record.period_views(period, number).unwrap_or_else(|| past.period_views(period, number));
                prop_assert_eq!(views, model.get(&(kind, number)).copied().unwrap_or(0));
                let bucket = period.numbered(number).unwrap();
                prop_assert_eq!(record.views(bucket).unwrap_or_else(|| past.views(bucket)), views);
            }
        }
        prop_assert_eq!(record.views(Bucket::Total), Some(0));
        prop_assert_eq!(record.periods().count() + past.periods().count(), model.len());
        prop_assert_eq!(record.to_text().parse(), Ok(record));
        prop_assert_eq!(past.to_text().parse(), Ok(past));
    }
}
