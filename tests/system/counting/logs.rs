//! Access logs count exactly: read twice, rotated, compressed, and by imports that are killed.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;
use truycap_test_support::access_log::Traffic;

use super::{
    figures::store,
    process::{Place, child::Process, eventually, wait::PATIENCE},
};

/// A million requests take minutes to make and to compare.
fn requests() -> usize {
    if std::env::var_os("TRUYCAP_SOAK").is_some() { 1_000_000 } else { 50_000 }
}

/// The export of a store that has the true views from a CSV file.
fn truth(traffic: &Traffic) -> String {
    let place = Place::new();
    place.ok(&["import", &place.write("truth.csv", traffic.as_csv("portal"))]);
    place.ok(&["export"])
}

/// The traffic's own pages are of two origins of the site.
fn place() -> Place {
    Place::new().with("SITES", r#"[{ id = "portal", origins = ["https://portal.example.vn", "http://portal.example.vn:8080"] }]"#)
}

fn import(place: &Place, files: &[&str]) -> Vec<Value> {
    let options = ["import", "--format", "combined", "--site", "portal", "--json"];
    let printed = place.ok(&[&options[..], files].concat());
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn lines(summary: &Value) -> u64 {
    summary["lines"].as_u64().unwrap()
}

#[test]
fn a_week_of_an_access_log_has_the_true_counts_also_if_it_is_read_again_or_compressed() {
    let traffic = Traffic::week(requests(), 11);
    let (place, log) = (place(), traffic.combined());
    let file = place.write("access.log", &log);
    let started = Instant::now();
    let summary = import(&place, &[&file]).remove(0);
    let size = log.len() >> 20;
    eprintln!("{} lines, {size} MiB: {:?}", traffic.entries.len(), started.elapsed());
    assert_eq!((lines(&summary), summary["views"].as_u64()), (traffic.entries.len() as u64, Some(traffic.total())));
    assert_eq!(summary["visits"]["total"], traffic.all_visits());
    for (reason, count) in &traffic.left_out {
        assert_eq!(summary["left_out"][reason]["lines"], *count, "{reason}");
    }
    assert_eq!((&summary["first_day"], &summary["last_day"]), (&"2026-10-28".into(), &"2026-11-03".into()));
    assert_eq!(summary["undo"], "truycap undo portal 1");
    let expected = truth(&traffic);
    assert!(place.ok(&["export"]) == expected, "other counters than the true ones");

    assert!(Command::new("gzip").arg("-k").arg(&file).status().unwrap().success());
    let [again, compressed] = [&file, &format!("{file}.gz")].map(|file| import(&place, &[file]).remove(0));
    assert_eq!((lines(&again), lines(&compressed)), (0, 0));
    assert!(place.ok(&["export"]) == expected);
}

/// How many bytes of logs the store has counted; 0 before it exists.
fn counted(place: &Place) -> u64 {
    if !place.path("data/truycap.db").exists() {
        return 0;
    }
    // The tables can still be missing.
    let sum: i64 = store(place).query_row("SELECT coalesce(sum(seq), 0) FROM offsets", (), |row| row.get(0)).unwrap_or(0);
    sum.cast_unsigned()
}

#[test]
fn an_import_of_a_growing_log_that_is_killed_ten_times_and_rotated_counts_each_line_once() {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let traffic = Traffic::week(requests(), seed);
    let (place, log) = (place(), traffic.combined());
    let after_line = |at: usize| log[..at].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    let rotated = after_line(log.len() * 2 / 3);
    // The first copy ends within a line.
    let file = place.write("access.log", &log[..log.len() / 3]);
    let old = place.path("access.log.1").to_str().unwrap().to_owned();
    let (mut known, mut within) = (0, 0);
    for kill in 0..10 {
        match kill {
            3 => fs::write(&file, &log[..rotated]).unwrap(),
            6 => {
                fs::rename(&file, &old).unwrap();
                fs::write(&file, &log[rotated..]).unwrap();
            }
            _ => {}
        }
        let files = if kill < 6 { vec![&*file] } else { vec![&*file, &*old] };
        let mut import = Process::spawn(place.command(&[&["import", "--format", "combined", "--site", "portal"], &files[..]].concat()));
        if kill % 3 == 0 {
            thread::sleep(Duration::from_micros(random.random_range(0..40_000)));
        } else {
            eventually("a step is made, or nothing is left", || (counted(&place) > known || import.has_ended()).then_some(()));
            thread::sleep(Duration::from_micros(random.random_range(0..3000)));
        }
        within += usize::from(!import.has_ended());
        import.kill();
        known = counted(&place);
    }
    eprintln!("{within} imports were killed before their end, at {known} of {} bytes", log.len());
    assert!(within >= 3);
    import(&place, &[&file, &old]);
    assert_eq!(counted(&place), log.len() as u64);
    assert!(place.ok(&["export"]) == truth(&traffic), "other counters than the true ones");
    assert_eq!(import(&place, &[&old, &file]).iter().map(lines).sum::<u64>(), 0);
}

#[test]
fn a_log_on_standard_input_counts_and_a_dry_run_makes_no_store() {
    let traffic = Traffic::week(2000, 12);
    let place = place();
    let file = place.write("access.log", traffic.combined());
    let printed = place.ok(&["import", "--dry-run", "--site", "portal", "--until", "2026-11-01", &file]);
    assert!(
        printed.contains("would be added to site portal") && printed.contains("2026-10-31") && !printed.contains("2026-11"),
        "{printed}"
    );
    assert!(printed.contains("left out: not before --until"), "{printed}");
    assert!(!place.path("data").exists(), "a dry run made files");

    let mut cat = Command::new("gzip").args(["-c", &file]).stdout(Stdio::piped()).spawn().unwrap();
    let mut command = place.command(&["import", "--format", "combined", "--site", "portal", "--json", "-"]);
    command.stdin(cat.stdout.take().unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let finished = Process::new(command.spawn().unwrap()).wait(PATIENCE);
    assert!(cat.wait().unwrap().success());
    assert_eq!((finished.code, &*finished.err), (Some(0), ""));
    let summary: Value = serde_json::from_str(&finished.out).unwrap();
    assert_eq!(summary["views"], traffic.total());
    assert!(place.ok(&["export"]) == truth(&traffic));
    // The format is found by the first lines.
    let again = place.ok(&["import", "--site", "portal", &file]);
    assert_eq!(again.lines().next().unwrap(), format!("{file}: combined: was already imported, nothing was added"));
}

#[test]
fn a_wrong_file_says_what_it_is() {
    let place = place();
    let log = place.write("access.log", Traffic::week(300, 13).combined());
    let csv = place.write("past.csv", "site,article,period,views\nportal,,2019,5\n");
    let failed = |arguments: &[&str]| {
        let finished = place.run(&[&["import"], arguments].concat());
        assert_eq!((finished.code, &*finished.out), (Some(1), ""));
        finished.err
    };
    assert!(failed(&[&log]).contains("an access log does not name its site: add --site ID; configured: portal"));
    assert!(failed(&["--site", "nope", &log]).contains("there is no site \"nope\"; configured: portal"));
    let error = failed(&["--site", "portal", "--format", "combined", &csv, &log]);
    assert!(
        error.contains("nothing was imported: 2 of 2 lines are not in the format combined") && error.contains("without --format"),
        "{error}"
    );
    assert!(failed(&["--site", "portal", "--format", "w3c", &log]).contains("use --format combined"));
    assert!(!place.path("data/truycap.db").exists());
    let missing = place.path("missing.log").to_str().unwrap().to_owned();
    assert!(failed(&["--site", "portal", "--format", "combined", &missing]).contains("No such file"));
    let pattern = place.run(&["import", "--format", "combined", "--site", "portal", "--not-pages", "(", &log]);
    assert!(pattern.code == Some(2) && pattern.err.contains("is not a regular expression"), "{}", pattern.err);
}

#[test]
fn a_log_that_is_still_empty_leaves_the_format_to_the_next_file() {
    let traffic = Traffic::week(300, 14);
    let place = place();
    let (empty, log) = (place.write("access.log", ""), place.write("access.log.1", traffic.combined()));
    let printed = place.ok(&["import", "--site", "portal", &empty, &log]);
    assert!(printed.starts_with(&format!("{empty}: has no complete line yet\n{log}: combined: ")), "{printed}");
    assert!(place.ok(&["export"]) == truth(&traffic));
}

#[test]
fn a_log_that_is_refused_does_not_keep_others_from_being_imported() {
    let (traffic, other) = (Traffic::week(300, 15), Traffic::week(300, 16));
    let place = place();
    let log = traffic.combined();
    let file = place.write("a.log", &log);
    import(&place, &[&file]);
    place.write("a.log", &log[..log.len() / 2]);
    let good = place.write("b.log", other.combined());
    let finished = place.run(&["import", "--site", "portal", &file, &good]);
    assert_eq!(finished.code, Some(1));
    assert!(finished.err.contains(&format!("{file}: it has ")), "{}", finished.err);
    assert!(finished.out.starts_with(&format!("{good}: combined: {} views", other.total())), "{}", finished.out);
}

#[test]
fn the_site_of_a_file_can_be_an_alias() {
    let mut place = place();
    place.environment.remove("TRUYCAP_SITES");
    place.write("truycap.toml", "[[sites]]\nid = \"portal\"\naliases = [\"khoa\"]\norigins = [\"https://portal.example.vn\"]\n");
    let csv = place.write("past.csv", "article,period,views\n,2019,5\n");
    let log = place.write("access.log", Traffic::week(300, 17).combined());
    for file in [&csv, &log] {
        let printed = place.ok(&["import", "--config", "truycap.toml", "--site", "khoa", file]);
        assert!(printed.contains("truycap undo portal"), "{printed}");
    }
}
