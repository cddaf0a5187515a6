//! A store that another process locks for a while.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{
    counts::{Counts, shown_fit},
    files::place,
    load::{Load, pages},
    process::wait::within,
};

#[test]
fn while_the_store_is_locked_views_are_acknowledged_quickly_and_figures_are_stale_until_it_is_unlocked() {
    let place = place();
    let service = place.start();
    let load = Load::start(4, pages(8, ""), Duration::from_millis(5));
    load.aim(Some(&service.public));
    load.wait_for(50);
    let foreign = Connection::open(place.store()).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = Instant::now();
    let stale = || service.get("/v1/sites/portal/figures").json()["stale"] == true;
    within(Duration::from_secs(5), "the figures are stale", || stale().then_some(()));
    let before = load.tally().all().acknowledged;
    while locked.elapsed() < Duration::from_secs(4) {
        load.wait_for(20);
    }
    assert!(stale(), "the figures are not stale although the store is locked");
    assert!(load.tally().all().acknowledged > before);
    foreign.execute_batch("ROLLBACK").unwrap();
    within(Duration::from_secs(10), "the figures are exact again", || (!stale()).then_some(()));
    let tally = load.finish();
    shown_fit(&service, &tally, || tally.clone());
    println!("slowest acknowledgement with a locked store: {:?}", tally.slowest);
    assert!(tally.slowest < Duration::from_secs(2), "an acknowledgement took {:?}", tally.slowest);
    service.stop();
    let counts = Counts::exported(&place);
    counts.fit(&tally);
    assert_eq!(tally.all().unanswered, 0);
}
