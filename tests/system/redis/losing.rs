//! A Redis that loses data: the service applies the entries again that the journal still has.

use std::fs;

use super::{
    load::Load,
    redis_server::Server,
    setup::{all_acknowledged, load, place},
    sites::SITES,
};

/// What the log adds if the server has nothing left.
const HINT: &str = "its user `default` lacks rights";

/// Counts, lets `lose` remove data from the server, and checks that the service restores it while counting continues. Returns
/// the log.
fn recovers(options: &[&str], lose: impl FnOnce(&mut Server, &Load)) -> String {
    let mut server = Server::start(options);
    let place = place(&server);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(200);
    lose(&mut server, &load);
    let before = load.tally();
    server.wait_for("the lost views are in Redis again", &before);
    load.wait_for(100);
    for site in SITES {
        service.wait_for_log(&["WARN", &format!("site={site}"), "the store went back"]);
    }
    let tally = load.finish();
    all_acknowledged(&tally);
    let log = service.settle(&place, &server, &tally);
    assert!(!log.contains("ERROR"), "{log}");
    log
}

#[test]
fn an_emptied_redis_is_restored_from_the_journal() {
    let log = recovers(&[], |server, load| {
        let before = load.tally();
        server.wait_for("views are in Redis", &before);
        let () = server.cli("FLUSHALL");
    });
    assert!(log.contains(HINT), "{log}");
}

#[test]
fn a_redis_that_starts_empty_is_restored_from_the_journal() {
    let log = recovers(&[], |server, load| {
        let before = load.tally();
        server.wait_for("views are in Redis", &before);
        server.kill();
        load.wait_for(50);
        server.restart();
    });
    assert!(log.contains(HINT), "{log}");
}

#[test]
fn a_redis_that_starts_from_an_older_copy_catches_up_from_the_journal() {
    let log = recovers(&[], |server, load| {
        let before = load.tally();
        server.wait_for("views are in Redis", &before);
        let () = server.cli("SAVE");
        load.wait_for(200);
        let before = load.tally();
        server.wait_for("views are in Redis", &before);
        server.crash();
        assert!(fs::exists(server.dir.join("dump.rdb")).unwrap());
        load.wait_for(50);
        server.restart();
        assert!(!server.has(&before), "the copy lacks nothing");
    });
    assert!(!log.contains(HINT), "{log}");
}
