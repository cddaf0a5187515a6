//! The promises of the SQLite store only: a file can be shared, of another kind, damaged, or closed.

use std::{fs, path::Path, sync::Arc};

use chrono::Utc;
use rusqlite::Connection;
use tempfile::TempDir;
use truycap::{
    domain::{producer::ProducerId, retention::Retention},
    store::{Applied, Store, StoreError, sqlite::SqliteStore},
};

use super::{Clock, MINE, add, bucket, count, deltas, offset, site, sqlite_in};

fn open(path: &Path) -> Result<SqliteStore, String> {
    let clock: Clock = Utc::now;
    SqliteStore::open(path, Retention::default(), clock).map_err(|e| e.to_string())
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
    assert_eq!(store.figures(&site, ProducerId(1), crate::store::day("2099-01-01"), &[]).await.unwrap().others, ROUNDS);
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
    conn.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA user_version = 2").unwrap();
    is_refused(&path, "its schema version is 2, but this program supports version 1");
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
    let answer = store.apply(&site, MINE, 1, 2, deltas(&[("total", "", 1)])).await;
    assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
    let answer = store.top(&site, bucket("total"), 1).await;
    assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
}

#[tokio::test]
async fn a_row_that_the_store_cannot_have_written_is_damage() {
    let (dir, site) = (TempDir::new().unwrap(), site("portal"));
    let path = dir.path().join("truycap.db");
    let store = open(&path).unwrap();
    let conn = Connection::open(&path).unwrap();
    conn.execute("INSERT INTO views VALUES ('portal', 'yesterday', '', 1)", ()).unwrap();
    let answer = crate::store::export(&store, &site).await;
    assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
}

#[tokio::test]
async fn reads_continue_and_applies_wait_while_another_process_writes() {
    let (dir, site) = (TempDir::new().unwrap(), site("portal"));
    let path = dir.path().join("truycap.db");
    let store = open(&path).unwrap();
    add(&store, &site, MINE, 0, 1, &[("total", "", 1)]).await;
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("BEGIN IMMEDIATE; UPDATE views SET views = 10").unwrap();
    let reading_meanwhile = async {
        assert_eq!(count(&store, &site, "total", "").await, 1);
        conn.execute_batch("COMMIT").unwrap();
    };
    let (applied, ()) = tokio::join!(store.apply(&site, MINE, 1, 2, deltas(&[("total", "", 1)])), reading_meanwhile);
    assert_eq!(applied, Ok(Applied::Done(0)));
    assert_eq!(count(&store, &site, "total", "").await, 11);
}

#[tokio::test]
async fn closing_a_store_completes_earlier_applies_and_refuses_later_calls() {
    let (dir, site) = (TempDir::new().unwrap(), site("portal"));
    let store = sqlite_in(&dir, Utc::now);
    let (one, two) = (deltas(&[("total", "", 1)]), deltas(&[("total", "", 2)]));
    let (first, second, ()) = tokio::join!(store.apply(&site, MINE, 0, 1, one.clone()), store.apply(&site, MINE, 1, 2, two), store.close());
    assert_eq!((first, second), (Ok(Applied::Done(0)), Ok(Applied::Done(0))));
    store.close().await;
    assert!(matches!(store.apply(&site, MINE, 2, 3, one).await, Err(StoreError::NotApplied(_))));
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
