//! A service that is killed again and again loses nothing that it acknowledged, and counts nothing twice.

use std::time::Duration;

use super::{
    counts::{Counts, shown_fit},
    files::place,
    kill::kill,
    load::{Load, pages},
};

#[test]
fn fifty_kills_under_load_lose_nothing_that_was_acknowledged_and_count_nothing_twice() {
    let place = place();
    let load = Load::start(8, pages(12, ""), Duration::ZERO);
    let service = kill(&place, &load, 50, |kill| kill % 10 == 0);
    let tally = load.finish();
    shown_fit(&service, &tally, || tally.clone());
    service.stop();
    Counts::exported(&place).fit(&tally);
    let all = tally.all();
    assert!(all.unanswered >= 20, "the kills hit hardly anything: {all:?}");
    println!("killed 50 times: {all:?}");
}
