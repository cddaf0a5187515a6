//! Every alert on a real Prometheus: its fault is made, it fires; the fault is over, it goes.
//!
//! All waits and windows of the rules are made short for it; with the long ones, `promtool` tries them (`rules`).

use std::{
    fs,
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use super::{
    file,
    load::{Load, pages},
    process::{Place, Service, client::Client, wait::within},
    prometheus::Prometheus,
    redis_server::Server,
    sites::sites,
};

const PATIENCE: Duration = Duration::from_secs(180);

/// The rules as they are delivered, but for the time that they take.
fn impatient() -> String {
    let rules = fs::read_to_string(file("deploy/prometheus/truycap.rules.yml")).unwrap();
    let short = [
        ("[5m]", "[5s]"),
        ("[15m]", "[5s]"),
        ("[30m]", "[30s]"),
        ("[1h]", "[30s]"),
        ("offset 1h", "offset 30s"),
        ("offset 15m", "offset 5s"),
        ("for: 1m", "for: 1s"),
        ("for: 2m", "for: 1s"),
        ("for: 5m", "for: 1s"),
        ("for: 10m", "for: 1s"),
        ("lag_seconds > 60", "lag_seconds > 3"),
    ];
    short.into_iter().fold(rules, |rules, (long, short)| {
        assert!(rules.contains(long), "{long}");
        rules.replace(long, short)
    })
}

impl Prometheus {
    fn fires(&self, alert: &str) {
        within(PATIENCE, alert, || self.firing().contains(alert).then_some(()));
        println!("{alert} fires");
    }

    fn is_quiet_of(&self, alert: &str) {
        within(PATIENCE, &format!("{alert} goes"), || (!self.firing().contains(alert)).then_some(()));
        println!("{alert} is gone");
    }
}

/// A place whose service is found at the same address after each start.
fn settled(place: Place) -> Place {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    place.with("LISTEN__ADMIN", &free.to_string())
}

#[test]
#[ignore = "takes minutes; make soak runs it"]
fn an_instance_that_is_away_and_a_site_that_stops() {
    let (place, second) = (sites(), sites());
    let (service, other) = (place.start(), second.start());
    let load = Load::start(2, pages(3, ""), Duration::from_millis(10));
    load.aim(Some(&service.public));
    let prometheus = Prometheus::start(&[&service, &other], &impatient());
    load.wait_for(1000);
    assert_eq!(prometheus.firing(), [].into());

    other.process.signal("STOP");
    prometheus.fires("TruycapDown");
    load.aim(None);
    prometheus.fires("TruycapViewsStopped");
    other.process.signal("CONT");
    prometheus.is_quiet_of("TruycapDown");
    load.aim(Some(&service.public));
    prometheus.is_quiet_of("TruycapViewsStopped");
    load.finish();
    service.stop();
    other.stop();
}

/// Asks for lists, as long as they are answered slowly.
fn ask_for_lists(service: &Service, prometheus: &Prometheus, alert: &str) {
    within(PATIENCE, alert, || {
        let _ = service.client().get("/v1/sites/portal/top?period=today");
        prometheus.firing().contains(alert).then_some(())
    });
    println!("{alert} fires");
}

#[test]
#[ignore = "takes minutes; make soak runs it"]
fn a_redis_that_is_away_and_one_that_comes_back_empty() {
    let mut redis = Server::start_on_port(&[]);
    let place = || sites().with("STORE__URL", &redis.url()).with("JOURNAL__MAX_BYTES", "1MiB").with("JOURNAL__RETAIN", "1m");
    let (first, second) = (place(), place());
    let (service, other) = (first.start(), second.start());
    let prometheus = Prometheus::start(&[&service, &other], &impatient());
    let load = Load::start(4, pages(3000, &"x".repeat(200)), Duration::from_millis(1));
    load.aim(Some(&service.public));
    load.wait_for(100);

    redis.signal("STOP");
    prometheus.fires("TruycapStoreDown");
    ask_for_lists(&service, &prometheus, "TruycapSlow");
    for alert in ["TruycapJournalFilling", "TruycapViewsRefused", "TruycapErrors"] {
        prometheus.fires(alert);
    }
    redis.signal("CONT");
    load.finish();
    for alert in ["TruycapStoreDown", "TruycapSlow", "TruycapViewsRefused", "TruycapErrors", "TruycapJournalFilling"] {
        prometheus.is_quiet_of(alert);
    }

    // What was let go of with time is lost, and what the journal still has is not.
    let load = Load::start(1, pages(3, ""), Duration::from_millis(10));
    load.aim(Some(&service.public));
    load.wait_for(50);
    redis.kill();
    prometheus.fires("TruycapStoreDown");
    redis.run();
    prometheus.fires("TruycapStoreRewound");
    prometheus.fires("TruycapEntriesLost");
    for alert in ["TruycapStoreDown", "TruycapStoreRewound", "TruycapEntriesLost"] {
        prometheus.is_quiet_of(alert);
    }
    load.finish();
    service.stop();
    other.stop();
}

#[test]
#[ignore = "takes minutes; make soak runs it"]
fn a_journal_that_was_put_back_and_a_process_that_starts_again_and_again() {
    let place = settled(sites());
    let mut service = place.start();
    let prometheus = Prometheus::start(&[&service], &impatient());
    service.count("portal", "/1");
    service.stop();
    let copy = place.path("copy.db");
    fs::copy(place.journal(), &copy).unwrap();
    service = place.start();
    service.count("portal", "/2");
    service.stop();
    fs::copy(&copy, place.journal()).unwrap();
    service = place.start();
    service.count("portal", "/3");
    prometheus.fires("TruycapForeignEntries");
    let deadline = Instant::now() + PATIENCE;
    while !prometheus.firing().contains("TruycapRestarting") {
        assert!(Instant::now() < deadline, "{:?}", prometheus.query("process_start_time_seconds[1m]"));
        service.stop();
        within(PATIENCE, "it is missed", || prometheus.query("up{job=\"truycap\"} == 0").pop());
        service = place.start();
        within(PATIENCE, "it is scraped", || prometheus.query("up{job=\"truycap\"} == 1").pop());
        // A start is told in whole seconds.
        thread::sleep(Duration::from_secs(1));
    }
    println!("TruycapRestarting fires");
    prometheus.is_quiet_of("TruycapRestarting");
    prometheus.is_quiet_of("TruycapForeignEntries");
    service.stop();
}

#[test]
#[ignore = "takes minutes; make soak runs it"]
fn connections_that_are_all_taken_and_a_store_that_is_late() {
    let place = sites().with("LISTEN__MAX_CONNECTIONS", "20").with("STORE__FLUSH_INTERVAL", "10s");
    let service = place.start();
    let prometheus = Prometheus::start(&[&service], &impatient());
    let load = Load::start(1, pages(3, ""), Duration::from_millis(10));
    load.aim(Some(&service.public));

    let idle: Vec<_> = (0..18).map(|_| Client::connect(&service.public).unwrap()).collect();
    prometheus.fires("TruycapConnectionsFull");
    drop(idle);
    prometheus.is_quiet_of("TruycapConnectionsFull");

    prometheus.fires("TruycapStoreLagging");
    load.finish();
    prometheus.is_quiet_of("TruycapStoreLagging");
    service.stop();
}
