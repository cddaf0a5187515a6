//! Imports that are killed, and imports beside each other.

use std::{fmt::Write as _, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    figures::store,
    process::{Place, child::Process, eventually},
};

const CHUNKS: i64 = 120;

/// Sixty thousand rows, no two chunks of which add the same.
fn rows() -> String {
    let mut text = "site,article,period,views\n".to_owned();
    for row in 0..CHUNKS * 500 {
        let article = if row % 3 == 0 { String::new() } else { format!("/tin/{}", row % 500) };
        writeln!(text, "portal,{article},{}-{:02}-{:02},{}", 2010 + row % 10, row % 12 + 1, row % 28 + 1, row + 1).unwrap();
    }
    text
}

/// What the store of a place holds after one import that nothing disturbs.
fn undisturbed(rows: &str) -> String {
    let place = Place::new();
    let file = place.write("rows.csv", rows);
    assert_eq!(place.ok(&["import", &file]), format!("{file}: imported 60000 rows\n"));
    let export = place.ok(&["export"]);
    let sum: i64 = (0..CHUNKS * 500).filter(|row| row % 3 == 0).map(|row| row + 1).sum();
    assert!(export.contains(&format!("portal,,total,{sum}\n")), "{sum}");
    export
}

/// How many chunks the store holds; none before there is one.
fn chunks(place: &Place) -> i64 {
    if !place.path("data/truycap.db").exists() {
        return 0;
    }
    // The tables may not be there yet.
    store(place).query_row("SELECT coalesce(sum(offset), 0) FROM offsets", (), |row| row.get(0)).unwrap_or(0)
}

#[test]
fn an_import_that_is_killed_at_any_moment_and_run_again_counts_each_row_once() {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (rows, place) = (rows(), Place::new());
    let expected = undisturbed(&rows);
    let file = place.write("rows.csv", &rows);
    let import = || Process::spawn(place.command(&["import", &file]));

    // Once before anything is applied, and then after some chunks and a moment that no commit is in step with.
    let process = import();
    std::thread::sleep(Duration::from_micros(random.random_range(0..20_000)));
    process.kill();
    let mut known = chunks(&place);
    for _ in 0..9 {
        let target = known + random.random_range(1..=5);
        let process = import();
        eventually("some chunks", || (chunks(&place) >= target).then_some(()));
        std::thread::sleep(Duration::from_micros(random.random_range(0..5000)));
        process.kill();
        let now = chunks(&place);
        assert!(target <= now && now < CHUNKS, "killed in the middle: {now} of {CHUNKS}");
        known = now;
    }
    let left = CHUNKS - known;
    let told = place.ok(&["import", &file]);
    assert_eq!(told, format!("{file}: imported 60000 rows: {left} of {CHUNKS} chunks now, the others before\n"));
    assert!(place.ok(&["export"]) == expected, "other counters than those of one undisturbed import");
    assert_eq!(place.ok(&["import", &file]), format!("{file}: was already imported, nothing was added\n"));
}

#[test]
fn two_imports_of_the_same_file_at_once_count_each_row_once() {
    let (rows, place) = (rows(), Place::new());
    let expected = undisturbed(&rows);
    let file = place.write("rows.csv", &rows);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| place.ok(&["import", &file]));
        }
    });
    assert!(place.ok(&["export"]) == expected, "other counters than those of one import");
}
