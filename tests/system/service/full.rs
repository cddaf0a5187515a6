//! With a full journal, views are refused, none is lost, and counting resumes by itself when there is room.

use std::{
    fs,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::{
    counts::{Counts, shown_fit},
    disk::Disk,
    files::place,
    load::{Load, Tally, pages},
    process::{Place, Service, eventually, wait::within},
};

/// Waits until views are refused, and checks the answer and the readiness.
fn refuses(service: &Service, load: &Load) {
    let key = ("portal".to_owned(), "/refused".to_owned());
    let answer = eventually("views are refused", || {
        let answer = service.client().view(&key.0, &key.1).unwrap();
        if answer.counted() {
            load.acknowledge(&key);
        }
        Some(answer).filter(|answer| answer.status != 200)
    });
    assert!(answer.refused(), "{answer:?}");
    assert!(answer.head.contains("content-type: application/problem+json") && answer.head.contains("\r\nretry-after: "), "{answer:?}");
    let ready = eventually("the service is not ready", || service.ready().filter(|ready| ready.status == 503));
    assert_eq!(ready.json()["journal"], "full", "{ready:?}");
}

fn ready_again(service: &Service) {
    within(Duration::from_secs(15), "the service is ready again by itself", || service.ready().filter(|ready| ready.status == 200));
}

fn load(service: &Service, ending: &str) -> Load {
    let load = Load::start(8, pages(12, ending), Duration::ZERO);
    load.aim(Some(&service.public));
    load
}

fn wait_for_refusals(load: &Load) {
    eventually("views are refused", || (load.tally().refused >= 20).then_some(()));
}

/// Starts a service whose journal is on a small disk, counts views, and fills the disk.
fn fill_a_small_disk() -> (Disk, Place, Service, Load) {
    let place = place();
    let mount = place.path("disk");
    let disk = Disk::new(&mount, 8);
    let place = disk.visible_to(place.with_journal(mount.join("journal.db")));
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(200);
    disk.fill();
    wait_for_refusals(&load);
    (disk, place, service, load)
}

#[test]
fn views_are_refused_while_the_disk_is_full_and_accepted_when_it_has_room_again() {
    let (disk, place, service, load) = fill_a_small_disk();
    load.aim(None);
    refuses(&service, &load);
    // Acknowledged views are shown and applied meanwhile.
    shown_fit(&service, &load.tally(), || load.most());
    load.aim(Some(&service.public));
    wait_for_refusals(&load);
    disk.empty();
    ready_again(&service);
    load.wait_for(200);
    let tally = load.finish();
    service.stop();
    fits(&place, &tally);
}

#[test]
fn a_service_killed_while_its_disk_is_full_restarts_and_has_lost_nothing() {
    let (disk, place, service, load) = fill_a_small_disk();
    service.process.kill();
    load.aim(None);
    // It starts on the full disk too, and shows the acknowledged views.
    let service = place.start_unready();
    shown_fit(&service, &load.tally(), || load.most());
    service.process.kill();
    disk.empty();
    let service = place.start();
    load.aim(Some(&service.public));
    load.wait_for(100);
    let tally = load.finish();
    service.stop();
    fits(&place, &tally);
}

/// Locks the store with a foreign transaction until the journal is full.
fn fill_behind_a_locked_store(place: &Place) -> (Service, Load, Connection) {
    let service = place.start();
    let foreign = Connection::open(place.store()).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let load = load(&service, &"x".repeat(240));
    wait_for_refusals(&load);
    load.aim(None);
    refuses(&service, &load);
    (service, load, foreign)
}

#[test]
fn a_journal_at_its_maximum_size_accepts_views_again_when_the_store_is_unlocked() {
    let begun = Instant::now();
    let place = place().with("JOURNAL__MAX_BYTES", "1MiB");
    let (service, load, foreign) = fill_behind_a_locked_store(&place);
    foreign.execute_batch("ROLLBACK").unwrap();
    ready_again(&service);
    load.aim(Some(&service.public));
    load.wait_for(200);
    let tally = load.finish();
    let log = service.stop().err;
    fits(&place, &tally);
    let (lines, seconds) = (log.matches("route=\"views\"").count() as u64, begun.elapsed().as_secs());
    assert!(tally.refused > lines && lines <= seconds + 2, "{lines} lines about refused views in {seconds} seconds: {log}");
    assert!(!log.contains("readyz"), "a probe that reports a full journal has no line: {log}");
    let bytes = fs::metadata(place.journal()).unwrap().len();
    assert!(bytes <= (1 << 20) + (256 << 10), "the journal has {bytes} bytes");
}

#[test]
fn a_service_killed_with_a_journal_at_its_maximum_size_applies_all_of_it_after_the_restart() {
    let place = place().with("JOURNAL__MAX_BYTES", "1MiB");
    let (service, load, foreign) = fill_behind_a_locked_store(&place);
    service.process.kill();
    foreign.execute_batch("ROLLBACK").unwrap();
    let service = place.start_unready();
    ready_again(&service);
    load.aim(Some(&service.public));
    load.wait_for(200);
    let tally = load.finish();
    service.stop();
    fits(&place, &tally);
}

fn fits(place: &Place, tally: &Tally) {
    assert!(tally.refused > 0);
    println!("{:?}, {} refused", tally.all(), tally.refused);
    Counts::exported(place).fit(tally);
}
