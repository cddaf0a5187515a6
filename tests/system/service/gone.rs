//! Files that are deleted: under the running service, and before a command.

use std::{fs, time::Duration};

use super::{
    counts::Counts,
    files::place,
    load::{Load, pages},
    process::{Place, child::Process, eventually},
};

/// A place where a service has counted a view and was stopped, and whose store's file was then deleted.
fn without_store() -> Place {
    let place = place();
    let service = place.start();
    service.count("portal", "/1");
    service.stop();
    fs::remove_file(place.store()).unwrap();
    place
}

#[test]
fn a_journal_that_is_deleted_under_load_ends_the_service_and_what_was_acknowledged_is_in_the_store() {
    // With an interval of ten seconds, the views are not yet applied when the file goes.
    let place = place().with("STORE__FLUSH_INTERVAL", "10s");
    let service = place.start();
    let load = Load::start(4, pages(12, ""), Duration::ZERO);
    load.aim(Some(&service.public));
    load.wait_for(500);
    fs::remove_file(place.journal()).unwrap();
    let finished = service.process.wait(Duration::from_secs(15));
    assert_eq!(finished.code, Some(1), "{}", finished.err);
    assert!(finished.err.contains("the journal's file is gone"), "{}", finished.err);
    assert!(!finished.err.contains("are lost") && !finished.err.contains("nothing is lost"), "{}", finished.err);
    let tally = load.finish();
    Counts::exported(&place).fit(&tally);
}

#[test]
fn a_drain_whose_journal_is_deleted_still_tries_to_apply_what_it_holds() {
    // A Redis that is not running, so that what the drain holds cannot be applied.
    let place = place().with("STORE__URL", "redis://127.0.0.1:1/0");
    let service = place.start_unready();
    for _ in 0..2 {
        assert!(service.client().view("portal", "/1").unwrap().counted());
    }
    service.process.kill();
    let drain = Process::spawn(place.command(&["journal", "drain"]));
    eventually("the drain has opened the journal and asked the store", || drain.log().contains("store_unreachable").then_some(()));
    fs::remove_file(place.journal()).unwrap();
    let finished = drain.wait(Duration::from_secs(20));
    assert_eq!(finished.code, Some(1), "{}", finished.err);
    let lost = finished.err.find("the last views of these sites are lost").filter(|_| finished.err.contains("views=2"));
    assert!(finished.err.find("the journal's file is gone").is_some_and(|gone| lost.is_some_and(|lost| gone < lost)), "{}", finished.err);
}

#[test]
fn check_and_import_do_not_make_a_store_that_the_journal_misses() {
    let place = without_store();
    let file = place.write("past.csv", "site,article,period,views\nportal,/1,2025,7\n");
    for arguments in [vec!["check"], vec!["check", "--full"], vec!["import", &file]] {
        let finished = place.run(&arguments);
        assert_eq!(finished.code, Some(1), "{arguments:?}: {}", finished.err);
        let (store, journal) = (place.store().display().to_string(), place.journal().display().to_string());
        let expected = format!("the store's file {store} is missing although views of the journal {journal} were applied to a store");
        assert!(finished.err.contains(&expected), "{}", finished.err);
        assert!(!place.store().exists(), "{arguments:?} made the store");
    }
    // Without the journal, it is a new place.
    fs::remove_file(place.journal()).unwrap();
    place.ok(&["import", &file]);
    assert!(place.ok(&["check", "--full"]).contains("truycap.db can be used"));
}

#[test]
fn check_does_not_make_the_store_of_a_running_service() {
    let place = place();
    let service = place.start();
    service.count("portal", "/1");
    fs::remove_file(place.store()).unwrap();
    let check = place.run(&["check"]);
    assert_eq!(check.code, Some(1), "{}", check.err);
    assert!(check.err.contains("is missing although truycap is running") && !place.store().exists(), "{}", check.err);
    service.process.kill();
}
