//! Moves from the built-in store to Redis.

use super::{
    load::Tally,
    process::{Place, child::Process, wait::PATIENCE},
    redis_server::Server,
    setup::{LOGGING, all_acknowledged, load, place},
    sites::{SITES, sites},
};

/// Counts views with the built-in store; returns the tally, the place and a file with the export.
fn embedded() -> (Tally, Place, String) {
    let place = sites();
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(200);
    let tally = load.finish();
    service.stop();
    let file = place.write("views.csv", place.ok(&["export"]));
    (tally, place, file)
}

/// The output of `truycap figures` for each site, and for an article of it.
fn figures(place: &Place) -> Vec<String> {
    SITES.into_iter().flat_map(|site| [place.ok(&["figures", site]), place.ok(&["figures", site, "--article", "/1"])]).collect()
}

#[test]
fn an_export_of_the_built_in_store_is_imported_into_redis_and_counting_continues() {
    let (first, embedded, file) = embedded();
    let server = Server::start(&[]);
    let place = place(&server);
    place.ok(&["import", &file]);
    assert_eq!(place.ok(&["export"]), embedded.ok(&["export"]));
    assert_eq!(figures(&place), figures(&embedded));
    server.counts().fit(&first);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(200);
    let second = load.finish();
    all_acknowledged(&second);
    service.settle(&place, &server, &first.and(&second));
}

#[test]
fn an_import_into_redis_is_exact_while_views_are_counted_and_redis_is_killed() {
    let (first, _embedded, file) = embedded();
    let mut server = Server::start(&LOGGING);
    let place = place(&server);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(50);
    let import = Process::spawn(place.command(&["import", &file]));
    server.crash();
    load.wait_for(50);
    server.restart();
    let finished = import.wait(PATIENCE);
    assert_eq!(finished.code, Some(0), "{}", finished.err);
    // A second import of the same file adds nothing.
    place.ok(&["import", &file]);
    load.wait_for(50);
    let second = load.finish();
    all_acknowledged(&second);
    let tally = first.and(&second);
    server.wait_for("the imported and the new views are in Redis", &tally);
    service.wait_for_views(&tally);
    service.settle(&place, &server, &tally);
}
