//! A Redis that refuses writes or forgets scripts.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use super::{
    counts::shown_fit,
    disk::Disk,
    load::Load,
    process::{Place, Service, eventually},
    redis_server::Server,
    setup::{LOGGING, all_acknowledged, load, logged_one_outage, place},
};

/// Waits until the log says why the store is unreachable, and checks that views are still acknowledged.
fn waits_because(service: &Service, load: &Load, why: &str) {
    service.wait_for_log(&["WARN", "the store is unreachable", why]);
    load.wait_for(100);
}

#[test]
fn scripts_that_redis_keeps_forgetting_are_sent_again() {
    let server = Server::start(&LOGGING);
    let place = place(&server);
    let service = place.start();
    let load = load(&service, "");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let flushes = scope.spawn(|| {
            let (mut raw, mut flushes) = (server.raw(), 0);
            while !stop.load(Ordering::Relaxed) {
                redis::cmd("SCRIPT").arg("FLUSH").exec(&mut raw).unwrap();
                flushes += 1;
                thread::sleep(Duration::from_millis(1));
            }
            flushes
        });
        load.wait_for(500);
        stop.store(true, Ordering::Relaxed);
        println!("flushed {} times", flushes.join().unwrap());
    });
    let tally = load.finish();
    all_acknowledged(&tally);
    let log = service.settle(&place, &server, &tally);
    assert!(!log.contains("WARN"), "{log}");
}

#[test]
fn views_wait_while_redis_is_out_of_memory_and_are_counted_afterwards() {
    let server = Server::start(&LOGGING);
    let place = place(&server);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(50);
    let () = server.cli("CONFIG SET maxmemory 1");
    waits_because(&service, &load, "raise maxmemory");
    // While out of memory, Redis also refuses the commands of a transaction, so the views of other instances are not known.
    eventually("the figures are stale", || service.is_stale().then_some(()));
    load.wait_for(50);
    let () = server.cli("CONFIG SET maxmemory 0");
    let before = load.tally();
    server.wait_for("everything is in Redis after it had memory again", &before);
    let tally = load.finish();
    all_acknowledged(&tally);
    logged_one_outage(&service.settle(&place, &server, &tally));
}

/// Fills the disk of Redis's append-only file, then frees it; with `crash`, Redis is killed meanwhile.
fn full_disk(crash: bool) {
    let files = Place::new();
    let disk = Disk::new(&files.path("disk"), 2);
    let dir = disk.path("").display().to_string();
    let mut server = Server::start(&[&LOGGING[..], &["--dir", &dir]].concat());
    let place = place(&server);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(50);
    disk.fill();
    waits_because(&service, &load, "cannot write to its disk");
    // Redis still answers reads, so the figures are exact.
    let before = load.tally();
    shown_fit(&service, &before, || load.most());
    if crash {
        server.crash();
        load.wait_for(50);
    }
    disk.empty();
    if crash {
        server.restart();
    }
    let before = load.tally();
    server.wait_for("everything is in Redis after its disk was full", &before);
    let tally = load.finish();
    all_acknowledged(&tally);
    logged_one_outage(&service.settle(&place, &server, &tally));
}

#[test]
fn views_wait_while_the_disk_of_redis_is_full_and_are_counted_afterwards() {
    full_disk(false);
}

#[test]
fn a_redis_that_is_killed_while_its_disk_is_full_has_every_view_in_the_end() {
    full_disk(true);
}
