//! A service that is told to stop finishes what it has begun, and leaves everything in the store.

use std::{
    io::ErrorKind,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::{
    counts::Counts,
    files::place,
    load::{Load, pages},
    process::{eventually, wait::within},
    views::view,
};

#[test]
fn sigterm_under_load_leaves_every_acknowledged_view_in_the_store() {
    stop_under_load("TERM");
}

#[test]
fn sigint_under_load_leaves_every_acknowledged_view_in_the_store() {
    stop_under_load("INT");
}

fn stop_under_load(signal: &str) {
    // A store that is given views once in ten seconds has not got them by itself when the signal comes.
    let place = place().with("STORE__FLUSH_INTERVAL", "10s");
    let service = place.start();
    let load = Load::start(8, pages(12, ""), Duration::ZERO);
    load.aim(Some(&service.public));
    load.wait_for(500);
    let told = Instant::now();
    service.process.signal(signal);
    let finished = service.process.wait(Duration::from_secs(10));
    println!("{signal}: ended after {:?}", told.elapsed());
    assert_eq!(finished.code, Some(0), "{}", finished.err);
    let tally = load.finish();
    Counts::exported(&place).fit(&tally);
}

#[test]
fn a_request_under_way_is_answered_while_new_connections_are_refused() {
    let place = place();
    let mut service = place.start();
    let mut client = service.client();
    // The first request shows that the connection is accepted, the second is under way.
    client.count("portal", "/1");
    let (head, body) = view("portal", "/1");
    let (begin, rest) = body.split_at(3);
    client.send(&(head + begin)).unwrap();
    service.process.signal("TERM");
    within(Duration::from_secs(3), "new connections are refused", || match TcpStream::connect(&service.public) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Some(()),
        _ => None,
    });
    assert!(!service.process.has_ended());
    client.send(rest).unwrap();
    let answer = client.answer().unwrap();
    assert!(answer.counted(), "{answer:?}");
    let finished = service.process.wait(Duration::from_secs(10));
    assert_eq!(finished.code, Some(0), "{}", finished.err);
    assert_eq!(Counts::exported(&place).total("portal", "/1"), 2);
}

#[test]
fn a_store_that_is_locked_and_a_client_that_dawdles_do_not_hold_up_the_end_and_nothing_is_lost() {
    let place = place();
    let service = place.start();
    let foreign = Connection::open(place.store()).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let load = Load::start(4, pages(4, ""), Duration::from_millis(5));
    load.aim(Some(&service.public));
    load.wait_for(100);
    let mut dawdler = service.client();
    dawdler.send(&view("portal", "/1").0).unwrap();
    // The store's own patience is at its beginning when the recorder's comes to its end.
    thread::sleep(Duration::from_millis(500));
    service.process.signal("TERM");
    let finished = service.process.wait(Duration::from_secs(10));
    assert_eq!(finished.code, Some(0), "{}", finished.err);
    assert!(finished.err.contains("applied at the next start"), "{}", finished.err);
    foreign.execute_batch("ROLLBACK").unwrap();
    let tally = load.finish();

    let service = place.start();
    eventually("what waited is applied", || {
        (Counts::exported(&place).total("portal", "") >= tally.of("portal", "").acknowledged).then_some(())
    });
    service.stop();
    Counts::exported(&place).fit(&tally);
}
