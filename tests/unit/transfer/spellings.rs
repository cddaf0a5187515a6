//! CSV as people and spreadsheets write it, and imports that are taken back.

use std::{fs::File, io::Write, sync::Arc};

use flate2::{Compression, write::GzEncoder};
use truycap::{
    store::Store,
    transfer::{Reading, check, corrections, import},
};
use truycap_test_support::faulty::{FaultyStore, StoreCall, StoreFaults};

use super::{Files, checked, counters_of, exported, import_file, memory, now, reading, site};

const PLAIN: &str = "site,article,period,views\nportal,/tin/1,2020-01-16,445\nportal,/tin/a;b,2019-12,3\nportal,,2020,7\n";

fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(bytes_of).collect()
}

#[tokio::test]
async fn a_file_counts_the_same_however_a_spreadsheet_writes_it() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(PLAIN.as_bytes()).unwrap();
    let semicolons =
        "Site; ARTICLE ;Period;Views;;\r\nportal;/tin/1;16/01/2020;445;;\r\n;;;;;\r\nportal;\"/tin/a;b\";12/2019;3\r\nportal;;2020;7;;\r\n";
    let texts = [
        semicolons.as_bytes().to_vec(),
        PLAIN.replace(',', "\t").into_bytes(),
        format!("sep=;\r\n{semicolons}").into_bytes(),
        format!("\u{feff}{PLAIN}").into_bytes(),
        PLAIN.replace('\n', "\r").into_bytes(),
        utf16(PLAIN, u16::to_le_bytes),
        utf16(PLAIN, u16::to_be_bytes),
        gzip.finish().unwrap(),
        PLAIN.replace("2020-01-16", "16.1.2020").into_bytes(),
        PLAIN.replace("/tin/1,", "https://portal.example/tin/1/?utm=x#top,").into_bytes(),
    ];
    let expected = counters_of(PLAIN).await;
    assert!(expected.contains("portal,/tin/1,2020-01-16,445\n") || expected.contains("portal,/tin/1,2020,445\n"), "{expected}");
    for text in texts {
        let shown = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(counters_of(text).await, expected, "{shown:?}");
    }
}

#[test]
fn what_cannot_be_read_says_what_to_write() {
    let files = Files::new();
    let row = |row: &str| format!("site,article,period,views\n{row}\n").into_bytes();
    let table = [
        (row("portal,,Nov-26,5"), "write the month as 2026-11"),
        (row("portal,,43831,5"), "Excel has changed it into a date"),
        (row("portal,,01/16/2020,5"), "the day comes first: write 2020-01-16"),
        (row("portal,,1/2/20,5"), "write the year with four digits"),
        (row("portal,,2020,\"1,234\""), "without separators"),
        (row("portal,\"/tin/a\\\"b\",2020,5"), "text follows a closing quote"),
        (row("portal,,2020,\"1\"000"), "text follows a closing quote"),
        (row("portal,/tin/a\"b,2020,5"), "put the field into quotes"),
        (b"PK\x03\x04 xl/workbook.xml".to_vec(), "this is an Excel workbook"),
        (b"<!DOCTYPE html><title>login</title>".to_vec(), "this is a page"),
        (b"-- MySQL dump 10.13\nCREATE TABLE x (y int);\n".to_vec(), "this is a dump of a database"),
        (b"x,y\n/tin/1,5\n".to_vec(), "this is an export of Umami"),
        (b"site,article,period,views\nportal,/t\xecn,2020,5\nportal,/\xec,2020,5\n".to_vec(), "not UTF-8, perhaps Windows-1258"),
        (Vec::new(), "the file is empty"),
    ];
    for (bytes, expected) in table {
        let error = checked(&files.write("a.csv", &bytes)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("because of 1 mistake"), "{expected:?}: {error}");
    }
}

#[tokio::test]
async fn views_from_a_day_on_are_left_out() {
    let (files, store) = (Files::new(), memory());
    let reading = Reading { until: Some("2020-01-16".parse().unwrap()), ..reading() };
    let file = files.write("a.csv", "site,article,period,views\nportal,,2020-01-15,3\nportal,,2020-01-16,5\nportal,,2019,7\n");
    let file = check(&file, File::open(&file).unwrap(), &reading, |_, _| {}).unwrap();
    let summary = import(&store, &file, now(), "", |_, _| {}).await.unwrap();
    assert!(summary.to_string().contains("left out: 1 row from --until on"), "{summary}");
    assert!(exported(&store).await.contains("portal,,total,10\n"));
    let month = files.write("b.csv", "site,article,period,views\nportal,,2020-01,3\n");
    let error = check(&month, File::open(&month).unwrap(), &reading, |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("has days from 2020-01-16 on"), "{error}");
    // The same file with another --until is another set of rows.
    let error = import_file(&store, &files.write("a.csv", std::fs::read(files.0.path().join("a.csv")).unwrap())).await.unwrap_err();
    assert!(error.to_string().contains("with another --until"), "{error}");
}

#[tokio::test]
async fn a_file_that_was_taken_back_can_be_imported_again() {
    let (files, store) = (Files::new(), memory());
    let file = files.write("a.csv", PLAIN);
    let order = corrections::Order { store: &store, at: now(), reason: "", dry_run: false };
    for round in 0..3 {
        let summary = import_file(&store, &file).await.unwrap();
        let number = 2 * round + 1;
        assert_eq!(summary.numbers[&site("portal")], number);
        assert!(exported(&store).await.contains("portal,,total,7\n"));
        assert!(import_file(&store, &file).await.unwrap().to_string().contains("nothing was added"));
        corrections::undo(&order, &site("portal"), number, |_, _| {}).await.unwrap();
        assert_eq!(exported(&store).await, "site,article,bucket,views\n");
    }
}

/// Fails every step of a correction from the second one on.
struct OneStep(std::sync::atomic::AtomicU64);

#[async_trait::async_trait]
impl StoreFaults for OneStep {
    async fn before(&self, call: StoreCall<'_>) -> Result<(), truycap::store::StoreError> {
        let is_step = matches!(call, StoreCall::Correct(_));
        if is_step && self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0 {
            return Err(truycap::store::StoreError::Corrupt("simulated".into()));
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_file_is_not_imported_again_while_its_undo_is_not_complete() {
    let (files, store) = (Files::new(), Arc::new(memory()));
    let rows = (0..2500).map(|row| format!("portal,/tin/{row},2020,1\n")).collect::<String>();
    let file = files.write("a.csv", format!("site,article,period,views\n{rows}"));
    import_file(&*store, &file).await.unwrap();
    let faulty = FaultyStore::new(Arc::clone(&store) as Arc<dyn Store>, OneStep(0.into()));
    let order = corrections::Order { store: &faulty, at: now(), reason: "", dry_run: false };
    corrections::undo(&order, &site("portal"), 1, |_, _| {}).await.unwrap_err();
    let error = import_file(&*store, &file).await.unwrap_err().to_string();
    assert_eq!(error, "the undo of import 1 of site portal is not complete: first give truycap undo portal 1; then run the import again");
    let order = corrections::Order { store: &*store, at: now(), reason: "", dry_run: false };
    corrections::undo(&order, &site("portal"), 1, |_, _| {}).await.unwrap();
    assert_eq!(exported(&*store).await, "site,article,bucket,views\n");
    import_file(&*store, &file).await.unwrap();
    assert_eq!(exported(&*store).await.matches(",total,1\n").count(), 2500);
}
