//! Every alert in a real Prometheus: it fires during its fault and resolves after it.
//!
//! The waits and windows of the rules are shortened here; `rules` tests the original ones with `promtool`.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use truycap_test_support::ports::free_address;

use super::{
    file,
    load::{Load, pages},
    process::{Place, Service, client::Client, wait::within},
    prometheus::Prometheus,
    redis_server::Server,
    sites::sites,
};

const ALERT_TIMEOUT: Duration = Duration::from_secs(180);

/// The rules in `deploy/`, with shorter waits and windows.
fn fast_rules() -> String {
    let rules = fs::read_to_string(file("deploy/prometheus/truycap.rules.yml")).unwrap();
    let short = [
        ("[5m]", "[5s]"),
        ("[15m]", "[5s]"),
        ("[30m]", "[30s]"),
        ("[1h]", "[10s]"),
        ("[6h]", "[20s]"),
        ("[1d]", "[40s]"),
        ("[7d]", "[2m]"),
        ("[6h:1h]", "[20s:10s]"),
        ("[1d:1h]", "[40s:10s]"),
        ("[7d:1h]", "[60s:10s]"),
        ("offset 15m", "offset 5s"),
        ("offset 1h", "offset 10s"),
        ("offset 1d", "offset 40s"),
        ("offset 7d", "offset 60s"),
        ("for: 1m", "for: 1s"),
        ("for: 2m", "for: 1s"),
        ("for: 5m", "for: 1s"),
        ("for: 10m", "for: 1s"),
        ("for: 15m", "for: 1s"),
        ("interval: 1m", "interval: 250ms"),
        ("lag_seconds > 60", "lag_seconds > 3"),
    ];
    short.into_iter().fold(rules, |rules, (long, short)| {
        assert!(rules.contains(long), "{long}");
        rules.replace(long, short)
    })
}

impl Prometheus {
    fn fires(&self, alert: &str) {
        within(ALERT_TIMEOUT, alert, || self.firing().contains(alert).then_some(()));
        println!("{alert} fires");
    }

    fn resolves(&self, alert: &str) {
        within(ALERT_TIMEOUT, &format!("{alert} resolves"), || (!self.firing().contains(alert)).then_some(()));
        println!("{alert} is resolved");
    }

    /// Asserts that an alert fires all the time.
    fn goes_on_firing(&self, alert: &str, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            assert!(self.firing().contains(alert), "{alert} has ended");
            thread::sleep(Duration::from_millis(250));
        }
        println!("{alert} goes on");
    }

    /// Requests views until an alert fires, 50 a second at most.
    fn fires_while(&self, alert: &str, mut view: impl FnMut()) {
        within(ALERT_TIMEOUT, alert, || {
            view();
            thread::sleep(Duration::from_millis(20));
            self.firing().contains(alert).then_some(())
        });
        println!("{alert} fires");
    }
}

/// A place whose admin listener keeps its address over restarts.
fn with_fixed_admin_address(place: Place) -> Place {
    place.with("LISTEN__ADMIN", &free_address().to_string())
}

#[test]
#[ignore = "takes minutes; make soak runs it"]
fn a_frozen_instance_and_a_site_without_views_fire_alerts() {
    let (place, second) = (sites(), sites());
    let (service, other) = (place.start(), second.start());
    let load = Load::start(2, pages(3, ""), Duration::from_millis(10));
    load.aim(Some(&service.public));
    let prometheus = Prometheus::start(&[&service, &other], &fast_rules());
    load.wait_for(1000);
    assert_eq!(prometheus.firing(), [].into());

    other.process.signal("STOP");
    prometheus.fires("TruycapDown");
    load.aim(None);
    prometheus.fires("TruycapViewsStopped");
    other.process.signal("CONT");
    prometheus.resolves("TruycapDown");
    // For longer than the rule looks back.
    prometheus.goes_on_firing("TruycapViewsStopped", Duration::from_secs(90));
    load.aim(Some(&service.public));
    prometheus.resolves("TruycapViewsStopped");
    load.finish();
    service.stop();
    other.stop();
}

/// Requests lists until the alert fires. While Redis is frozen, those that try to connect are slow, and those in the pause
/// after that fail at once. At ten a second, more than 1 % are slow.
fn request_lists_until(service: &Service, prometheus: &Prometheus, alert: &str) {
    within(ALERT_TIMEOUT, alert, || {
        let _ = service.client().get("/v1/sites/portal/top?period=today");
        thread::sleep(Duration::from_millis(100));
        prometheus.firing().contains(alert).then_some(())
    });
    println!("{alert} fires");
}

#[test]
#[ignore = "takes minutes; make soak runs it"]
fn a_frozen_redis_and_a_redis_that_restarts_empty_fire_alerts() {
    let mut redis = Server::start_on_port(&[]);
    let place = || sites().with("STORE__URL", &redis.url()).with("JOURNAL__MAX_BYTES", "1MiB").with("JOURNAL__RETAIN", "1m");
    let (first, second) = (place(), place());
    let (service, other) = (first.start(), second.start());
    let prometheus = Prometheus::start(&[&service, &other], &fast_rules());
    let load = Load::start(4, pages(3000, &"x".repeat(200)), Duration::from_millis(1));
    load.aim(Some(&service.public));
    load.wait_for(100);

    redis.signal("STOP");
    prometheus.fires("TruycapStoreDown");
    request_lists_until(&service, &prometheus, "TruycapSlow");
    for alert in ["TruycapJournalFilling", "TruycapViewsRefused", "TruycapErrors"] {
        prometheus.fires(alert);
    }
    redis.signal("CONT");
    load.finish();
    for alert in ["TruycapStoreDown", "TruycapSlow", "TruycapViewsRefused", "TruycapErrors", "TruycapJournalFilling"] {
        prometheus.resolves(alert);
    }

    // Entries that the journal has deleted by age are lost; those that it still has are not.
    let load = Load::start(1, pages(3, ""), Duration::from_millis(10));
    load.aim(Some(&service.public));
    load.wait_for(50);
    redis.kill();
    prometheus.fires("TruycapStoreDown");
    redis.run();
    prometheus.fires("TruycapStoreRewound");
    prometheus.fires("TruycapEntriesLost");
    for alert in ["TruycapStoreDown", "TruycapStoreRewound", "TruycapEntriesLost"] {
        prometheus.resolves(alert);
    }
    load.finish();
    service.stop();
    other.stop();
}

#[test]
#[ignore = "takes minutes; make soak runs it"]
fn a_restored_journal_and_a_process_that_keeps_restarting_fire_alerts() {
    let place = with_fixed_admin_address(sites());
    let mut service = place.start();
    let prometheus = Prometheus::start(&[&service], &fast_rules());
    service.count("portal", "/1");
    // A copy of the disk, from a moment within the run.
    let files = ["", "-wal"].map(|suffix| format!("{}{suffix}", place.journal().display()));
    let copies = ["copy", "copy-wal"].map(|name| place.path(name));
    service.process.signal("STOP");
    for (file, copy) in files.iter().zip(&copies) {
        fs::copy(file, copy).unwrap();
    }
    service.process.signal("CONT");
    service.count("portal", "/2");
    service.stop();
    for (file, copy) in files.iter().zip(&copies) {
        fs::copy(copy, file).unwrap();
    }
    service = place.start();
    service.count("portal", "/3");
    prometheus.fires("TruycapForeignEntries");
    let deadline = Instant::now() + ALERT_TIMEOUT;
    while !prometheus.firing().contains("TruycapRestarting") {
        assert!(Instant::now() < deadline, "{:?}", prometheus.query("process_start_time_seconds[1m]"));
        service.stop();
        within(ALERT_TIMEOUT, "Prometheus misses the service", || prometheus.query("up{job=\"truycap\"} == 0").pop());
        service = place.start();
        within(ALERT_TIMEOUT, "Prometheus scrapes the service", || prometheus.query("up{job=\"truycap\"} == 1").pop());
        // `process_start_time_seconds` is a whole number, so two starts must be a second apart.
        thread::sleep(Duration::from_secs(1));
    }
    println!("TruycapRestarting fires");
    prometheus.resolves("TruycapRestarting");
    prometheus.resolves("TruycapForeignEntries");
    service.stop();
}

#[test]
#[ignore = "takes minutes; make soak runs it"]
fn nearly_full_connections_and_a_lagging_store_fire_alerts() {
    let place = sites().with("LISTEN__MAX_CONNECTIONS", "20").with("STORE__FLUSH_INTERVAL", "10s");
    let service = place.start();
    let prometheus = Prometheus::start(&[&service], &fast_rules());
    let load = Load::start(1, pages(3, ""), Duration::from_millis(10));
    load.aim(Some(&service.public));

    let idle: Vec<_> = (0..18).map(|_| Client::connect(&service.public).unwrap()).collect();
    prometheus.fires("TruycapConnectionsFull");
    drop(idle);
    prometheus.resolves("TruycapConnectionsFull");

    prometheus.fires("TruycapStoreLagging");
    load.finish();
    prometheus.resolves("TruycapStoreLagging");
    service.stop();
}

/// Requests the picture of a site from a page of an origin; returns the status.
fn request_picture(client: &mut Client, site: &str, origin: &str) -> u16 {
    let head = format!("GET /v1/sites/{site}/views.gif HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0\r\nOrigin: {origin}\r\n\r\n");
    client.send(&head).unwrap();
    client.answer().unwrap().status
}

#[test]
#[ignore = "takes minutes; make soak runs it"]
fn views_that_are_refused_or_never_begin_fire_alerts() {
    const ORIGIN: &str = "https://portal.example.vn";
    let site = |id| format!("{{ id = \"{id}\", origins = [\"{ORIGIN}\"], max_views_per_second = 1 }}");
    let place = sites().with("SITES", &format!("[{}, {}]", site("portal"), site("moi")));
    let service = place.start();
    let prometheus = Prometheus::start(&[&service], &fast_rules());
    let mut client = service.client();

    prometheus.fires_while("TruycapViewsLimited", || {
        request_picture(&mut client, "portal", ORIGIN);
    });
    prometheus.fires_while("TruycapViewsForeign", || {
        assert_eq!(request_picture(&mut client, "portal", "https://other.example.vn"), 403);
    });
    prometheus.fires_while("TruycapUnknownSite", || assert_eq!(request_picture(&mut client, "other", ORIGIN), 404));
    for alert in ["TruycapViewsLimited", "TruycapViewsForeign", "TruycapUnknownSite"] {
        prometheus.resolves(alert);
    }

    prometheus.fires("TruycapViewsNeverBegan");
    assert_eq!(request_picture(&mut client, "moi", ORIGIN), 200);
    let moi = "ALERTS{alertname=\"TruycapViewsNeverBegan\", site=\"moi\"}";
    within(ALERT_TIMEOUT, "its first view resolves it", || prometheus.query(moi).is_empty().then_some(()));
    service.stop();
}

#[test]
#[ignore = "takes minutes; make soak runs it"]
fn a_small_site_whose_views_stop_fires_an_alert() {
    let place = sites();
    let service = place.start();
    let prometheus = Prometheus::start(&[&service], &fast_rules());
    let mut client = service.client();
    // Too few for the rule of busy sites, for longer than the time to which the other rule compares.
    let end = Instant::now() + Duration::from_secs(75);
    while Instant::now() < end {
        assert_eq!(request_picture(&mut client, "portal", "https://portal.example.vn"), 200);
        thread::sleep(Duration::from_millis(250));
    }
    assert!(!prometheus.firing().contains("TruycapViewsStopped"));
    prometheus.fires("TruycapViewsStopped");
    prometheus.goes_on_firing("TruycapViewsStopped", Duration::from_secs(90));
    // The service has closed the idle connection.
    assert_eq!(request_picture(&mut service.client(), "portal", "https://portal.example.vn"), 200);
    prometheus.resolves("TruycapViewsStopped");
    service.stop();
}

#[test]
#[ignore = "takes minutes; make soak runs it"]
fn an_instance_that_goes_with_views_fires_an_alert_until_it_is_back() {
    let mut redis = Server::start_on_port(&[]);
    let place = with_fixed_admin_address(sites().with("STORE__URL", &redis.url()));
    let other = sites().with("STORE__URL", &redis.url());
    let (mut service, other) = (place.start(), other.start());
    let prometheus = Prometheus::start(&[&service, &other], &fast_rules());
    // A normal stop leaves nothing.
    service.count("portal", "/1");
    service.stop();
    prometheus.fires("TruycapDown");
    assert!(!prometheus.firing().contains("TruycapInstanceGoneWithViews"));
    service = place.start();
    prometheus.resolves("TruycapDown");

    redis.kill();
    service.count("portal", "/1");
    let waits = "truycap_store_lag_seconds > 11 and truycap_journal_unapplied_views > 0";
    within(ALERT_TIMEOUT, "a view waits", || prometheus.query(waits).pop());
    service.stop();
    prometheus.fires("TruycapInstanceGoneWithViews");
    redis.run();
    prometheus.goes_on_firing("TruycapInstanceGoneWithViews", Duration::from_secs(10));
    service = place.start();
    prometheus.resolves("TruycapInstanceGoneWithViews");
    service.stop();
    other.stop();
}

#[test]
#[ignore = "takes minutes; make soak runs it"]
fn a_refused_reload_and_instances_with_different_sites_fire_alerts() {
    let by_file = |ids: &[&str]| {
        let mut place = sites();
        place.environment.remove("TRUYCAP_SITES");
        place.options = vec!["--config".into(), place.write("truycap.toml", tables(ids))];
        place
    };
    let (first, second) = (by_file(&["portal", "khoa"]), by_file(&["portal", "khoa"]));
    let (service, other) = (first.start(), second.start());
    let prometheus = Prometheus::start(&[&service, &other], &fast_rules());
    within(ALERT_TIMEOUT, "Prometheus scrapes both", || (prometheus.query("truycap_config_sites_hash").len() == 2).then_some(()));
    within(ALERT_TIMEOUT, "no alert fires", || prometheus.firing().is_empty().then_some(()));

    first.write("truycap.toml", "[[sites]]\n");
    service.process.signal("HUP");
    prometheus.fires("TruycapReloadFailed");
    first.write("truycap.toml", tables(&["portal", "vien"]));
    service.process.signal("HUP");
    prometheus.resolves("TruycapReloadFailed");
    prometheus.fires("TruycapSitesDiffer");
    second.write("truycap.toml", tables(&["portal", "vien"]));
    other.process.signal("HUP");
    prometheus.resolves("TruycapSitesDiffer");
    service.stop();
    other.stop();
}

/// Tables of sites with an origin each.
fn tables(ids: &[&str]) -> String {
    ids.iter().map(|id| format!("[[sites]]\nid = \"{id}\"\norigins = [\"https://{id}.example.vn\"]\n")).collect()
}
