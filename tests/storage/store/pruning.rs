//! Expired rows are deleted from the SQLite file, a batch with each commit.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use tempfile::TempDir;
use truycap::store::{Store, sqlite::SqliteStore};

use super::{MINE, THEIRS, add, bucket, count, export, site, sqlite_in};

/// A day on which all rows of the tests are kept.
fn january() -> DateTime<Utc> {
    "2030-01-20T12:00:00Z".parse().unwrap()
}

fn march() -> DateTime<Utc> {
    "2030-03-20T12:00:00Z".parse().unwrap()
}

fn next_day() -> DateTime<Utc> {
    "2030-03-21T00:00:00Z".parse().unwrap()
}

const ROWS: usize = 12_000;

/// A store with many articles on a day in January, and some rows that are still kept in March.
async fn filled(dir: &TempDir) {
    let (store, site) = (sqlite_in(dir, january), site("portal"));
    let names: Vec<_> = (0..ROWS).map(|i| format!("/{i}")).collect();
    let mut rows: Vec<_> = names.iter().map(|name| ("2030-01-01", name.as_str(), 1)).collect();
    rows.extend([("2030-01-01", "", 9), ("2030-01-02", "/a", 1), ("2030-W02", "/a", 1), ("2030-01", "/a", 1)]);
    rows.extend([("2030-03-19", "/a", 1), ("2029-01-01", "", 7), ("2030", "/a", 1), ("total", "/a", 1), ("total", "", 9)]);
    add(&store, &site, MINE, 0, 1, &rows).await;
    add(&store, &crate::store::site("other"), MINE, 0, 1, &[("2030-01-01", "/a", 1), ("2030-01-01", "", 1)]).await;
    store.close().await;
}

fn left(dir: &TempDir, condition: &str) -> usize {
    let conn = Connection::open(dir.path().join("made/for/it/truycap.db")).unwrap();
    conn.query_row(&format!("SELECT count(*) FROM views WHERE {condition}"), (), |row| row.get::<_, u32>(0)).unwrap() as usize
}

/// Applies no views until a commit deletes nothing. Returns how many rows each commit deleted.
async fn prune(dir: &TempDir, store: &SqliteStore, from: u64) -> Vec<usize> {
    let mut deleted = Vec::new();
    let mut before = left(dir, "true");
    for seq in from.. {
        add(store, &site("portal"), THEIRS, seq, seq + 1, &[]).await;
        let after = left(dir, "true");
        if after == before {
            break;
        }
        deleted.push(before - after);
        before = after;
    }
    deleted
}

#[tokio::test]
async fn expired_article_rows_are_deleted_in_batches_and_sites_and_totals_stay() {
    let dir = TempDir::new().unwrap();
    filled(&dir).await;
    let store = sqlite_in(&dir, march);
    let deleted = prune(&dir, &store, 0).await;
    assert!(deleted.len() >= 3 && deleted.iter().all(|rows| *rows <= 5000), "{deleted:?}");
    // The rows of 2030-01-01, and /a of 2030-01-02. 2030-W02 is kept for ten weeks and expires five days later.
    assert_eq!(deleted.iter().sum::<usize>(), ROWS + 1);
    let site = site("portal");
    let rows = export(&store, &site).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|(bucket, article, views)| (bucket.to_string(), article.is_some(), *views)).collect();
    let expected = [
        ("2029-01-01", false, 7),
        ("2030", true, 1),
        ("2030-01", true, 1),
        ("2030-01-01", false, 9),
        ("2030-03-19", true, 1),
        ("2030-W02", true, 1),
        ("total", false, 9),
        ("total", true, 1),
    ];
    assert!(rows.iter().map(|(bucket, article, views)| (bucket.as_str(), *article, *views)).eq(expected), "{rows:?}");
    assert_eq!(left(&dir, "site = 'other' AND article <> ''"), 1, "a site without applies is not pruned");
    add(&store, &crate::store::site("other"), MINE, 1, 2, &[]).await;
    assert_eq!(left(&dir, "site = 'other' AND article <> ''"), 0);
    assert_eq!(left(&dir, "site = 'other'"), 1);
}

#[tokio::test]
async fn expired_rows_are_hidden_before_they_are_deleted() {
    let dir = TempDir::new().unwrap();
    filled(&dir).await;
    let (store, site) = (sqlite_in(&dir, march), site("portal"));
    assert!(left(&dir, "bucket = '2030-01-01' AND article <> ''") > ROWS);
    assert_eq!(store.top(&site, bucket("2030-01-01"), 10).await.unwrap(), []);
    assert_eq!(count(&store, &site, "2030-01-01", "/1").await, 0);
    assert_eq!(count(&store, &site, "2030-01-01", "").await, 9);
    let day = crate::store::day("2030-01-01");
    let snapshot = store.figures(&site, MINE, day, &[crate::store::article("/1"), crate::store::article("/a")]).await.unwrap();
    let today = truycap::domain::figures::Figure::Today;
    assert_eq!((snapshot.site[today], snapshot.articles[0][today]), (9, 0));
    assert_eq!(export(&store, &site).await.unwrap().len(), 8);
}

#[tokio::test]
async fn a_site_is_pruned_once_a_day() {
    let dir = TempDir::new().unwrap();
    filled(&dir).await;
    static NEXT: AtomicBool = AtomicBool::new(false);
    let store = sqlite_in(&dir, || if NEXT.load(Ordering::SeqCst) { next_day() } else { march() });
    prune(&dir, &store, 0).await;
    // Inserted directly: the store never writes an expired row.
    let conn = Connection::open(dir.path().join("made/for/it/truycap.db")).unwrap();
    conn.execute("INSERT INTO views VALUES ('portal', '2030-01-01', '/late', 1)", ()).unwrap();
    add(&store, &site("portal"), MINE, 1, 2, &[]).await;
    assert_eq!(left(&dir, "article = '/late'"), 1);
    NEXT.store(true, Ordering::SeqCst);
    add(&store, &site("portal"), MINE, 2, 3, &[]).await;
    assert_eq!(left(&dir, "article = '/late'"), 0);
}
