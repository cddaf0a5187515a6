//! A Redis that forgets what it had: within the time that the journal keeps entries, they are applied again by itself.

use std::fs;

use super::{
    load::Load,
    redis_server::Server,
    setup::{all_acknowledged, load, place},
    sites::SITES,
};

/// Counts, has the server forget something, and sees that it gets it again while counting goes on.
fn comes_back(options: &[&str], lose: impl FnOnce(&mut Server, &Load)) {
    let mut server = Server::start(options);
    let place = place(&server);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(200);
    lose(&mut server, &load);
    let before = load.tally();
    server.wait_for("what Redis forgot is back", &before);
    load.wait_for(100);
    for site in SITES {
        service.wait_for_log(&["WARN", &format!("site={site}"), "the store went back"]);
    }
    let tally = load.finish();
    all_acknowledged(&tally);
    let log = service.settle(&place, &server, &tally);
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn a_redis_that_is_emptied_gets_everything_again() {
    comes_back(&[], |server, load| {
        let before = load.tally();
        server.wait_for("views are in Redis", &before);
        let () = server.cli("FLUSHALL");
    });
}

#[test]
fn a_redis_that_starts_empty_gets_everything_again() {
    comes_back(&[], |server, load| {
        let before = load.tally();
        server.wait_for("views are in Redis", &before);
        server.kill();
        load.wait_for(50);
        server.restart();
    });
}

#[test]
fn a_redis_that_starts_from_an_older_copy_gets_the_rest_again() {
    comes_back(&[], |server, load| {
        let () = server.cli("SAVE");
        load.wait_for(200);
        let before = load.tally();
        server.wait_for("views are in Redis", &before);
        server.crash();
        assert!(fs::exists(server.dir.join("dump.rdb")).unwrap());
        load.wait_for(50);
        server.restart();
        assert!(!server.has(&before), "it has nothing to get again");
    });
}
