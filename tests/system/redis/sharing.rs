//! Two instances on one Redis.

use std::fs;

use super::{
    counts::Counts,
    load::Load,
    process::Place,
    redis_server::Server,
    setup::{LOGGING, load, place},
    together::count_together,
};

#[test]
fn two_instances_on_one_redis_count_together_and_show_each_others_views() {
    let server = Server::start(&LOGGING);
    let place = place(&server);
    let services = [place.clone(), place.with_journal(place.path("b.db"))].each_ref().map(Place::start);
    let tally = count_together(&services);
    services.into_iter().for_each(|service| drop(service.stop()));
    let counts = server.counts();
    counts.fit(&tally);
    assert_eq!(counts, Counts::exported(&place));
}

#[test]
fn a_killed_instance_continues_elsewhere_from_its_journal() {
    let server = Server::start(&LOGGING);
    let (here, there) = (place(&server), place(&server));
    let (killed, stays) = (here.start(), there.start());
    let loads = [&killed, &stays].map(|service| load(service, ""));
    loads.iter().for_each(|load| load.wait_for(100));
    // The last views are only in the journal of the instance that is killed.
    server.signal("STOP");
    loads.iter().for_each(|load| load.wait_for(100));
    killed.process.kill();
    loads[0].aim(None);
    server.signal("CONT");

    let elsewhere = place(&server);
    for suffix in ["", "-wal"] {
        fs::rename(format!("{}{suffix}", here.journal().display()), format!("{}{suffix}", elsewhere.journal().display())).unwrap();
    }
    let again = elsewhere.start();
    loads[0].aim(Some(&again.public));
    loads.iter().for_each(|load| load.wait_for(100));
    let tally = loads.into_iter().map(Load::finish).reduce(|sum, tally| sum.and(&tally)).unwrap();
    stays.stop();
    server.wait_for("all views are in Redis", &tally);
    again.wait_for_views(&tally);
    again.settle(&elsewhere, &server, &tally);
}
