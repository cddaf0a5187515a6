//! A journal has a maximum size, and reports when it has room.

use std::{fs, sync::Arc};

use truycap::{
    domain::producer::Seq,
    journal::{
        Entry, Journal, JournalError,
        sqlite::{Config, SqliteJournal},
    },
};

use super::support::{MIB, Place, at, confirmed, day, entry, site, trim};

/// About 20 KiB.
fn large(seq: Seq) -> Arc<Entry> {
    let articles: Vec<_> = (0..80).map(|i| format!("/{i:0>250}")).collect();
    let articles: Vec<_> = articles.iter().map(|article| (article.as_str(), 1)).collect();
    entry(at(seq.cast_signed()), &[("a", 1, 0, &articles)])
}

/// Appends until an entry is refused; returns the number of the last accepted one.
async fn append_until_full(journal: &SqliteJournal) -> Seq {
    let mut head = journal.read(&site("a"), 0, Seq::MAX).await.unwrap().to.seq;
    loop {
        match journal.append(large(head + 1)).await {
            Ok(position) => head = position.seq,
            Err(JournalError::Full(_)) => return head,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_full_journal_refuses_entries_until_a_trim_frees_space() {
    let place = Place::new();
    let config = Config { path: place.path(), max_bytes: 2 * MIB };
    let journal = SqliteJournal::open(config.clone()).unwrap();
    assert!(trim(&journal, 0, 0, 0).await.unwrap().room);
    let head = append_until_full(&journal).await;
    assert!((80..105).contains(&head), "{head} entries of 20 KiB in 2 MiB");

    // Another attempt is refused too, and writes nothing.
    assert!(matches!(journal.append(large(head + 1)).await, Err(JournalError::Full(_))));
    let usage = trim(&journal, head, head, 0).await.unwrap();
    assert!(!usage.room && usage.bytes > 2 * MIB - 64 * 1024 && usage.bytes <= 2 * MIB, "{usage:?}");
    let read = journal.read(&site("a"), 0, Seq::MAX).await.unwrap();
    assert_eq!((read.to.seq, read.days[&day(1)].views), (head, 80 * head));

    // The journal does not report room once a little is free, but once half is free.
    assert!(!trim(&journal, head, head, 2).await.unwrap().room);
    let usage = trim(&journal, head, head, head / 2 - 1).await.unwrap();
    assert!(usage.room && usage.bytes < MIB + 128 * 1024, "{usage:?}");
    assert_eq!(journal.append(large(head + 1)).await.unwrap().seq, head + 1);
    append_until_full(&journal).await;
    drop(journal);
    let (file, log) = (fs::metadata(place.path()).unwrap().len(), fs::metadata(place.wal()).unwrap().len());
    assert!(file <= 2 * MIB + 64 * 4096 && log == 0, "a file of {file} bytes, a log of {log}");
    assert!(SqliteJournal::open(config).is_ok());
}

#[tokio::test]
async fn a_full_journal_still_records_what_is_confirmed() {
    let place = Place::new();
    let journal = SqliteJournal::open(Config { path: place.path(), max_bytes: MIB }).unwrap();
    let head = append_until_full(&journal).await;
    // More sites than fit into the free pages, while no entry is old enough to be deleted.
    let sites: Vec<_> = (0..1000).map(|i| (site(&format!("{i:0>64}")), confirmed(1, head))).collect();
    assert!(!journal.trim(sites, head, 0).await.unwrap().room);
    assert!(matches!(journal.append(large(head + 1)).await, Err(JournalError::Full(_))));
    // They were recorded: without them, no entry would be missing.
    // And so is a run that has parted.
    let run = journal.runs()[0].producer;
    let heir = journal.part(&site("a"), run, 3).await.unwrap();
    assert_eq!(journal.part(&site("a"), run, 4).await, Ok(heir));
    journal.trim(vec![], head, 9).await.unwrap();
    assert_eq!(journal.read(&site(&format!("{:0>64}", 999)), 0, Seq::MAX).await.unwrap().missing, Some((1, 9)));
}

#[tokio::test]
async fn a_file_larger_than_max_bytes_can_be_read_and_trimmed() {
    let place = Place::new();
    let journal = SqliteJournal::open(Config { path: place.path(), max_bytes: 4 * MIB }).unwrap();
    let head = append_until_full(&journal).await;
    drop(journal);
    let journal = SqliteJournal::open(Config { path: place.path(), max_bytes: MIB }).unwrap();
    assert!(matches!(journal.append(large(head + 1)).await, Err(JournalError::Full(_))));
    assert!(!trim(&journal, head, head, 0).await.unwrap().room);
    assert!(trim(&journal, head, head, 10_000).await.unwrap().room);
    assert_eq!(journal.append(large(head + 1)).await.unwrap().seq, head + 1);
}
