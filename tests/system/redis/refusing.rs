//! A Redis that takes no writes, or forgets scripts.

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
    setup::{LOGGING, all_acknowledged, load, place, told_once},
};

/// Waits until views wait because of this, and checks that they are acknowledged.
fn refuses(service: &Service, load: &Load, why: &str) {
    service.wait_for_log(&["WARN", "the store is unreachable", why]);
    load.wait_for(100);
}

#[test]
fn scripts_that_redis_is_made_to_forget_all_the_time_are_sent_again() {
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
fn while_redis_has_no_memory_views_wait_and_are_counted_when_it_has() {
    let server = Server::start(&LOGGING);
    let place = place(&server);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(50);
    let () = server.cli("CONFIG SET maxmemory 1");
    refuses(&service, &load, "raise maxmemory");
    // It has none for the commands of a transaction either, so it is not asked what others have counted.
    eventually("the figures are stale", || service.is_stale().then_some(()));
    load.wait_for(50);
    let () = server.cli("CONFIG SET maxmemory 0");
    let before = load.tally();
    server.wait_for("everything is in Redis after it had no memory", &before);
    let tally = load.finish();
    all_acknowledged(&tally);
    told_once(&service.settle(&place, &server, &tally));
}

/// A Redis whose log has no room on its disk, and then has.
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
    refuses(&service, &load, "cannot write to its disk");
    // It still tells what others have counted, so the figures are true.
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
    told_once(&service.settle(&place, &server, &tally));
}

#[test]
fn while_the_disk_of_redis_is_full_views_wait_and_are_counted_when_it_has_room() {
    full_disk(false);
}

#[test]
fn a_redis_that_is_killed_while_its_disk_is_full_has_everything_in_the_end() {
    full_disk(true);
}
