//! Exports: importing one elsewhere gives the same counters.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader},
    process::Stdio,
};

use super::process::{Place, child::Process, wait::PATIENCE};

const SITES: &str = r#"[{ id = "portal", origins = ["https://a.example"] }, { id = "khoa-2", origins = ["https://b.example"] }]"#;

/// Ids that a CSV file, a spreadsheet or a shell can misread.
const AWKWARD: [&str; 12] = [
    "/a,b",
    "\"",
    "/say \"hello\", twice",
    "/tin-tức/Thống kê truy cập",
    "/🚣‍♀️",
    "=1+1",
    "@SUM(A1)",
    " leading and trailing ",
    "'",
    "\\n;\\t|",
    "-",
    "total",
];

#[test]
fn an_export_that_is_imported_elsewhere_exports_the_same_bytes() {
    let place = Place::new().with("SITES", SITES);
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["site", "article", "period", "views"]).unwrap();
    for (i, id) in AWKWARD.iter().enumerate() {
        csv.write_record(["portal", id, "2019-12-31", &(i + 1).to_string()]).unwrap();
        csv.write_record(["khoa-2", id, "2018", "9007199254740"]).unwrap();
    }
    csv.write_record(["portal", "", "", "6341529"]).unwrap();
    let file = place.write("awkward.csv", csv.into_inner().unwrap());
    place.ok(&["import", &file]);
    let service = place.start();
    for id in AWKWARD {
        let answer = service.count("portal", id);
        assert!(answer["articles"].get(id).is_some() || answer["stale"] == true, "{answer}");
    }
    service.views("khoa-2", "", 5);
    service.stop();

    let all = place.ok(&["export"]);
    let portal = place.ok(&["export", "--site", "portal"]);
    let khoa = place.ok(&["export", "--site", "khoa-2"]);
    let (header, rows) = khoa.split_once('\n').unwrap();
    // Sites are sorted by id.
    assert_eq!(all, format!("{header}\n{rows}{}", portal.split_once('\n').unwrap().1));
    let mut reader = csv::Reader::from_reader(portal.as_bytes());
    let totals = reader.records().map(Result::unwrap).filter(|row| &row[2] == "total");
    let totals: Vec<_> = totals.map(|row| (row[1].to_owned(), row[3].to_owned())).collect();
    assert_eq!(totals[0], (String::new(), (6_341_529 + AWKWARD.len()).to_string()));
    for (i, id) in AWKWARD.iter().enumerate() {
        assert!(totals.contains(&((*id).into(), (i + 2).to_string())), "{id}: {totals:?}");
    }

    let excel = place.ok(&["export", "--excel"]);
    assert!(excel.starts_with("\u{feff}site;article;bucket;views\n"), "{excel}");
    for (export, expected) in [(&all, &all), (&portal, &portal), (&excel, &all)] {
        let empty = Place::new().with("SITES", SITES);
        let file = empty.write("export.csv", export);
        empty.ok(&["import", &file]);
        assert_eq!(&empty.ok(&["export"]), expected);
    }
}

#[test]
fn an_export_ends_quietly_when_its_pipe_is_closed() {
    let place = Place::new();
    let mut text = "site,article,period,views\n".to_owned();
    for row in 0..20_000 {
        writeln!(text, "portal,/tin/{row},2018,1").unwrap();
    }
    place.ok(&["import", &place.write("long.csv", text)]);
    let mut child = place.command(&["export"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let process = Process::new(child);
    assert_eq!(lines.next().unwrap().unwrap(), "site,article,bucket,views");
    drop(lines);
    let finished = process.wait(PATIENCE);
    assert_eq!((finished.code, &*finished.err), (Some(0), ""));
}
