//! Other addresses, and two instances.

use super::{
    LOGGING, all_acknowledged,
    counts::{Counts, shown_fit},
    load::{Load, pages},
    process::Place,
    sentinel_set::SentinelSet,
    setup::{Scene, place},
};
use std::time::Duration;

#[test]
fn a_set_that_moves_to_other_addresses_is_found_there() {
    let mut scene = Scene::begin();
    let old = scene.set.servers[0].address();
    scene.set.move_away();
    assert_ne!(scene.set.servers[0].address(), old);
    scene.reaches(0, "views are in the primary at its new address");
    scene.end();
}

#[test]
fn two_instances_follow_a_fail_over_and_show_each_others_views() {
    let mut set = SentinelSet::start(&LOGGING);
    let place = place(&set);
    let services = [place.clone(), place.with_journal(place.path("b.db"))].each_ref().map(Place::start);
    let loads = services.each_ref().map(|service| {
        let load = Load::start(3, pages(8, ""), Duration::from_millis(2));
        load.aim(Some(&service.public));
        load
    });
    loads.iter().for_each(|load| load.wait_for(100));
    set.servers[0].server.crash();
    let next = set.wait_for_another(0);
    loads.iter().for_each(|load| load.wait_for(300));
    let tally = loads.into_iter().map(Load::finish).reduce(|sum, tally| sum.and(&tally)).unwrap();
    let server = &set.servers[next].server;
    server.wait_for("all views are in the next primary", &tally);
    all_acknowledged(&tally);
    for service in &services {
        service.wait_for_views(&tally);
        shown_fit(service, &tally, || tally.clone());
    }
    services.into_iter().for_each(|service| drop(service.stop()));
    let counts = server.counts();
    counts.fit(&tally);
    assert_eq!(counts, Counts::exported(&place));
}
