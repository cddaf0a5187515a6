//! A service that is stopped answers the requests in flight and applies all views to the store.

use std::{
    io::ErrorKind,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use truycap_test_support::ports::free_port;

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
    // With an interval of ten seconds, the views are not yet applied when the signal arrives.
    let place = place().with("STORE__FLUSH_INTERVAL", "10s");
    let service = place.start();
    let load = Load::start(8, pages(12, ""), Duration::ZERO);
    load.aim(Some(&service.public));
    load.wait_for(500);
    let signalled = Instant::now();
    service.process.signal(signal);
    let finished = service.process.wait(Duration::from_secs(10));
    println!("{signal}: ended after {:?}", signalled.elapsed());
    assert_eq!(finished.code, Some(0), "{}", finished.err);
    let tally = load.finish();
    Counts::exported(&place).fit(&tally);
}

#[test]
fn a_request_in_flight_is_answered_while_new_connections_are_refused() {
    let place = place();
    let mut service = place.start();
    let mut client = service.client();
    // The first request shows that the connection is accepted; the second one is in flight.
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

/// How often a test restarts the service.
pub(super) fn restarts() -> u32 {
    if std::env::var_os("TRUYCAP_SOAK").is_some() { 100 } else { 3 }
}

#[test]
fn restarts_lose_no_request_over_connections_that_are_kept_alive() {
    // The same port after each restart.
    let port = free_port();
    let place = place().with("CLIENTS__MAX_REQUESTS_PER_SECOND", "0");
    let address = place.environment["TRUYCAP_LISTEN__PUBLIC"].replace(":0", &format!(":{port}"));
    let place = place.with("LISTEN__PUBLIC", &address);
    let load = Load::start(8, pages(12, ""), Duration::from_millis(2));
    load.aim(Some(&address));
    for _ in 0..restarts() {
        let service = place.start();
        load.wait_for(100);
        service.stop();
    }
    let tally = load.finish();
    assert_eq!(tally.all().unanswered, 0);
    Counts::exported(&place).fit(&tally);
}

#[test]
fn a_locked_store_and_a_slow_client_do_not_delay_the_stop_and_nothing_is_lost() {
    let place = place();
    let service = place.start();
    let foreign = Connection::open(place.store()).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let load = Load::start(4, pages(4, ""), Duration::from_millis(5));
    load.aim(Some(&service.public));
    load.wait_for(100);
    let mut slow_client = service.client();
    slow_client.send(&view("portal", "/1").0).unwrap();
    // The store's busy timeout has only begun when the recorder stops waiting for the store.
    thread::sleep(Duration::from_millis(500));
    service.process.signal("TERM");
    let finished = service.process.wait(Duration::from_secs(10));
    assert_eq!(finished.code, Some(0), "{}", finished.err);
    assert!(finished.err.contains("applied at the next start"), "{}", finished.err);
    foreign.execute_batch("ROLLBACK").unwrap();
    let tally = load.finish();

    let service = place.start();
    eventually("the waiting views are applied", || {
        (Counts::exported(&place).total("portal", "") >= tally.of("portal", "").acknowledged).then_some(())
    });
    service.stop();
    Counts::exported(&place).fit(&tally);
}
