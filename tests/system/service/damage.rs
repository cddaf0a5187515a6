//! Damaged or foreign files: the service refuses them and does not change them.

use std::{fs, os::unix::fs::FileExt, path::Path};

use super::{
    files::place,
    process::{Place, child::Finished},
};

/// A place where a service has counted 50 views and was stopped.
fn used() -> Place {
    let place = place();
    let service = place.start();
    for number in 0..50 {
        service.count("portal", &format!("/{number}"));
    }
    service.stop();
    place
}

fn overwrite(path: &Path, from: u64, to: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(&vec![0xA5; usize::try_from(to - from).unwrap()], from).unwrap();
}

/// Starts the service, which must refuse the file, name it, and not change it.
#[track_caller]
fn refuses(place: &Place, path: &Path) -> Finished {
    let before = fs::read(path).unwrap();
    let finished = place.run(&["serve"]);
    assert_eq!(finished.code, Some(1), "{}", finished.err);
    assert!(finished.err.contains(&path.display().to_string()), "{}", finished.err);
    assert!(fs::read(path).unwrap() == before, "{} was changed", path.display());
    finished
}

#[test]
fn a_journal_whose_beginning_was_overwritten_is_refused_and_left_unchanged() {
    let place = used();
    overwrite(&place.journal(), 0, 100);
    let finished = refuses(&place, &place.journal());
    assert!(finished.err.contains("move both aside"), "{}", finished.err);
}

#[test]
fn a_journal_whose_entries_were_overwritten_is_refused_and_left_unchanged() {
    let place = used();
    let length = fs::metadata(place.journal()).unwrap().len();
    overwrite(&place.journal(), 4096, length);
    let finished = refuses(&place, &place.journal());
    assert!(finished.err.contains("move both aside"), "{}", finished.err);
}

#[test]
fn a_store_that_is_not_sqlite_is_refused_and_left_unchanged() {
    let place = used();
    fs::write(place.store(), "This is a letter to the governor, and not a database.\n".repeat(200)).unwrap();
    let finished = refuses(&place, &place.store());
    assert!(finished.err.contains("it is not an SQLite file"), "{}", finished.err);
}

#[test]
fn a_database_of_another_program_is_refused_as_journal_and_as_store() {
    let place = place();
    for path in [&place.journal(), &place.store()] {
        let foreign = rusqlite::Connection::open(path).unwrap();
        foreign.execute_batch("CREATE TABLE letters (text TEXT); INSERT INTO letters VALUES ('dear')").unwrap();
        drop(foreign);
        refuses(&place, path);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn check_finds_damage_among_the_counters_of_the_store() {
    let place = used();
    assert!(place.ok(&["check"]).contains("truycap.db can be used"));
    // The last page has counters, which are read only on request.
    let length = fs::metadata(place.store()).unwrap().len();
    overwrite(&place.store(), length - 4096, length);
    let check = place.run(&["check"]);
    assert_eq!(check.code, Some(1), "{}", check.out);
    let store = place.store().display().to_string();
    assert!(check.err.contains(&store) && check.err.contains("damaged") && !check.out.contains("truycap.db can be used"), "{check:?}");
}

#[test]
fn check_reports_damage_to_both_journal_and_store() {
    let place = place();
    for path in [place.journal(), place.store()] {
        fs::write(path, "This is a letter to the governor, and not a database.\n".repeat(200)).unwrap();
    }
    let check = place.run(&["check"]);
    assert_eq!(check.code, Some(1), "{}", check.out);
    for path in [place.journal(), place.store()] {
        assert!(check.err.contains(&path.display().to_string()), "{}", check.err);
    }
}
