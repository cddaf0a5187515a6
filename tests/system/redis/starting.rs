//! A service that starts, also while Redis is down.

use std::fs;

use super::{
    process::eventually,
    redis_server::Server,
    setup::{LOGGING, all_acknowledged, load, place, waited},
    sites::SITES,
};

#[test]
fn redis_lists_the_connections_of_an_instance_by_its_host_and_its_process() {
    let server = Server::start(&[]);
    let place = place(&server);
    let service = place.start();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let name = format!(" name=truycap-{}-{} ", host.trim(), service.process.id());
    eventually("its connections are listed", || server.cli::<String>("CLIENT LIST").contains(&name).then_some(()));
    service.stop();
}

#[test]
fn views_acknowledged_before_redis_starts_are_logged_as_waiting_and_then_counted() {
    let mut server = Server::new(0, &LOGGING);
    let place = place(&server);
    let service = place.start();
    let first = load(&service, "");
    first.wait_for(50);
    let mut first = first.finish();
    for _ in 0..10 {
        for site in SITES {
            service.count(site, "");
            first.acknowledge(&(site.into(), String::new()));
        }
    }
    service.process.kill();

    let service = place.start();
    let load = load(&service, "");
    service.wait_for_log(&["WARN", "the store is unreachable"]);
    load.wait_for(50);
    server.restart();
    let line = eventually("the connection to Redis is logged", || service.logged(&["the store is reachable again"]).pop());
    // Each of the single views has its own entry.
    assert!(waited(&line).1 >= 20, "{line}");
    load.wait_for(50);
    let second = load.finish();
    all_acknowledged(&second);
    let tally = first.and(&second);
    server.wait_for("everything is in Redis", &tally);
    service.settle(&place, &server, &tally);
}
