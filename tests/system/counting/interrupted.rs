//! Imports that are killed, and concurrent imports of one file.

use std::{fmt::Write as _, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    figures::store,
    process::{Place, child::Process, eventually},
};

const CHUNKS: i64 = 60;

/// 60 000 rows; no two chunks add the same counts.
fn rows() -> String {
    let mut text = "site,article,period,views\n".to_owned();
    for row in 0..CHUNKS * 1000 {
        let article = if row % 3 == 0 { String::new() } else { format!("/tin/{}", row % 1000) };
        writeln!(text, "portal,{article},{}-{:02}-{:02},{}", 2010 + row % 10, row % 12 + 1, row % 28 + 1, row + 1).unwrap();
    }
    text
}

/// The export of a store after one import without interruption.
fn uninterrupted(rows: &str) -> String {
    let place = Place::new();
    let file = place.write("rows.csv", rows);
    let summary = place.ok(&["import", &file]);
    assert!(summary.starts_with(&format!("{file}: imported 60000 rows\n  portal: +")), "{summary}");
    assert!(summary.ends_with("\n  to take it back: truycap undo portal 1\n"), "{summary}");
    let export = place.ok(&["export"]);
    let sum: i64 = (0..CHUNKS * 1000).filter(|row| row % 3 == 0).map(|row| row + 1).sum();
    assert!(export.contains(&format!("portal,,total,{sum}\n")), "{sum}");
    export
}

/// The number of chunks in the store; 0 before the store exists.
fn chunks(place: &Place) -> i64 {
    if !place.path("data/truycap.db").exists() {
        return 0;
    }
    // The tables can still be missing.
    store(place).query_row("SELECT coalesce(sum(seq), 0) FROM offsets", (), |row| row.get(0)).unwrap_or(0)
}

#[test]
fn an_import_that_is_killed_at_any_moment_and_run_again_counts_each_row_once() {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (rows, place) = (rows(), Place::new());
    let expected = uninterrupted(&rows);
    let file = place.write("rows.csv", &rows);
    let import = || Process::spawn(place.command(&["import", &file]));

    // The first kill comes within 20 ms of the start, each later one after a few chunks and a random delay.
    let process = import();
    std::thread::sleep(Duration::from_micros(random.random_range(0..20_000)));
    process.kill();
    let mut known = chunks(&place);
    for _ in 0..9 {
        let target = known + random.random_range(1..=5);
        let process = import();
        eventually("a few chunks are applied", || (chunks(&place) >= target).then_some(()));
        std::thread::sleep(Duration::from_micros(random.random_range(0..5000)));
        process.kill();
        let now = chunks(&place);
        assert!(target <= now && now < CHUNKS, "killed in the middle: {now} of {CHUNKS}");
        known = now;
    }
    let left = CHUNKS - known;
    let report = place.ok(&["import", &file]);
    assert!(report.starts_with(&format!("{file}: imported 60000 rows: {left} of {CHUNKS} chunks now, the others before\n")), "{report}");
    assert!(report.ends_with("\n  to take it back: truycap undo portal 1\n"), "one import, however often it was killed: {report}");
    assert!(place.ok(&["export"]) == expected, "other counters than those of one import without interruption");
    assert_eq!(place.ok(&["import", &file]), format!("{file}: was already imported, nothing was added\n"));
}

#[test]
fn two_imports_of_the_same_file_at_once_count_each_row_once() {
    let (rows, place) = (rows(), Place::new());
    let expected = uninterrupted(&rows);
    let file = place.write("rows.csv", &rows);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| place.ok(&["import", &file]));
        }
    });
    assert!(place.ok(&["export"]) == expected, "other counters than those of one import");
}
