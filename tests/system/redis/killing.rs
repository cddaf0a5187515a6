//! Kills of the service, of Redis, and of both at any moment.

use std::{thread, time::Duration};

use super::{
    kill::kill,
    load::{Load, pages},
    redis_server::Server,
    setup::{LOGGING, all_acknowledged, load, place, soak},
};

/// Kills and restarts a server `crashes` times while views are sent.
fn crash(server: &mut Server, load: &Load, crashes: u64) {
    for crash in 0..crashes {
        load.wait_for(crash * 53 % 200);
        thread::sleep(Duration::from_millis(crash * 37 % 150));
        server.crash();
        load.wait_for(20);
        server.restart();
    }
}

#[test]
fn a_service_that_is_killed_repeatedly_loses_nothing_and_counts_nothing_twice() {
    let server = Server::start(&LOGGING);
    let place = place(&server);
    let load = Load::start(6, pages(12, ""), Duration::ZERO);
    let service = kill(&place, &load, soak(10, 50), |kill| kill % 10 == 5);
    let tally = load.finish();
    service.settle(&place, &server, &tally);
    println!("{:?}", tally.all());
    assert!(tally.all().unanswered > 0, "no kill interrupted a request");
}

#[test]
fn a_redis_that_is_killed_repeatedly_has_every_view_in_the_end() {
    let mut server = Server::start(&LOGGING);
    let place = place(&server);
    let service = place.start();
    let load = load(&service, "");
    crash(&mut server, &load, soak(5, 20));
    let tally = load.finish();
    all_acknowledged(&tally);
    service.settle(&place, &server, &tally);
}

/// Kills the service, and a server with these options, repeatedly at the same time.
fn kill_both(options: &[&str]) {
    let mut server = Server::start(options);
    let place = place(&server);
    let load = Load::start(6, pages(12, ""), Duration::ZERO);
    let service = thread::scope(|scope| {
        let crashes = scope.spawn(|| crash(&mut server, &load, soak(5, 20)));
        let service = kill(&place, &load, soak(10, 50), |_| false);
        load.aim(Some(&service.public));
        crashes.join().unwrap();
        service
    });
    let tally = load.finish();
    service.settle(&place, &server, &tally);
    println!("{:?}", tally.all());
    assert!(tally.all().unanswered > 0, "no kill interrupted a request");
}

#[test]
fn both_killed_repeatedly_lose_nothing_and_count_nothing_twice() {
    kill_both(&LOGGING);
}

#[test]
fn both_killed_repeatedly_lose_nothing_if_redis_starts_empty_each_time() {
    kill_both(&[]);
}
