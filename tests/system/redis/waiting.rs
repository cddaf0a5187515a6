//! What waits for the store is known without the store, and can be applied without a service.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use chrono::Utc;
use serde_json::{Value, json};
use truycap::{
    domain::{article::ArticleId, counts::SiteViews, site::SiteId},
    journal::{
        Entry, Journal,
        sqlite::{Config, SqliteJournal},
    },
};

use super::{
    process::{Place, Service, client::Client, eventually, wait::within},
    redis_server::Server,
    setup::{LOGGING, place},
    sites::SITES,
};

/// What the metrics say waits: entries, views, and the lag in views and in seconds.
fn waiting(service: &Service) -> [f64; 4] {
    let text = Client::connect(&service.admin).unwrap().get("/metrics").unwrap().body;
    ["journal_unapplied_entries", "journal_unapplied_views", "store_lag_views", "store_lag_seconds"].map(|name| {
        let name = format!("truycap_{name} ");
        text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
    })
}

/// Waits until nothing waits.
fn all_applied(service: &Service) {
    within(Duration::from_secs(30), "everything is applied", || (waiting(service) == [0.0; 4]).then_some(()));
}

fn count(service: &Service, site: &str, views: u64) {
    let mut client = service.client();
    for view in 0..views {
        client.count(site, &format!("/{}", view % 7));
    }
}

/// The exit code of `truycap journal status` and what it says.
fn status(place: &Place) -> (Option<i32>, Value) {
    let finished = place.run(&["journal", "status", "--json"]);
    assert_eq!(finished.err, "");
    (finished.code, serde_json::from_str(&finished.out).unwrap())
}

/// The names, sizes and times of the files in a directory.
fn files(directory: &Path) -> BTreeMap<String, (u64, SystemTime)> {
    let file = |file: fs::DirEntry| {
        let metadata = file.metadata().unwrap();
        (file.file_name().into_string().unwrap(), (metadata.len(), metadata.modified().unwrap()))
    };
    fs::read_dir(directory).unwrap().map(|entry| file(entry.unwrap())).collect()
}

#[test]
fn views_that_were_acknowledged_while_the_store_is_away_since_the_start_wait() {
    let mut server = Server::new(0, &LOGGING);
    let place = place(&server);
    let service = place.start();
    count(&service, "portal", 100);
    let [entries, views, lag, seconds] = waiting(&service);
    assert!((1.0..=100.0).contains(&entries) && (views, lag) == (100.0, 100.0) && seconds > 0.0, "{:?}", waiting(&service));

    let place = place.with("LISTEN__ADMIN", &service.admin);
    let (code, report) = status(&place);
    assert_eq!((code, &report["running"], &report["views"]), (Some(3), &json!(true), &json!(100)));
    assert_eq!((&report["sites"][0]["site"], &report["sites"][0]["views"]), (&json!("portal"), &json!(100)));
    assert_eq!(report["sites"].as_array().unwrap().len(), 1);
    let text = place.run(&["journal", "status"]).out;
    assert!(text.contains("100 views in") && text.contains("portal: 100 views") && !text.contains("khoa"), "{text}");

    server.restart();
    all_applied(&service);
    assert_eq!(status(&place).0, Some(0));
    service.stop();
}

#[tokio::test]
async fn a_backlog_counts_from_the_first_scrape_after_a_start_until_it_is_applied() {
    let server = Server::start(&LOGGING);
    let place = place(&server);
    let journal = SqliteJournal::open(Config { path: place.journal(), max_bytes: 1 << 28 }).unwrap();
    for entry in 0..600 {
        let mut views = SiteViews::default();
        (0..100).for_each(|view| views.count(ArticleId::parse(&format!("/{entry}/{view}")).ok()));
        let views = BTreeMap::from([((SiteId::parse("portal").unwrap(), Utc::now().date_naive()), views)]);
        journal.append(Arc::new(Entry { at: Utc::now(), views })).await.unwrap();
    }
    journal.close().unwrap();
    // Redis answers nothing until it goes on.
    server.signal("STOP");
    let service = place.start_unready();
    assert_eq!(waiting(&service)[..3], [600.0, 60_000.0, 60_000.0]);
    assert!(waiting(&service)[3] > 0.0);
    server.signal("CONT");
    within(Duration::from_secs(60), "everything is in Redis", || {
        // Read before Redis, so that what is left there waits here.
        let now = waiting(&service);
        let stored = server.cli::<Option<u64>>("HGET truycap:{portal}:views total").unwrap_or_default();
        let waits = now[0] >= 1.0 && now[1] >= 1.0 && now[2] == now[1] && now[3] > 0.0;
        (stored == 60_000).then_some(()).or_else(|| {
            assert!(waits, "{now:?} while Redis has {stored}");
            None
        })
    });
    all_applied(&service);
    service.stop();
}

#[test]
fn an_instance_that_is_taken_away_while_the_store_is_down_is_drained_later() {
    let mut server = Server::new(0, &LOGGING);
    let (stays, goes) = (place(&server), place(&server));
    let (first, second) = (stays.start(), goes.start());
    std::thread::scope(|scope| {
        scope.spawn(|| SITES.iter().for_each(|site| count(&first, site, 750)));
        scope.spawn(|| SITES.iter().for_each(|site| count(&second, site, 750)));
    });
    let refused = goes.run(&["journal", "drain"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("stop it first"), "{}", refused.err);
    // Its log is not empty, as after a power cut.
    second.process.kill();
    let before = files(&goes.path("."));
    let (code, report) = status(&goes);
    assert_eq!((code, &report["running"], &report["views"]), (Some(3), &json!(false), &json!(1500)));
    let views: Vec<_> = report["sites"].as_array().unwrap().iter().map(|site| (&site["site"], &site["views"])).collect();
    assert_eq!(views, [(&json!("khoa"), &json!(750)), (&json!("portal"), &json!(750))]);
    assert!(goes.run(&["check"]).out.contains("1500 views in"));
    assert_eq!(files(&goes.path(".")), before);

    // Its sites are not those of the machine on which it is drained.
    let goes = goes.with("SITES", "[{ id = \"portal\", origins = [\"https://portal.example.vn\"] }]");
    assert!(goes.run(&["journal", "status"]).out.contains("khoa: 750 views in 750 entries, since"));
    let late = goes.run(&["journal", "drain", "--timeout", "300ms"]);
    assert_eq!((late.code, late.out.as_str()), (Some(1), ""), "{late:?}");
    assert!(late.err.contains("1500 views") && late.err.contains("khoa: 750"), "{}", late.err);
    assert_eq!(status(&goes).1["views"], 1500);

    server.restart();
    assert_eq!(goes.run(&["journal", "drain"]).code, Some(0));
    assert_eq!(
        status(&goes),
        (Some(0), json!({ "journal": goes.journal(), "running": false, "entries": 0, "views": 0, "oldest": null, "sites": [] }))
    );
    fs::remove_file(goes.journal()).unwrap();
    all_applied(&first);
    first.stop();
    for site in SITES {
        assert_eq!(server.counts().total(site, ""), 1500, "{site}");
    }
}

#[test]
fn a_signal_ends_a_drain_and_what_it_has_not_applied_stays() {
    let server = Server::new(0, &LOGGING);
    let place = place(&server);
    let service = place.start();
    count(&service, "portal", 20);
    let stopped = service.stop();
    let line = stopped.err.lines().find(|line| line.contains("the store lacks the last views")).unwrap_or_default();
    assert!(line.contains("portal") && !line.contains("khoa") && line.contains("20") && line.contains("truycap journal drain"), "{line}");

    let drain = super::process::child::Process::spawn(place.command(&["journal", "drain"]));
    let held = format!("is held by process {}", drain.id());
    eventually("the drain has the journal", || place.run(&["journal", "status"]).err.contains(&held).then_some(()));
    drain.signal("TERM");
    let ended = drain.wait(Duration::from_secs(10));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("20 views"), "{}", ended.err);
    assert_eq!((status(&place).0, &status(&place).1["views"]), (Some(3), &json!(20)));
}

#[test]
fn a_journal_that_does_not_exist_is_an_error_and_is_not_made() {
    let place = place(&Server::start(&[]));
    for arguments in [["journal", "status"], ["journal", "drain"]] {
        let finished = place.run(&arguments);
        assert_eq!((finished.code, finished.out.as_str()), (Some(1), ""), "{finished:?}");
        assert!(finished.err.contains("there is no journal"), "{}", finished.err);
    }
    assert!(files(&place.path(".")).is_empty());
}
