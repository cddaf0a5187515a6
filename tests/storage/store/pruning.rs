//! Expired periods and lists leave the SQLite file, a bounded part with each step.

use rusqlite::Connection;
use tempfile::TempDir;
use truycap::store::Store;

use super::{MINE, TestClock, apply, article, count, day, days, export, maintain, section, site, sqlite_in, top};

fn one(dir: &TempDir, sql: &str) -> u32 {
    let conn = Connection::open(dir.path().join("made/for/it/truycap.db")).unwrap();
    conn.query_row(sql, (), |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn expired_lists_are_deleted_in_bounded_steps() {
    let (dir, clock, site) = (TempDir::new().unwrap(), TestClock::at("2030-01-31T12:00:00Z"), site("portal"));
    let (store, sections) = (sqlite_in(&dir, clock.clock()), ["/1", "/2", "/3"].map(section));
    maintain(&store, &site, &sections).await;
    let names: Vec<_> = (0..400).map(|i| format!("/{i}")).collect();
    for (seq, day) in (0..30).zip(day("2030-01-01").iter_days()) {
        let rows: Vec<_> = names.iter().map(|id| (day, id.as_str(), 1)).chain([(day, "", 400)]).collect();
        apply(&store, &site, MINE, seq, seq + 1, days(&rows)).await;
    }
    for seq in 30..110 {
        clock.pass(23);
        apply(&store, &site, MINE, seq, seq + 1, days(&[])).await;
    }
    let (all, mut before) = ("SELECT count(*) FROM top", one(&dir, "SELECT count(*) FROM top"));
    let mut steps = Vec::new();
    while store.maintain(&site, &sections).await.unwrap() {
        steps.push(before - one(&dir, all));
        before = one(&dir, all);
    }
    assert!(steps.len() >= 2 && steps.iter().all(|rows| (1..=5200).contains(rows)), "{steps:?}");
    assert_eq!(one(&dir, "SELECT count(*) FROM top WHERE bucket LIKE '____-__-__'"), 0);
    assert!(one(&dir, "SELECT count(*) FROM top WHERE bucket IN ('2030-01', '2030', 'total')") >= 900);
    assert_eq!(count(&store, &site, "2030-01-01", "").await, 400, "buckets of a site are kept for ever");
}

#[tokio::test]
async fn a_past_does_not_grow_for_ever() {
    let (dir, clock, site) = (TempDir::new().unwrap(), TestClock::at("2030-01-01T12:00:00Z"), site("portal"));
    let store = sqlite_in(&dir, clock.clock());
    for seq in 0..400 {
        apply(&store, &site, MINE, seq, seq + 1, days(&[(clock.now().date_naive(), "/a", 1)])).await;
        clock.pass(24);
    }
    // 40 days, 10 weeks and 14 months at most, of about 9 bytes each.
    let length = one(&dir, "SELECT length(past) FROM past");
    assert!((300..700).contains(&length), "{length}");
    let rows = export(&store, &site).await.unwrap();
    assert_eq!(count(&store, &site, "total", "/a").await, 400);
    assert!(rows.len() < 42 + 12 + 16 + 3, "{}", rows.len());
}

#[tokio::test]
async fn an_article_enters_a_list_that_was_deleted_by_a_clock_that_has_come_back() {
    let (dir, clock, site) = (TempDir::new().unwrap(), TestClock::at("2030-03-20T12:00:00Z"), site("portal"));
    let store = sqlite_in(&dir, clock.clock());
    let names: Vec<_> = (0..150).map(|i| format!("/{i:03}")).collect();
    let rows: Vec<_> = names.iter().zip(10..).map(|(id, views)| (day("2030-03-20"), id.as_str(), views)).collect();
    apply(&store, &site, MINE, 0, 1, days(&rows)).await;
    clock.pass(24 * 45);
    for seq in 1..9 {
        apply(&store, &site, MINE, seq, seq + 1, days(&[])).await;
        clock.pass(1);
    }
    maintain(&store, &site, &[]).await;
    assert_eq!(one(&dir, "SELECT count(*) FROM top WHERE bucket = '2030-03-20'"), 0);
    clock.pass(-24 * 45 - 8);
    // Its count is below the last row of the deleted list.
    apply(&store, &site, MINE, 9, 10, days(&[(day("2030-03-20"), "/000", 1)])).await;
    assert_eq!(top(&store, &site, "2030-03-20", 100).await, [(article("/000"), 11)]);
}
