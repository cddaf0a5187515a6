//! Files that are deleted: under the running service, and before a command.

use std::{fs, time::Duration};

use rusqlite::Connection;

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
fn a_drain_whose_journal_is_deleted_applies_what_it_holds() {
    let place = place().with("STORE__FLUSH_INTERVAL", "10s");
    let service = place.start();
    service.count("portal", "/1");
    service.count("portal", "/1");
    service.process.kill();
    let foreign = Connection::open(place.store()).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let drain = Process::spawn(place.command(&["journal", "drain"]));
    let held = format!("is held by process {}", drain.id());
    eventually("the drain has the journal", || place.run(&["journal", "status"]).err.contains(&held).then_some(()));
    fs::remove_file(place.journal()).unwrap();
    eventually("the drain notices it", || drain.log().contains("the journal's file is gone").then_some(()));
    foreign.execute_batch("ROLLBACK").unwrap();
    let finished = drain.wait(Duration::from_secs(10));
    assert!(finished.code == Some(1) && !finished.err.contains("are lost"), "{}", finished.err);
    assert_eq!(Counts::exported(&place).total("portal", "/1"), 2);
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
