//! A service that is killed repeatedly loses no acknowledged view and counts none twice.

use std::time::Duration;

use super::{
    counts::{Counts, shown_fit},
    files::place,
    kill::kill,
    load::{Load, pages},
};

#[test]
fn fifty_kills_under_load_lose_no_acknowledged_view_and_count_none_twice() {
    let place = place();
    let load = Load::start(8, pages(12, ""), Duration::ZERO);
    let service = kill(&place, &load, 50, |kill| kill % 10 == 0);
    let tally = load.finish();
    shown_fit(&service, &tally, || tally.clone());
    service.stop();
    Counts::exported(&place).fit(&tally);
    let all = tally.all();
    assert!(all.unanswered >= 20, "the kills interrupted too few requests: {all:?}");
    println!("killed 50 times: {all:?}");
}
