//! A service that is killed again and again loses nothing that it acknowledged, and counts nothing twice.

use std::{thread, time::Duration};

use crate::{
    counts::{Counts, shown_fit},
    load::{Load, pages},
    place::place,
};

#[test]
fn fifty_kills_under_load_lose_nothing_that_was_acknowledged_and_count_nothing_twice() {
    let place = place();
    let load = Load::start(8, pages(12, ""), Duration::ZERO);
    for kill in 0..50_u64 {
        if kill % 5 == 4 {
            // Somewhere in its start.
            let process = place.spawn();
            thread::sleep(Duration::from_millis(kill * 7 % 60));
            process.kill();
            continue;
        }
        let before = load.tally();
        let service = place.start();
        load.aim(Some(&service.public));
        if kill % 10 == 0 {
            // What is shown lies between what was acknowledged before the question and what was sent by its end.
            shown_fit(&service, &before, || load.most());
        }
        load.wait_for(kill * 53 % 200);
        thread::sleep(Duration::from_millis(kill * 11 % 20));
        service.process.kill();
        load.aim(None);
    }
    let tally = load.finish();
    let service = place.start();
    shown_fit(&service, &tally, || tally.clone());
    service.stop();
    Counts::exported(&place).fit(&tally);
    let all = tally.all();
    assert!(all.unanswered >= 20, "the kills hit hardly anything: {all:?}");
    println!("killed 50 times: {all:?}");
}
