//! Copies of one journal, as with the image of a machine or a cloned volume, that all go on with one Redis.

use std::{fs, path::Path};

use super::{
    counts::{Counts, total},
    load::Tally,
    process::{Place, Service, eventually},
    redis_server::Server,
    setup::{LOGGING, SocketLink, all_acknowledged, load},
    sites::SITES,
};

/// A place with a copy of another one's journal, which is not written to meanwhile.
fn copy(original: &Place, link: &SocketLink) -> Place {
    let place = link.another_place();
    let log = |journal: &Path| format!("{}-wal", journal.display());
    fs::create_dir_all(place.journal().parent().unwrap()).unwrap();
    fs::copy(original.journal(), place.journal()).unwrap();
    if Path::new(&log(&original.journal())).exists() {
        fs::copy(log(&original.journal()), log(&place.journal())).unwrap();
    }
    place
}

/// Counts some views, and returns those that were sent.
fn count(service: &Service, ending: &str) -> Tally {
    let load = load(service, ending);
    load.wait_for(150);
    let tally = load.finish();
    all_acknowledged(&tally);
    tally
}

/// Waits until Redis has exactly these views.
fn has(server: &Server, tally: &Tally) {
    server.wait_for("all views are in Redis", tally);
    server.counts().fit(tally);
}

#[test]
fn copies_of_a_journal_with_views_that_wait_count_each_view_once_whichever_starts_first() {
    for first in 0..2 {
        let server = Server::start(&LOGGING);
        let (link, original) = SocketLink::place(&server);
        let service = original.start();
        let mut tally = count(&service, "-applied");
        has(&server, &tally);
        link.cut(&server);
        tally = tally.and(&count(&service, "-waiting"));
        service.process.kill();
        let places = [copy(&original, &link), copy(&original, &link), original];
        // Views that only one of the copies has, before it first reaches Redis.
        let service = places[first].start_unready();
        tally = tally.and(&count(&service, "-alone"));
        service.process.kill();
        link.point_to(&server);
        let services = [&places[first], &places[1 - first]].map(Place::start);
        for service in &services {
            tally = tally.and(&count(service, "-both"));
        }
        has(&server, &tally);
        // The third copy starts when the others have gone on for a long time.
        let late = places[2].start();
        tally = tally.and(&count(&late, "-late"));
        has(&server, &tally);
        for site in SITES {
            eventually("each shows all views", || {
                let shown = services.iter().chain([&late]).all(|service| total(service, site, "") == tally.of(site, "").acknowledged);
                shown.then_some(())
            });
        }
        for service in services.into_iter().chain([late]) {
            let log = service.stop().err;
            assert!(!log.contains("ERROR"), "{log}");
        }
        let counts = Counts::exported(&places[0]);
        counts.fit(&tally);
        assert_eq!(counts, server.counts());
    }
}

#[test]
fn a_copy_that_is_made_while_the_original_runs_and_the_original_count_each_view_once() {
    let server = Server::start(&LOGGING);
    let (link, original) = SocketLink::place(&server);
    let service = original.start();
    let mut tally = count(&service, "");
    has(&server, &tally);
    link.cut(&server);
    tally = tally.and(&count(&service, "-waiting"));
    // No view arrives while the files are copied.
    let copied = copy(&original, &link);
    tally = tally.and(&count(&service, "-original"));
    link.point_to(&server);
    has(&server, &tally);
    let second = copied.start();
    tally = tally.and(&count(&second, "-copy"));
    tally = tally.and(&count(&service, "-original"));
    has(&server, &tally);
    // Also if both start again, weeks later: all earlier entries of either are known.
    service.stop();
    let log = second.stop().err;
    assert!(log.contains("the journal is a copy"), "{log}");
    let [service, second] = [&original, &copied].map(Place::start);
    tally = tally.and(&count(&service, "-again")).and(&count(&second, "-again"));
    has(&server, &tally);
    let logs = [service, second].map(|service| service.stop().err);
    assert!(logs.iter().all(|log| !log.contains("ERROR")), "{logs:?}");
}
