//! Files with mistakes, and the progress of an import.

use std::{fmt::Write as _, process::Command};

use super::process::{Place, place::program};

#[test]
fn a_file_with_mistakes_adds_nothing_and_each_mistake_is_reported_with_its_line() {
    let place = Place::new();
    let good = place.write("good.csv", "site,article,period,views\nportal,,2019,7\n");
    place.ok(&["import", &good]);
    let before = place.ok(&["export"]);
    let bad = "site,article,period,views\n\
        portal,,2019-12-31,5\n\
        portl,,2019,5\n\
        portal,,2019-02-29,5\n\
        portal,,2019-W05,5\n\
        portal,,2018,1.000\n\
        portal,/tin/1,2018,-1\n\
        portal,,2018\n\
        nowhere,,2018-13,many\n";
    let bad = place.write("bad.csv", bad);
    // A valid file before it is not added either.
    let other = place.write("other.csv", "site,article,period,views\nportal,,2018,7\n");
    let done = place.run(&["import", &other, &bad]);
    assert_eq!((done.code, &*done.out), (Some(1), ""));
    let named: Vec<_> = done.err.lines().filter_map(|line| line.trim().strip_prefix("line ")?.split_once(": ")).collect();
    let lines: Vec<_> = named.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, ["3", "4", "5", "6", "7", "8", "9", "9", "9"], "{}", done.err);
    for (at, word) in [(0, "\"portl\""), (1, "2019-02-29"), (2, "week"), (3, "1.000"), (4, "-1"), (5, "3 fields"), (6, "\"nowhere\"")] {
        assert!(named[at].1.contains(word), "{word}: {:?}", named[at]);
    }
    assert_eq!(place.ok(&["export"]), before);
}

#[test]
fn the_mistakes_of_all_files_are_reported_together() {
    let place = Place::new();
    let first = place.write("first.csv", "site,article,period,views\nportal,,2019-13,5\n");
    let second = place.write("second.csv", "site,article,period\n");
    let good = place.write("good.csv", "site,article,period,views\nportal,,2019,7\n");
    let missing = place.path("missing.csv").display().to_string();
    let done = place.run(&["import", &first, &good, &missing, &second]);
    assert_eq!((done.code, &*done.out), (Some(1), ""));
    let position = |file: &str| done.err.find(&format!("{file}: ")).unwrap_or_else(|| panic!("{file} is not in: {}", done.err));
    assert!(position(&first) < position(&missing) && position(&missing) < position(&second), "{}", done.err);
    assert!(done.err.contains("\"2019-13\"") && done.err.contains("missing columns: views") && !done.err.contains(&good), "{}", done.err);
}

#[test]
fn an_unknown_site_is_refused_and_the_configured_sites_are_listed() {
    let place = Place::new();
    let done = place.run(&["figures", "portl"]);
    assert_eq!((done.code, &*done.err), (Some(1), "truycap: there is no site \"portl\"; configured: portal\n"));
}

/// A file that is long enough to show progress.
fn long_file(place: &Place) -> String {
    let mut text = "site,article,period,views\n".to_owned();
    for row in 0..20_000 {
        writeln!(text, "portal,/tin/{},2019-12-{:02},1", row % 100, row % 28 + 1).unwrap();
    }
    place.write("long.csv", text)
}

fn summary(file: &str) -> String {
    format!(
        "{file}: imported 20000 rows\n  portal: articles +20000\n  warning: the file has views of articles of portal and none of the site, whose own figures stay as they are\n  to take it back: truycap undo portal 1\n"
    )
}

#[test]
fn an_import_shows_its_progress_on_a_terminal() {
    let place = Place::new();
    let file = long_file(&place);
    // `script` makes standard error a terminal. Standard output goes to a file, so only standard error is seen.
    let command = format!("stty cols 100; '{}' import '{file}' > out", program().display());
    let output = Command::new("script").args(["-qec", &command, "/dev/null"]).env("TERM", "xterm").current_dir(place.path("")).output();
    let output = output.unwrap();
    let seen = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{seen}");
    assert!(seen.contains("importing") && seen.contains('█') && seen.contains("KiB/"), "{seen:?}");
    assert_eq!(std::fs::read_to_string(place.path("out")).unwrap(), summary(&file));
}

#[test]
fn an_import_writes_nothing_to_standard_error_if_it_is_not_a_terminal() {
    let place = Place::new();
    let file = long_file(&place);
    // `ok` fails if anything is written to standard error.
    assert_eq!(place.ok(&["import", &file]), summary(&file));
}
