//! Files to import.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::Path,
};

use bolero::check;
use chrono::NaiveDate;
use tempfile::TempDir;
use truycap::{
    domain::{retention::Retention, site::SiteId},
    store::memory::MemoryStore,
    transfer::{CheckError, Checked, Dialect, Mistakes, Reading, check as read, export, import},
};

use crate::{clock::now, panics};

fn sites() -> BTreeSet<SiteId> {
    ["portal", "press"].map(|id| SiteId::parse(id).unwrap()).into()
}

fn today() -> NaiveDate {
    now().date_naive()
}

/// The counters of an empty store after an import, as CSV.
async fn counters(checked: &Checked) -> Vec<u8> {
    let store = MemoryStore::new(Retention::default(), now);
    import(&store, checked, now(), "", |_, _| {}).await.unwrap();
    let (mut out, sites) = (Vec::new(), sites().into_iter().collect::<Vec<_>>());
    export(&store, &sites, Dialect::Plain, &mut out, |_| {}).await.unwrap();
    out
}

fn checked(path: &Path, bytes: &[u8]) -> Result<Checked, CheckError> {
    fs::write(path, bytes).unwrap();
    let sites = sites().into_iter().map(|site| (site, chrono_tz::Tz::UTC)).collect();
    let reading = Reading { sites, site: None, format: None, until: None, today: today() };
    read(path, File::open(path).unwrap(), &reading, |_, _| {})
}

/// Whether a file is decoded before it is split into lines.
fn is_encoded(bytes: &[u8]) -> bool {
    [&[0x1f, 0x8b][..], &[0xff, 0xfe], &[0xfe, 0xff]].iter().any(|mark| bytes.starts_with(mark))
}

/// A line is wrong in its file exactly if it is wrong alone. Only sums depend on several lines.
fn check_each_line_alone(path: &Path, lines: &[&[u8]], mistakes: &Mistakes) {
    // Lines that are not UTF-8 have one mistake together, and lines before the header change what follows.
    let depends_on_others =
        |line: &&[u8]| str::from_utf8(line).is_err() || line.starts_with(b"#") || line.to_ascii_lowercase().starts_with(b"sep=");
    let Some(header) = lines.iter().position(|line| !matches!(line, [] | [b'\r'])).filter(|_| !lines.iter().any(depends_on_others)) else {
        return;
    };
    let is_wrong = |at: usize| mistakes.named.iter().any(|mistake| mistake.line == at as u64 + 1);
    if is_wrong(header) || mistakes.more > 0 || mistakes.named.iter().any(|mistake| mistake.what.contains("sum up")) {
        return;
    }
    for (at, line) in lines.iter().enumerate().skip(header + 1).take(8) {
        let alone = checked(path, &[lines[header], *line].join(&b"\n"[..]));
        assert_eq!(alone.is_err(), is_wrong(at), "line {}", at + 1);
    }
}

#[test]
fn a_file_is_imported_and_exported_unchanged_or_its_mistakes_have_line_numbers() {
    let (dir, runtime) = (TempDir::new().unwrap(), panics::runtime());
    let path = dir.path().join("a.csv");
    check!(name = "csv").with_iterations(1000).for_each(|bytes: &[u8]| {
        let checked_once = match checked(&path, bytes) {
            Ok(checked) => checked,
            Err(CheckError::Mistakes { mistakes, .. }) => {
                let end = if bytes.contains(&b'\n') { b'\n' } else { b'\r' };
                let lines: Vec<&[u8]> = bytes.split(|byte| *byte == end).collect();
                assert!((1..=100).contains(&mistakes.named.len()));
                assert!(mistakes.named.is_sorted_by_key(|mistake| mistake.line));
                assert!(mistakes.named.iter().all(|mistake| (1..=lines.len() as u64).contains(&mistake.line) && !mistake.what.is_empty()));
                if end == b'\n' && !is_encoded(bytes) {
                    check_each_line_alone(&path, &lines, &mistakes);
                }
                return;
            }
            Err(CheckError::Unreadable { .. }) if is_encoded(bytes) => return,
            Err(other) => panic!("{other}"),
        };
        panics::block_on(&runtime, async {
            let exported = counters(&checked_once).await;
            let again = checked(&path, &exported).unwrap();
            assert_eq!(String::from_utf8(counters(&again).await), String::from_utf8(exported));
        });
    });
}
