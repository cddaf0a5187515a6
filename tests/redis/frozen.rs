//! A Redis that says nothing for a while.

use std::time::{Duration, Instant};

use crate::{
    process::wait::within,
    redis_server::Server,
    setup::{LOGGING, all_acknowledged, load, place, soak, told_once},
};

#[test]
fn while_redis_is_frozen_views_are_acknowledged_and_afterwards_each_is_counted_once() {
    let server = Server::start(&LOGGING);
    let place = place(&server);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(50);
    server.signal("STOP");
    let frozen = Instant::now();
    within(Duration::from_secs(10), "the figures are stale", || service.is_stale().then_some(()));
    // Longer than an answer is waited for, so that the same views are sent again.
    while frozen.elapsed() < Duration::from_secs(soak(4, 10)) {
        load.wait_for(20);
    }
    assert!(service.is_stale());
    server.signal("CONT");
    let before = load.tally();
    server.wait_for("everything is in Redis after it was frozen", &before);
    let tally = load.finish();
    all_acknowledged(&tally);
    told_once(&service.settle(&place, &server, &tally));
}
