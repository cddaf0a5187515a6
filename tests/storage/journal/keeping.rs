//! Acknowledged entries are kept until a trim deletes them.

use std::{collections::BTreeMap, fs, sync::Arc};

use truycap::{
    domain::producer::{Digest, Position, Seq},
    journal::{
        Journal, JournalError, JournaledSite, Replay, Unapplied,
        sqlite::{Config, OpenError, SqliteJournal},
    },
};

use super::support::{MIB, Place, append, at, confirmed, copy, day, entry, fill, numbered, read_all, site, sum_of_a, sums, trim};

#[tokio::test]
async fn entries_are_numbered_from_one_and_survive_a_restart() {
    let place = Place::new();
    let journal = place.open();
    assert_eq!(journal.head_at_open(), Position::START);
    fill(&journal, 1..=25).await;
    drop(journal);

    let journal = place.open();
    assert_eq!(journal.head_at_open().seq, 25);
    assert_eq!(read_all(&journal, "a", 0).await.unwrap(), sum_of_a(1..=25));
    assert_eq!(read_all(&journal, "a", 20).await.unwrap(), sum_of_a(21..=25));
    assert_eq!(append(&journal, 26).await, Ok(26));
}

#[tokio::test]
async fn a_read_sums_one_site_by_day() {
    let place = Place::new();
    let journal = place.open();
    journal.append(entry(at(0), &[("a", 1, 2, &[("/x", 3)]), ("a", 2, 1, &[]), ("b", 1, 9, &[])])).await.unwrap();
    let to = journal.append(entry(at(0), &[("a", 2, 0, &[("/x", 1), ("/y", 4)])])).await.unwrap();
    let days = BTreeMap::from([(day(1), sums(2, &[("/x", 3)])), (day(2), sums(1, &[("/x", 1), ("/y", 4)]))]);
    assert_eq!(journal.read(&site("a"), 0, Seq::MAX).await, Ok(Replay { to, days, entries: 2, missing: None }));
    assert_eq!(journal.read(&site("c"), 0, Seq::MAX).await, Ok(Replay { to, ..Replay::default() }));
}

#[tokio::test]
async fn a_read_after_the_last_entry_or_later_finds_nothing() {
    let place = Place::filled(3).await;
    let journal = place.open();
    for after in [3, 4, u64::MAX] {
        assert_eq!(journal.read(&site("a"), after, Seq::MAX).await, Ok(Replay { to: journal.head_at_open(), ..Replay::default() }));
    }
}

#[tokio::test]
async fn a_read_is_bounded_and_the_next_one_continues_it() {
    let place = Place::filled(1100).await;
    let journal = place.open();
    let first = journal.read(&site("a"), 0, Seq::MAX).await.unwrap();
    assert_eq!(first.to.seq, 1024);
    assert_eq!(journal.read(&site("a"), 3, 7).await.unwrap().days, sum_of_a(4..=7));
    assert_eq!(first.days, sum_of_a(1..=1024));
    assert_eq!(read_all(&journal, "a", 0).await.unwrap(), sum_of_a(1..=1100));

    // Bounded by bytes: each of these entries has more than 2 MiB.
    let place = Place::new();
    let journal = place.open();
    let articles: Vec<_> = (0..10_000).map(|i| format!("/{i:0>250}")).collect();
    let articles: Vec<_> = articles.iter().map(|article| (article.as_str(), 1)).collect();
    for _ in 0..3 {
        journal.append(entry(at(0), &[("a", 1, 0, &articles)])).await.unwrap();
    }
    assert_eq!(journal.read(&site("b"), 0, Seq::MAX).await.unwrap().to.seq, 2);
    // Bounded by the articles of the site: each of these entries has more articles than one apply takes.
    assert_eq!(journal.read(&site("a"), 0, Seq::MAX).await.unwrap().to.seq, 1);
    assert_eq!(journal.read(&site("a"), 2, Seq::MAX).await.unwrap().days[&day(1)].views, 10_000);
}

#[tokio::test]
async fn calls_run_in_the_order_in_which_they_are_made() {
    let place = Place::new();
    let journal = place.open();
    let a = site("a");
    // All calls are polled in this order, before any of them completes.
    let (first, read, second) =
        tokio::join!(biased; journal.append(numbered(1)), journal.read(&a, 0, Seq::MAX), journal.append(numbered(2)));
    assert_eq!(second.unwrap().seq, 2);
    assert_eq!(read.unwrap().to, first.unwrap());
}

#[tokio::test]
async fn closing_a_journal_completes_earlier_calls_and_refuses_later_ones() {
    let place = Place::new();
    let journal = Arc::new(place.open());
    let appending = Arc::clone(&journal);
    let called = tokio::spawn(async move { appending.append(numbered(1)).await });
    tokio::task::yield_now().await;
    assert_eq!(journal.close(), Ok(()));
    assert_eq!(journal.close(), Ok(()));
    assert_eq!(called.await.unwrap().unwrap().seq, 1);
    assert!(matches!(journal.append(numbered(2)).await, Err(JournalError::Failed(_))));
    assert_eq!(fs::metadata(place.wal()).unwrap().len(), 0, "everything is in the one file");
    assert_eq!(place.open().head_at_open().seq, 1);
}

#[test]
fn the_directories_above_a_journal_are_created() {
    let place = Place::new();
    let path = place.path().with_file_name("x").join("y").join("journal.db");
    SqliteJournal::open(Config { path: path.clone(), max_bytes: MIB }).unwrap();
    assert!(path.exists());
}

#[tokio::test]
async fn a_journal_can_be_open_only_once_at_a_time() {
    let place = Place::new();
    let journal = place.open();
    let error = place.try_open().unwrap_err();
    assert_eq!(error, OpenError::InUse(place.path()));
    assert!(error.to_string().contains("is held by another process"), "{error}");
    // The refused attempt must not release the lock of the first, or break it.
    assert_eq!(place.try_open().unwrap_err(), OpenError::InUse(place.path()));
    fill(&journal, 1..=2).await;
    drop(journal);
    assert_eq!(place.open().head_at_open().seq, 2);
}

/// A crash leaves the file and a prefix of the log, which contains all entries synced by then.
#[tokio::test]
async fn a_log_torn_anywhere_holds_every_entry_synced_before() {
    let place = Place::filled(5).await;
    let journal = place.open();
    // (length of the log, last entry that was acknowledged by then)
    let mut acknowledged = vec![(0, 5)];
    for seq in 6..=40 {
        fill(&journal, [seq]).await;
        acknowledged.push((fs::metadata(place.wal()).unwrap().len(), seq));
    }
    let torn = Place::new();
    let whole = fs::read(place.wal()).unwrap();
    for length in (0..=whole.len()).step_by(1733).chain([whole.len() - 1, whole.len()]) {
        copy(&place.path(), &torn.path());
        fs::write(torn.wal(), &whole[..length]).unwrap();
        let held = acknowledged.iter().rev().find(|(log, _)| *log <= length as u64).unwrap().1;
        let journal = torn.open();
        assert_eq!(journal.head_at_open().seq, held, "log of {length} bytes");
        assert_eq!(read_all(&journal, "a", 0).await.unwrap(), sum_of_a(1..=held));
        assert_eq!(append(&journal, held + 1).await, Ok(held + 1));
    }
}

/// Without checkpoints, the log would have 9 MB.
#[tokio::test]
async fn the_log_is_copied_into_the_file_and_stays_small() {
    let place = Place::new();
    let journal = place.open();
    fill(&journal, 1..=2200).await;
    let (log, file) = (fs::metadata(place.wal()).unwrap().len(), fs::metadata(place.path()).unwrap().len());
    assert!(log < 5 * MIB, "a log of {log} bytes");
    assert!(file > 64 << 10, "a file of {file} bytes");
}

#[tokio::test]
async fn a_trim_deletes_only_old_confirmed_entries() {
    let place = Place::filled(30).await;
    let journal = place.open();
    let held = async |after| journal.read(&site("a"), after, Seq::MAX).await.unwrap().missing;
    trim(&journal, 30, 20, 10).await.unwrap();
    assert_eq!(held(0).await, Some((1, 10)), "entries after `delete` are kept");
    trim(&journal, 30, 20, Seq::MAX).await.unwrap();
    assert_eq!(held(0).await, Some((1, 20)), "entries after `upto` are not confirmed");
    assert_eq!(read_all(&journal, "a", 20).await.unwrap(), sum_of_a(21..=30));
}

#[tokio::test]
async fn a_trim_is_bounded_and_reports_whether_more_is_left() {
    let place = Place::filled(4200).await;
    let journal = place.open();
    assert!(trim(&journal, 4200, 4200, 100_000).await.unwrap().more);
    assert_eq!(journal.read(&site("a"), 0, Seq::MAX).await.unwrap().missing, Some((1, 4096)));
    assert!(!trim(&journal, 4200, 4200, 100_000).await.unwrap().more);
    drop(journal);
    // The number of the last entry is kept after the entry is deleted.
    let journal = place.open();
    assert_eq!(journal.head_at_open().seq, 4200);
    assert_eq!(append(&journal, 4201).await, Ok(4201));
}

#[tokio::test]
async fn missing_entries_are_reported_exactly() {
    let place = Place::filled(30).await;
    let journal = place.open();
    // The last entry of `b` up to 15 is 10; `c` has none.
    journal.trim(vec![(site("a"), confirmed(1, 25)), (site("b"), confirmed(2, 10))], 15, Seq::MAX).await.unwrap();
    let missing = async |journal: &SqliteJournal, id, after| journal.read(&site(id), after, Seq::MAX).await.unwrap().missing;
    drop(journal);
    let journal = place.open();
    assert_eq!(missing(&journal, "a", 0).await, Some((1, 15)));
    assert_eq!(missing(&journal, "a", 7).await, Some((8, 15)));
    assert_eq!(missing(&journal, "a", 14).await, Some((15, 15)));
    assert_eq!(missing(&journal, "a", 15).await, None);
    assert_eq!(missing(&journal, "b", 4).await, Some((5, 10)));
    assert_eq!(missing(&journal, "b", 10).await, None);
    assert_eq!(missing(&journal, "c", 0).await, None);
    // The remaining entries are read although others are missing.
    assert_eq!(journal.read(&site("a"), 3, Seq::MAX).await.unwrap().days, sum_of_a(16..=30));
}

#[tokio::test]
async fn a_trim_that_changes_nothing_writes_nothing() {
    let place = Place::filled(10).await;
    let journal = place.open();
    trim(&journal, 5, 5, 2).await.unwrap();
    let log = || fs::read(place.wal()).unwrap();
    let before = log();
    trim(&journal, 5, 5, 2).await.unwrap();
    assert_eq!(log(), before);
    trim(&journal, 6, 5, 2).await.unwrap();
    assert_ne!(log(), before);
}

#[tokio::test]
async fn what_is_missing_lies_in_the_requested_range() {
    let place = Place::filled(30).await;
    let journal = place.open();
    trim(&journal, 30, 20, 20).await.unwrap();
    let read = journal.read(&site("a"), 3, 12).await.unwrap();
    assert_eq!((read.missing, read.to, read.days), (Some((4, 12)), Position { seq: 12, digest: Digest(0) }, BTreeMap::new()));
    let read = journal.read(&site("a"), 3, 22).await.unwrap();
    assert_eq!((read.missing, read.to.seq, read.days), (Some((4, 20)), 22, sum_of_a(21..=22)));
}

#[tokio::test]
async fn the_sites_are_those_with_views_after_the_last_upto_and_those_confirmed() {
    let place = Place::new();
    let journal = place.open();
    for id in ["gone", "b", "a", "b", "c"] {
        journal.append(entry(at(0), &[(id, 1, 1, &[])])).await.unwrap();
    }
    let unconfirmed = |id, first, last, entries| {
        let unapplied = Some(Unapplied { first, oldest: at(0), entries, views: entries });
        JournaledSite { id: site(id), last, confirmed: None, unapplied }
    };
    let c = unconfirmed("c", 5, 5, 1);
    let all = [unconfirmed("a", 3, 3, 1), unconfirmed("b", 2, 4, 2), c.clone(), unconfirmed("gone", 1, 1, 1)];
    assert_eq!(journal.sites().await.unwrap(), all);
    journal.trim(vec![], 1, 0).await.unwrap();
    drop(journal);
    let journal = place.open();
    assert_eq!(journal.sites().await.unwrap(), all[..3]);
    // A store that is rewound lacks applied views again, also those of a site that is no longer configured.
    journal.trim(vec![(site("a"), confirmed(7, 4)), (site("b"), confirmed(8, 4))], 3, 3).await.unwrap();
    drop(journal);
    let journal = place.open();
    let site_of =
        |id, last, seq, producer| JournaledSite { id: site(id), last, confirmed: Some(confirmed(producer, seq)), unapplied: None };
    let (a, b) = (site_of("a", 3, 4, 7), site_of("b", 4, 4, 8));
    assert_eq!(journal.sites().await.unwrap(), [a.clone(), b.clone(), c]);
    journal.trim(vec![], 5, Seq::MAX).await.unwrap();
    assert_eq!(journal.sites().await.unwrap(), [site_of("a", 4, 4, 7), b]);
}

#[tokio::test]
async fn what_a_site_lacks_in_the_store_is_what_came_after_its_last_confirmed_entry() {
    let place = Place::new();
    let journal = place.open();
    for (second, views) in [(10, 5), (20, 3), (30, 4)] {
        // Two days in one entry, as at midnight.
        journal.append(entry(at(second), &[("a", 1, views, &[("/x", 1)]), ("a", 2, 1, &[])])).await.unwrap();
        journal.append(entry(at(second), &[("b", 1, 1, &[])])).await.unwrap();
    }
    // The store was unreachable for another site: nothing counts as applied by all.
    journal.trim(vec![(site("a"), confirmed(7, 1))], 0, 0).await.unwrap();
    drop(journal);
    let sites = place.open().sites().await.unwrap();
    let unapplied: Vec<_> = sites.iter().map(|site| site.unapplied.unwrap()).collect();
    let of_a = Unapplied { first: 3, oldest: at(20), entries: 2, views: 3 + 1 + 1 + 4 + 1 + 1 };
    assert_eq!(unapplied, [of_a, Unapplied { first: 2, oldest: at(10), entries: 3, views: 3 }]);
}
