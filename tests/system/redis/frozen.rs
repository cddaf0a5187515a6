//! A Redis that does not answer for a while.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    load::{Tally, pages},
    process::{Service, wait::within},
    redis_server::Server,
    setup::{LOGGING, all_acknowledged, load, logged_one_outage, place, soak},
};

#[test]
fn while_redis_is_frozen_views_are_acknowledged_and_later_each_is_counted_once() {
    let server = Server::start(&LOGGING);
    let place = place(&server);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(50);
    server.signal("STOP");
    let frozen = Instant::now();
    within(Duration::from_secs(10), "the figures are stale", || service.is_stale().then_some(()));
    // Longer than the response timeout, so that the same views are sent again.
    while frozen.elapsed() < Duration::from_secs(soak(4, 10)) {
        load.wait_for(20);
    }
    assert!(service.is_stale());
    server.signal("CONT");
    let before = load.tally();
    server.wait_for("everything is in Redis after it was frozen", &before);
    let tally = load.finish();
    all_acknowledged(&tally);
    logged_one_outage(&service.settle(&place, &server, &tally));
}

/// Sends views whose answers have no figures, so that no figures are requested from Redis, until `end`.
fn pictures(service: &Service, end: impl Fn() -> bool + Sync) -> Tally {
    let (mut client, mut tally) = (service.client(), Tally::default());
    for key in pages(8, "").into_iter().cycle() {
        if end() {
            break;
        }
        let article = if key.1.is_empty() { String::new() } else { format!("?article={}", key.1) };
        let answer = client.get(&format!("/v1/sites/{}/views.gif{article}", key.0)).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        tally.acknowledge(&key);
        thread::sleep(Duration::from_millis(1));
    }
    tally
}

#[test]
fn an_apply_that_a_frozen_redis_completes_late_is_not_repeated_even_if_no_figures_are_requested() {
    let server = Server::start(&LOGGING);
    let place = place(&server);
    let service = place.start();
    let mut tally = pictures(&service, || server.cli::<u64>("DBSIZE") > 0);
    for round in 1..=soak(2, 5) {
        server.signal("STOP");
        // The answer to an apply times out, and the next connection knows nothing of that apply.
        let down = || service.logged(&["the store is unreachable"]).len() as u64 == round;
        tally = tally.and(&pictures(&service, down));
        server.signal("CONT");
        let back = || service.logged(&["the store is reachable again"]).len() as u64 == round;
        tally = tally.and(&pictures(&service, back));
    }
    server.wait_for("everything is in Redis after it was frozen", &tally);
    service.settle(&place, &server, &tally);
}
