//! The promises of the SQLite store only: a file can be shared, of another kind, damaged, or closed.

use std::{fs, path::Path, sync::Arc};

use chrono::Utc;
use rusqlite::Connection;
use tempfile::TempDir;
use truycap::{
    domain::{producer::ProducerId, retention::Retention},
    store::{Applied, Store, StoreError, sqlite::SqliteStore},
};

use super::{
    Harness, MINE, Memory, THEIRS, add, apply, article, at, bucket, count, day, days, deltas, export, maintain, offset, section, site,
    sqlite_in, subject, top,
};

fn open(path: &Path) -> Result<SqliteStore, String> {
    SqliteStore::open(path, Retention::default(), Utc::now).map_err(|e| e.to_string())
}

/// Checks that opening fails with a reason and the file's path, and does not change the file.
fn is_refused(path: &Path, reason: &str) {
    let before = fs::read(path).unwrap();
    let error = open(path).err().unwrap();
    assert!(error.contains(reason) && error.contains(&path.display().to_string()), "{error}");
    assert_eq!(fs::read(path).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_share_a_file_lose_nothing() {
    const ROUNDS: u64 = 100;
    let (dir, site) = (TempDir::new().unwrap(), site("portal"));
    let stores = [sqlite_in(&dir, Utc::now), sqlite_in(&dir, Utc::now)];
    let mut tasks = tokio::task::JoinSet::new();
    for (store, producer) in stores.into_iter().zip(1..) {
        let (store, site) = (Arc::new(store), site.clone());
        tasks.spawn(async move {
            for seq in 0..ROUNDS {
                add(&*store, &site, ProducerId(producer), seq, seq + 1, &[("total", "", 1), ("total", "/a", 1)]).await;
            }
        });
    }
    tasks.join_all().await;
    let store = sqlite_in(&dir, Utc::now);
    assert_eq!(count(&store, &site, "total", "").await, 2 * ROUNDS);
    assert_eq!(count(&store, &site, "total", "/a").await, 2 * ROUNDS);
    assert_eq!((offset(&store, &site, ProducerId(1)).await, offset(&store, &site, ProducerId(2)).await), (ROUNDS, ROUNDS));
}

#[test]
fn processes_that_start_together_create_one_store() {
    for _ in 0..10 {
        let dir = TempDir::new().unwrap();
        let path = &dir.path().join("truycap.db");
        std::thread::scope(|scope| {
            for opening in [(); 4].map(|()| scope.spawn(|| open(path).map(drop))) {
                assert_eq!(opening.join().unwrap(), Ok(()));
            }
        });
    }
}

#[tokio::test]
async fn a_file_of_another_kind_is_refused_and_not_changed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "site,article,period,views\n").unwrap();
    is_refused(&path, "it is not an SQLite file");
    fs::remove_file(&path).unwrap();

    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("CREATE TABLE views (id)").unwrap();
    is_refused(&path, "it is an SQLite file of another program");
    conn.execute_batch("DROP TABLE views; PRAGMA application_id = 7").unwrap();
    is_refused(&path, "it is an SQLite file of another program");
}

#[tokio::test]
async fn a_store_of_another_version_is_refused_and_not_changed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("truycap.db");
    open(&path).unwrap().close().await;
    let conn = Connection::open(&path).unwrap();
    for (found, what) in [
        (1_i32, "export it with the program that wrote it, and import the file"),
        (3, "use the newer program that wrote it"),
        (0, "export it"),
        (-1, "use the newer program"),
    ] {
        conn.execute_batch(&format!("PRAGMA journal_mode = DELETE; PRAGMA user_version = {found}")).unwrap();
        is_refused(&path, what);
        is_refused(&path, &format!("version {}, and this program has version 2:", found.cast_unsigned()));
    }
}

#[test]
fn a_path_that_cannot_be_a_file_is_refused() {
    let dir = TempDir::new().unwrap();
    assert!(open(dir.path()).err().unwrap().contains("cannot be used as the store"));
    fs::write(dir.path().join("file"), "").unwrap();
    assert!(open(&dir.path().join("file/truycap.db")).err().unwrap().contains("cannot be used as the store"));
}

#[tokio::test]
async fn a_damaged_file_is_corrupt_rather_than_unreachable() {
    let (dir, site) = (TempDir::new().unwrap(), site("portal"));
    let path = dir.path().join("truycap.db");
    let store = open(&path).unwrap();
    add(&store, &site, MINE, 0, 1, &[("total", "", 1)]).await;
    store.close().await;
    let page = 4096;
    let mut bytes = fs::read(&path).unwrap();
    bytes[page..].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let store = open(&path).unwrap();
    let answer = store.apply(&site, MINE, at(1), at(2), deltas(&[("total", "", 1)])).await;
    assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
    let answer = store.top(&site, None, bucket("total"), 1).await;
    assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
}

#[tokio::test]
async fn a_row_that_the_store_cannot_have_written_is_damage() {
    let (dir, site) = (TempDir::new().unwrap(), site("portal"));
    let path = dir.path().join("truycap.db");
    let store = open(&path).unwrap();
    add(&store, &site, MINE, 0, 1, &[("total", "", 1)]).await;
    let conn = Connection::open(&path).unwrap();
    conn.execute("INSERT INTO site_views SELECT id, '', 'yesterday', 1 FROM sites", ()).unwrap();
    let answer = export(&store, &site).await;
    assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
}

#[tokio::test]
async fn counts_of_other_kinds_than_views_are_skipped() {
    let (dir, site) = (TempDir::new().unwrap(), site("portal"));
    let path = dir.path().join("truycap.db");
    let store = open(&path).unwrap();
    add(&store, &site, MINE, 0, 1, &[("total", "", 1)]).await;
    let conn = Connection::open(&path).unwrap();
    conn.execute("INSERT INTO site_views SELECT id, 'downloads', 'total', 70 FROM sites", ()).unwrap();
    add(&store, &site, MINE, 1, 2, &[("total", "", 1)]).await;
    assert_eq!(count(&store, &site, "total", "").await, 2);
    assert_eq!(export(&store, &site).await.unwrap(), [(bucket("total"), subject(""), 2)]);
    let kept: u32 = conn.query_row("SELECT views FROM site_views WHERE kind = 'downloads'", (), |row| row.get(0)).unwrap();
    assert_eq!(kept, 70);
}

#[tokio::test]
async fn reads_continue_and_applies_wait_while_another_process_writes() {
    let (dir, site) = (TempDir::new().unwrap(), site("portal"));
    let path = dir.path().join("truycap.db");
    let store = open(&path).unwrap();
    add(&store, &site, MINE, 0, 1, &[("total", "", 1)]).await;
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("BEGIN IMMEDIATE; UPDATE site_views SET views = 10").unwrap();
    let reading_meanwhile = async {
        assert_eq!(count(&store, &site, "total", "").await, 1);
        conn.execute_batch("COMMIT").unwrap();
    };
    let (applied, ()) = tokio::join!(store.apply(&site, MINE, at(1), at(2), deltas(&[("total", "", 1)])), reading_meanwhile);
    assert!(matches!(applied, Ok(Applied::Done(_))), "{applied:?}");
    assert_eq!(count(&store, &site, "total", "").await, 11);
}

#[tokio::test]
async fn closing_a_store_completes_earlier_applies_and_refuses_later_calls() {
    let (dir, site) = (TempDir::new().unwrap(), site("portal"));
    let store = sqlite_in(&dir, Utc::now);
    let (one, two) = (deltas(&[("total", "", 1)]), deltas(&[("total", "", 2)]));
    let (first, second, ()) =
        tokio::join!(store.apply(&site, MINE, at(0), at(1), one.clone()), store.apply(&site, MINE, at(1), at(2), two), store.close());
    assert!(matches!((&first, &second), (Ok(Applied::Done(_)), Ok(Applied::Done(_)))), "{first:?} {second:?}");
    store.close().await;
    assert!(matches!(store.apply(&site, MINE, at(2), at(3), one).await, Err(StoreError::NotApplied(_))));
    assert!(store.ping().await.is_err());
    // No connection is open any more, so SQLite has deleted its log.
    assert_eq!(fs::read_dir(dir.path().join("made/for/it")).unwrap().count(), 1);
    let store = sqlite_in(&dir, Utc::now);
    assert_eq!((count(&store, &site, "total", "").await, offset(&store, &site, MINE).await), (3, 2));
}

#[tokio::test]
async fn acknowledged_applies_survive_a_kill() {
    let (dir, other, site) = (TempDir::new().unwrap(), TempDir::new().unwrap(), site("portal"));
    let (path, copy) = (dir.path().join("truycap.db"), other.path().join("truycap.db"));
    let store = open(&path).unwrap();
    add(&store, &site, MINE, 0, 1, &[("total", "", 1), ("total", "/a", 1)]).await;
    // Copies the state that a kill would leave, while the store still has the file open.
    fs::copy(&path, &copy).unwrap();
    fs::copy(path.with_extension("db-wal"), copy.with_extension("db-wal")).unwrap();
    let store = open(&copy).unwrap();
    assert_eq!((count(&store, &site, "total", "/a").await, offset(&store, &site, MINE).await), (1, 1));
}

#[tokio::test]
async fn a_dropped_store_ends_its_threads() {
    let dir = TempDir::new().unwrap();
    drop(sqlite_in(&dir, Utc::now));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    // SQLite deletes its log when the last connection closes.
    while fs::read_dir(dir.path().join("made/for/it")).unwrap().count() > 1 {
        assert!(std::time::Instant::now() < deadline, "the threads still hold the file");
        tokio::task::yield_now().await;
    }
}

/// How many commits SQLite's log has: they are the frames with a database size.
fn commits(path: &Path) -> usize {
    let log = fs::read(path.with_extension("db-wal")).unwrap();
    log[32..].chunks_exact(24 + 4096).filter(|frame| frame[4..8] != [0; 4]).count()
}

#[tokio::test]
async fn applies_that_wait_together_are_committed_together() {
    const SITES: u64 = 200;
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("truycap.db");
    let store = Arc::new(open(&path).unwrap());
    add(&*store, &site("portal"), MINE, 0, 1, &[("total", "", 1)]).await;
    let before = commits(&path);
    let conn = Connection::open(&path).unwrap();
    // The lock delays the first commit until all applies are waiting.
    conn.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..SITES {
        let store = store.clone();
        tasks.spawn(async move { add(&*store, &site(&format!("site-{i}")), MINE, 0, 1, &[("total", "", 1)]).await });
    }
    for _ in 0..SITES {
        tokio::task::yield_now().await;
    }
    conn.execute_batch("COMMIT").unwrap();
    tasks.join_all().await;
    let commits = commits(&path) - before;
    assert!((1..10).contains(&commits), "{commits} commits");
}

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/storage/fixtures/store-2.db");

/// What the fixture holds: views of three days that a store took on the third.
async fn fill_fixture(store: &impl Store) {
    let (portal, other) = (site("portal"), site("other"));
    maintain(store, &portal, &[section("/tin/")]).await;
    let rows = [("2026-11-20", "/tin/1", 3), ("2026-11-21", "/tin/1", 1), ("2026-11-22", "/tin/1", 2), ("2026-11-22", "/ế", 5)];
    apply(store, &portal, MINE, 0, 3, days(&rows.map(|(name, id, views)| (day(name), id, views)))).await;
    add(store, &portal, THEIRS, 0, 1, &[("2025", "/tin/1", 70), ("2025", "", 100), ("total", "", 111)]).await;
    add(store, &other, MINE, 0, 7, &[("total", "", 9_007_199_254_740_991)]).await;
}

#[tokio::test]
#[ignore = "writes the fixture anew"]
async fn write_the_fixture() {
    let (dir, clock) = (TempDir::new().unwrap(), super::TestClock::at("2026-11-22T12:00:00Z"));
    let path = dir.path().join("store.db");
    let store = SqliteStore::open(&path, Retention::default(), clock.clock()).unwrap();
    fill_fixture(&store).await;
    store.close().await;
    fs::copy(path, FIXTURE).unwrap();
}

#[tokio::test]
async fn a_store_that_an_earlier_program_of_this_version_wrote_can_be_used() {
    let (dir, clock) = (TempDir::new().unwrap(), super::TestClock::at("2026-11-22T13:00:00Z"));
    let path = dir.path().join("store.db");
    fs::copy(FIXTURE, &path).unwrap();
    let store = SqliteStore::open(&path, Retention::default(), clock.clock()).unwrap();
    let model = Memory::start_by(clock.clock()).await;
    fill_fixture(model.store()).await;
    assert_eq!(store.verify(true).await, Ok(()));
    let portal = site("portal");
    for site in [&portal, &site("other")] {
        assert_eq!(export(&store, site).await, export(model.store(), site).await);
    }
    assert_eq!(count(&store, &portal, "2026-11-20", "/tin/1").await, 3);
    assert_eq!(count(&store, &portal, "2025", "/tin/1").await, 70);
    assert_eq!(top(&store, &portal, "total", 5).await, [(article("/tin/1"), 6), (article("/ế"), 5)]);
    let list = store.top(&portal, Some(&section("/tin/")), bucket("2026-11-22"), 5).await.unwrap();
    assert_eq!((list.articles, list.whole, list.revision.number), (vec![(article("/tin/1"), 2)], true, 2));
    assert_eq!((offset(&store, &portal, MINE).await, offset(&store, &portal, THEIRS).await), (3, 1));
    assert_eq!(offset(&store, &site("other"), MINE).await, 7);
    assert!(!apply(&store, &portal, MINE, 3, 4, days(&[(day("2026-11-22"), "/tin/1", 1)])).await.jumped);
    assert_eq!(count(&store, &portal, "2026-11-22", "/tin/1").await, 3);
}

#[tokio::test]
async fn every_call_fails_while_the_file_is_gone_or_another_one_has_its_place() {
    let (dir, site) = (TempDir::new().unwrap(), site("portal"));
    let (path, away) = (dir.path().join("truycap.db"), dir.path().join("away.db"));
    let store = open(&path).unwrap();
    add(&store, &site, MINE, 0, 1, &[("total", "/a", 1)]).await;
    let gone = async |how: &str| {
        let fails = |result: Result<(), StoreError>| {
            assert!(matches!(&result, Err(StoreError::NotApplied(text)) if text.contains("deleted or replaced")), "{how}: {result:?}");
        };
        fails(store.apply(&site, MINE, at(1), at(2), deltas(&[("total", "", 1)])).await.map(drop));
        fails(store.figures(&site, &[MINE], day("2099-01-01"), &[]).await.map(drop));
        fails(store.offset(&site, MINE).await.map(drop));
        fails(store.top(&site, None, bucket("total"), 1).await.map(drop));
        fails(store.history(&site, &subject(""), &[bucket("total")]).await.map(drop));
        fails(export(&store, &site).await.map(drop));
        fails(store.maintain(&site, &[]).await.map(drop));
        fails(store.ping().await);
        fails(store.verify(false).await);
    };
    fs::rename(&path, &away).unwrap();
    gone("renamed").await;
    fs::copy(&away, &path).unwrap();
    gone("replaced by a copy").await;
    fs::rename(&away, &path).unwrap();
    add(&store, &site, MINE, 1, 2, &[("total", "/a", 1)]).await;
    assert_eq!(count(&store, &site, "total", "/a").await, 2);
    assert_eq!(top(&store, &site, "total", 1).await, [(article("/a"), 2)]);
    fs::remove_file(&path).unwrap();
    gone("deleted").await;
}

#[tokio::test]
async fn nothing_is_acknowledged_into_a_log_that_is_gone() {
    let (dir, site) = (TempDir::new().unwrap(), site("portal"));
    let path = dir.path().join("truycap.db");
    let (log, away) = (path.with_extension("db-wal"), dir.path().join("away"));
    let store = open(&path).unwrap();
    add(&store, &site, MINE, 0, 1, &[("total", "/a", 1)]).await;
    let gone = async |how: &str| {
        let applied = store.apply(&site, MINE, at(1), at(2), deltas(&[("total", "/a", 1)])).await.map(drop);
        for result in [applied, store.ping().await] {
            assert!(matches!(&result, Err(StoreError::NotApplied(text)) if text.contains("db-wal was deleted")), "{how}: {result:?}");
        }
    };
    fs::rename(&log, &away).unwrap();
    gone("renamed").await;
    fs::copy(&away, &log).unwrap();
    gone("replaced by a copy").await;
    fs::rename(&away, &log).unwrap();
    add(&store, &site, MINE, 1, 2, &[("total", "/a", 1)]).await;
    fs::remove_file(&log).unwrap();
    let refused = store.apply(&site, MINE, at(2), at(3), deltas(&[("total", "/a", 1)])).await;
    assert!(matches!(refused, Err(StoreError::NotApplied(_))), "{refused:?}");
    // The open log still has what was acknowledged.
    store.close().await;
    let store = open(&path).unwrap();
    assert_eq!((offset(&store, &site, MINE).await, count(&store, &site, "total", "/a").await), (2, 2));
}

#[tokio::test]
async fn an_export_that_lacks_articles_is_an_error() {
    let (dir, site) = (TempDir::new().unwrap(), site("portal"));
    let path = dir.path().join("truycap.db");
    let store = open(&path).unwrap();
    let names: Vec<_> = (0..500).map(|i| format!("/{i}")).collect();
    let rows: Vec<_> = names.iter().map(|id| ("total", id.as_str(), 1)).collect();
    add(&store, &site, MINE, 0, 1, &rows).await;
    assert_eq!(store.verify(true).await, Ok(()));
    let conn = Connection::open(&path).unwrap();
    conn.execute("DELETE FROM articles WHERE article = '/77'", ()).unwrap();
    for error in [export(&store, &site).await.map(drop), store.verify(true).await] {
        assert!(matches!(&error, Err(StoreError::Corrupt(text)) if text.contains("500") && text.contains("499")), "{error:?}");
    }
}

#[tokio::test]
async fn a_full_check_finds_texts_and_lists_that_no_program_wrote() {
    let damages = [
        ("UPDATE articles SET record = 'x' WHERE article = '/3'", "\"/3\""),
        ("UPDATE past SET past = '12' WHERE article = '/3'", "\"/3\""),
        ("INSERT INTO past VALUES (1, '/none', '20000:1|||')", "\"/none\""),
        ("INSERT INTO site_views VALUES (1, '', '2026-13', 1)", "2026-13"),
        ("UPDATE top SET less = less - 1 WHERE article = '/3' AND bucket = 'total'", "\"/3\""),
        ("DELETE FROM articles WHERE article = '/4'", "9 can be read"),
    ];
    for (damage, named) in damages {
        let (dir, site) = (TempDir::new().unwrap(), site("portal"));
        let path = dir.path().join("truycap.db");
        let clock = super::TestClock::at("2026-11-22T13:00:00Z");
        let store = SqliteStore::open(&path, Retention::default(), clock.clock()).unwrap();
        let names: Vec<_> = (0..10).map(|i| format!("/{i}")).collect();
        for (seq, name) in ["2026-11-20", "2026-11-21", "2026-11-22"].into_iter().enumerate() {
            let rows: Vec<_> = names.iter().map(|id| (day(name), id.as_str(), 1)).collect();
            apply(&store, &site, MINE, seq as u64, seq as u64 + 1, days(&rows)).await;
        }
        assert_eq!(store.verify(true).await, Ok(()));
        store.close().await;
        Connection::open(&path).unwrap().execute(damage, ()).unwrap();
        let store = SqliteStore::open(&path, Retention::default(), clock.clock()).unwrap();
        let found = store.verify(true).await;
        assert!(matches!(&found, Err(error) if error.to_string().contains(named)), "{damage}: {found:?}");
    }
}

#[tokio::test]
async fn a_store_without_its_tables_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("truycap.db");
    open(&path).unwrap().close().await;
    Connection::open(&path).unwrap().execute("DROP TABLE offsets", ()).unwrap();
    let reason = open(&path).err().unwrap();
    assert!(reason.contains("it is damaged: it has no table offsets"), "{reason}");
}

#[tokio::test]
async fn a_damaged_page_is_found() {
    let (dir, site) = (TempDir::new().unwrap(), site("portal"));
    let path = dir.path().join("truycap.db");
    let store = open(&path).unwrap();
    let names: Vec<_> = (0..5000).map(|i| format!("/{i}")).collect();
    let rows: Vec<_> = names.iter().map(|id| (day("2099-01-01"), id.as_str(), 1)).collect();
    apply(&store, &site, MINE, 0, 1, days(&rows)).await;
    store.close().await;
    let mut bytes = fs::read(&path).unwrap();
    // A page in the middle is one of articles: it looks like an empty leaf, so that its rows are missing.
    let page = bytes.len() / 4096 / 2 * 4096;
    bytes[page + 3..page + 5].fill(0);
    fs::write(&path, &bytes).unwrap();
    let store = open(&path).unwrap();
    for error in [export(&store, &site).await.map(drop), store.verify(true).await, store.verify(false).await] {
        assert!(matches!(error, Err(StoreError::Corrupt(_))), "{error:?}");
    }
}

#[tokio::test]
async fn a_record_that_does_not_parse_names_its_article_and_blocks_no_other() {
    let (dir, portal, other) = (TempDir::new().unwrap(), site("portal"), site("other"));
    let path = dir.path().join("truycap.db");
    let store = open(&path).unwrap();
    for site in [&portal, &other] {
        apply(&store, site, MINE, 0, 1, days(&["/a", "/b"].map(|id| (day("2099-01-01"), id, 1)))).await;
    }
    let conn = Connection::open(&path).unwrap();
    for text in ["", "1", "x||||", "1|2:3,4:5|||", "1|2:0|||", "9007199254740992||||", "1|||||"] {
        let sql = "UPDATE articles SET record = ?1 WHERE article = '/b' AND site = (SELECT id FROM sites WHERE name = 'portal')";
        conn.execute(sql, [text]).unwrap();
        let is_named = |result: Result<(), StoreError>| {
            assert!(matches!(&result, Err(StoreError::Corrupt(what)) if what.contains("\"/b\"")), "{text:?}: {result:?}");
        };
        is_named(store.figures(&portal, &[], day("2099-01-01"), &[article("/b")]).await.map(drop));
        is_named(store.history(&portal, &subject("/b"), &[bucket("total")]).await.map(drop));
        is_named(export(&store, &portal).await.map(drop));
        let both = days(&["/a", "/b"].map(|id| (day("2099-01-01"), id, 1)));
        // The two wait together, and are perhaps in one commit.
        let seq = offset(&store, &other, MINE).await;
        let (refused, applied) = tokio::join!(
            store.apply(&portal, MINE, at(1), at(2), both.clone()),
            store.apply(&other, MINE, at(seq), at(seq + 1), both.clone())
        );
        is_named(refused.map(drop));
        assert!(matches!(applied, Ok(Applied::Done(_))), "{applied:?}");
        assert_eq!((offset(&store, &portal, MINE).await, count(&store, &portal, "total", "/a").await), (1, 1));
        assert_eq!(top(&store, &portal, "total", 5).await.len(), 2);
        assert_eq!(count(&store, &other, "total", "/a").await, seq + 1);
        let figures = store.figures(&portal, &[], day("2099-01-01"), &[article("/a")]).await.unwrap();
        assert_eq!(figures.articles[0][truycap::domain::figures::Figure::Total], 1);
    }
}

#[tokio::test]
async fn figures_wait_neither_for_lists_nor_for_an_export() {
    let (dir, site) = (TempDir::new().unwrap(), site("portal"));
    let store = open(&dir.path().join("truycap.db")).unwrap();
    let names: Vec<_> = (0..2000).map(|i| format!("/{i}")).collect();
    let rows: Vec<_> = names.iter().map(|id| ("total", id.as_str(), 1)).collect();
    add(&store, &site, MINE, 0, 1, &rows).await;
    // Nothing receives, so the export does not end before the receiver is dropped.
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let exported = store.export(&site, sender);
    let meanwhile = async {
        // Many histories wait for each other on their thread; figures do not wait behind them.
        let article = subject("/7");
        let buckets = vec![bucket("2099-01-01"); 100_000];
        let mut lists: Vec<_> = (0..40).map(|_| Box::pin(store.history(&site, &article, &buckets))).collect();
        for list in &mut lists {
            // The first can have its result already.
            let _started = poll_once(list.as_mut()).await;
        }
        store.figures(&site, &[MINE], day("2099-01-01"), &[]).await.unwrap();
        assert!(poll_once(lists.pop().unwrap().as_mut()).await.is_none(), "the figures came after all of the histories");
        drop(receiver);
    };
    let (exported, ()) = tokio::join!(exported, meanwhile);
    assert_eq!(exported, Ok(()));
}

/// Polls a future once.
async fn poll_once<F: Future + ?Sized>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn two_processes_that_write_in_turn_keep_the_lists_exact() {
    let (dir, portal, model) = (TempDir::new().unwrap(), site("portal"), Memory::start().await);
    let stores = [sqlite_in(&dir, Utc::now), sqlite_in(&dir, Utc::now)];
    let names: Vec<_> = (0..300).map(|i| format!("/{}/{i}", i % 3)).collect();
    let choices = [vec![], vec![section("/1/")], vec![section("/1/"), section("/2/")], vec![section("/2/")]];
    for (step, seq) in (0_usize..60).zip(0_u64..) {
        let store = &stores[step / 2 % 2];
        let rows: Vec<_> =
            (0..150).map(|i| (day("2099-01-01"), names[(i * 7 + step * 31) % 300].as_str(), 1 + (i * step) as u64 % 3)).collect();
        let views = if seq % 5 == 4 {
            deltas(&rows.iter().map(|(_, id, views)| ("2099-01", *id, *views)).collect::<Vec<_>>())
        } else {
            days(&rows)
        };
        apply(store, &portal, MINE, seq, seq + 1, views.clone()).await;
        apply(model.store(), &portal, MINE, seq, seq + 1, views).await;
        let wanted = &choices[step / 7 % 4];
        if seq % 3 == 0 {
            maintain(&stores[step % 2], &portal, wanted).await;
            maintain(model.store(), &portal, wanted).await;
        }
        for name in ["2099-01-01", "2099-01", "total"] {
            assert_eq!(top(store, &portal, name, 100).await, top(model.store(), &portal, name, 100).await, "{name} at {seq}");
            for section in ["/1/", "/2/"].map(section) {
                let list = store.top(&portal, Some(&section), bucket(name), 100).await.unwrap();
                let expected = model.store().top(&portal, Some(&section), bucket(name), 100).await.unwrap();
                assert_eq!((list.articles, list.whole), (expected.articles, expected.whole), "{name} of {section} at {seq}");
            }
        }
    }
}

#[tokio::test]
async fn a_log_is_written_again_when_the_store_is_opened_after_a_kill() {
    let (dir, other, site) = (TempDir::new().unwrap(), TempDir::new().unwrap(), site("portal"));
    let (path, copy) = (dir.path().join("truycap.db"), other.path().join("truycap.db"));
    let store = open(&path).unwrap();
    for seq in 0..20 {
        apply(&store, &site, MINE, seq, seq + 1, days(&[(day("2099-01-01"), &format!("/{seq}"), 1)])).await;
    }
    let log = path.with_extension("db-wal");
    fs::copy(&path, &copy).unwrap();
    fs::copy(&log, copy.with_extension("db-wal")).unwrap();
    let rows = export(&store, &site).await.unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    fs::File::options().write(true).open(copy.with_extension("db-wal")).unwrap().set_modified(old).unwrap();
    let before = fs::read(copy.with_extension("db-wal")).unwrap();
    let again = open(&copy).unwrap();
    assert_eq!(fs::read(copy.with_extension("db-wal")).unwrap(), before);
    assert_ne!(fs::metadata(copy.with_extension("db-wal")).unwrap().modified().unwrap(), old, "the log was not written again");
    assert_eq!(export(&again, &site).await.unwrap(), rows);
    assert_eq!(offset(&again, &site, MINE).await, 20);
}
