//! Clocks that are wrong: nothing is dropped for a time that the store does not trust.

use truycap::{
    domain::{figures::Figure, period::Bucket, site::SiteId},
    store::{Row, Store},
};

use super::{
    Harness, MINE, THEIRS, TestClock, apply, article, count, day, days, export, maintain, offset, on_every_store, site, subject, top,
};

on_every_store! {
    a_clock_that_is_ahead_for_a_while_loses_nothing
    a_clock_that_is_ahead_over_a_restart_loses_nothing
    a_clock_that_holds_for_six_hours_is_trusted
    a_second_jump_begins_the_wait_anew
    a_clock_that_goes_back_drops_nothing_that_it_keeps
    a_first_time_that_is_wrong_is_corrected_and_protects_from_later_jumps
    a_site_with_a_view_a_week_expires_what_is_old
    a_clock_that_advances_drops_what_expires
    each_site_has_a_time_of_its_own
}

const ROWS: [(&str, &str, u64); 5] =
    [("2030-03-01", "/a", 1), ("2030-03-10", "/a", 2), ("2030-03-19", "/a", 3), ("2030-03-20", "/a", 4), ("2030-03-20", "/b", 5)];

fn noon() -> TestClock {
    TestClock::at("2030-03-20T12:00:00Z")
}

/// A store with views of some days, and what it exports.
async fn filled(store: &impl Store, site: &SiteId) -> Vec<Row> {
    let rows = ROWS.map(|(name, id, views)| (day(name), id, views));
    assert!(!apply(store, site, MINE, 0, 1, days(&rows)).await.jumped, "the first time is trusted");
    let rows = export(store, site).await.unwrap();
    assert_eq!(rows.len(), 15);
    rows
}

async fn shows(store: &impl Store, site: &SiteId, rows: &[Row]) {
    assert_eq!(export(store, site).await.unwrap(), rows);
    for (bucket, subject, views) in rows {
        assert_eq!(store.history(site, subject, &[*bucket]).await.unwrap(), [*views], "{bucket}");
        let list = store.top(site, None, *bucket, 10).await.unwrap();
        assert!(subject.article().is_none_or(|article| list.articles.contains(&(article.clone(), *views))), "{bucket}");
    }
    let figures = store.figures(site, &[], day("2030-03-20"), &[article("/a")]).await.unwrap().articles[0];
    let expected: Vec<_> = [Figure::Today, Figure::Yesterday]
        .map(|figure| rows.iter().find(|row| row.0 == figure.bucket(day("2030-03-20")) && row.1 == subject("/a")).map_or(0, |row| row.2))
        .to_vec();
    assert_eq!([figures[Figure::Today], figures[Figure::Yesterday]].to_vec(), expected);
}

async fn a_clock_that_is_ahead_for_a_while_loses_nothing<H: Harness>() {
    for ahead in [2, 45, 400, 4000] {
        let (clock, site) = (noon(), site("portal"));
        let harness = H::start_by(clock.clock()).await;
        let store = harness.store();
        let mut rows = filled(store, &site).await;
        clock.pass(24 * ahead);
        shows(store, &site, &rows).await;
        maintain(store, &site, &[]).await;
        for seq in 1..5 {
            // A view of the day that the clock shows, and one of the right day.
            let wrong = clock.now().date_naive();
            let done = apply(store, &site, MINE, seq, seq + 1, days(&[(wrong, "/a", 1), (day("2030-03-01"), "/a", 1)])).await;
            assert_eq!(done.jumped, seq == 1, "{ahead} days ahead");
            clock.pass(1);
            maintain(store, &site, &[]).await;
        }
        assert_eq!(count(store, &site, "2030-03-01", "/a").await, 5);
        assert_eq!(count(store, &site, "2030-03-19", "/a").await, 3);
        clock.pass(-24 * ahead);
        assert!(!apply(store, &site, MINE, 5, 6, days(&[(day("2030-03-20"), "/a", 1)])).await.jumped);
        maintain(store, &site, &[]).await;
        let now = export(store, &site).await.unwrap();
        for row in &mut rows {
            let found = now.iter().find(|found| (found.0, &found.1) == (row.0, &row.1));
            assert!(found.is_some_and(|found| found.2 >= row.2), "{} is lost by a clock {ahead} days ahead", row.0);
        }
        shows(store, &site, &now).await;
        assert_eq!(count(store, &site, "2030-03-20", "/a").await, 5);
    }
}

async fn a_clock_that_is_ahead_over_a_restart_loses_nothing<H: Harness>() {
    let (clock, site) = (noon(), site("portal"));
    let harness = H::start_by(clock.clock()).await;
    let rows = filled(harness.store(), &site).await;
    clock.pass(24 * 45);
    let harness = harness.restart().await;
    shows(harness.store(), &site, &rows).await;
    assert!(apply(harness.store(), &site, MINE, 1, 2, days(&[])).await.jumped);
    let harness = harness.restart().await;
    shows(harness.store(), &site, &rows).await;
    assert!(!apply(harness.store(), &site, MINE, 2, 3, days(&[])).await.jumped, "the store remembers the jump");
    clock.pass(-24 * 45);
    shows(harness.store(), &site, &rows).await;
    assert!(!apply(harness.store(), &site, MINE, 3, 4, days(&[])).await.jumped);
    shows(harness.store(), &site, &rows).await;
    assert_eq!(offset(harness.store(), &site, MINE).await, 4);
}

async fn a_clock_that_holds_for_six_hours_is_trusted<H: Harness>() {
    let (clock, site) = (noon(), site("portal"));
    let harness = H::start_by(clock.clock()).await;
    let store = harness.store();
    let rows = filled(store, &site).await;
    clock.pass(24 * 45);
    for seq in 1..7 {
        assert_eq!(apply(store, &site, MINE, seq, seq + 1, days(&[])).await.jumped, seq == 1);
        shows(store, &site, &rows).await;
        clock.pass(1);
    }
    apply(store, &site, MINE, 7, 8, days(&[(clock.now().date_naive(), "/a", 1), (day("2030-03-01"), "/a", 1)])).await;
    maintain(store, &site, &[]).await;
    for row in &rows {
        // The clock shows 4 May: all of its days have expired, and nothing else.
        let views = store.history(&site, &row.1, &[row.0]).await.unwrap()[0];
        assert_eq!(views > 0, !matches!(row.0, Bucket::Day(_)), "{}", row.0);
    }
    assert_eq!(count(store, &site, "2030-03-01", "/a").await, 0, "an increment into an expired bucket is dropped");
    assert!(!apply(store, &site, MINE, 8, 9, days(&[])).await.jumped);
}

async fn a_second_jump_begins_the_wait_anew<H: Harness>() {
    let (clock, site) = (noon(), site("portal"));
    let harness = H::start_by(clock.clock()).await;
    let store = harness.store();
    let rows = filled(store, &site).await;
    clock.pass(24 * 45);
    assert!(apply(store, &site, MINE, 1, 2, days(&[])).await.jumped);
    clock.pass(5);
    assert!(!apply(store, &site, MINE, 2, 3, days(&[])).await.jumped);
    clock.pass(24 * 400);
    assert!(apply(store, &site, MINE, 3, 4, days(&[])).await.jumped);
    clock.pass(5);
    assert!(!apply(store, &site, MINE, 4, 5, days(&[])).await.jumped);
    shows(store, &site, &rows).await;
    // Back, and ahead again: this is another jump.
    clock.pass(-24 * 445 - 10);
    assert!(!apply(store, &site, MINE, 5, 6, days(&[])).await.jumped);
    clock.pass(24 * 45);
    assert!(apply(store, &site, MINE, 6, 7, days(&[])).await.jumped);
    shows(store, &site, &rows).await;
}

async fn a_first_time_that_is_wrong_is_corrected_and_protects_from_later_jumps<H: Harness>() {
    let (clock, site) = (noon(), site("portal"));
    let harness = H::start_by(clock.clock()).await;
    let store = harness.store();
    let far = 24 * 365 * 70;
    clock.pass(far);
    assert!(!apply(store, &site, MINE, 0, 1, days(&[])).await.jumped);
    clock.pass(-far);
    assert!(apply(store, &site, MINE, 1, 2, days(&ROWS.map(|(name, id, views)| (day(name), id, views)))).await.jumped);
    let rows = export(store, &site).await.unwrap();
    assert_eq!(rows.len(), 15);
    clock.pass(6);
    assert!(!apply(store, &site, MINE, 2, 3, days(&[])).await.jumped);
    // A later jump, which is before the first time, drops nothing.
    clock.pass(24 * 400);
    assert!(apply(store, &site, MINE, 3, 4, days(&[(clock.now().date_naive(), "/a", 1)])).await.jumped);
    maintain(store, &site, &[]).await;
    clock.pass(-24 * 400);
    for (bucket, subject, views) in rows.iter().filter(|row| matches!(row.0, Bucket::Day(_) | Bucket::Week { .. })) {
        assert_eq!(store.history(&site, subject, &[*bucket]).await.unwrap(), [*views], "{bucket}");
    }
}

async fn a_site_with_a_view_a_week_expires_what_is_old<H: Harness>() {
    let (clock, site) = (noon(), site("portal"));
    let harness = H::start_by(clock.clock()).await;
    let store = harness.store();
    filled(store, &site).await;
    for week in 1..10 {
        for _ in 0..7 * 24 {
            clock.pass(1);
            maintain(store, &site, &[]).await;
        }
        assert!(!apply(store, &site, MINE, week, week + 1, days(&[(clock.now().date_naive(), "/a", 1)])).await.jumped, "week {week}");
    }
    assert_eq!(count(store, &site, "2030-03-01", "/a").await, 0, "63 days have passed");
    assert!(top(store, &site, "2030-03-01", 10).await.is_empty());
    assert_eq!(count(store, &site, "total", "/a").await, 10 + 9);
}

async fn a_clock_that_goes_back_drops_nothing_that_it_keeps<H: Harness>() {
    let (clock, site) = (noon(), site("portal"));
    let harness = H::start_by(clock.clock()).await;
    let store = harness.store();
    let rows = filled(store, &site).await;
    clock.pass(-24 * 30);
    assert!(apply(store, &site, MINE, 1, 2, days(&[])).await.jumped);
    shows(store, &site, &rows).await;
    clock.pass(24 * 30);
    assert!(!apply(store, &site, MINE, 2, 3, days(&[])).await.jumped);
    shows(store, &site, &rows).await;
}

async fn a_clock_that_advances_drops_what_expires<H: Harness>() {
    let (clock, site) = (noon(), site("portal"));
    let harness = H::start_by(clock.clock()).await;
    let store = harness.store();
    filled(store, &site).await;
    // 20 hours at a time are never a jump.
    for seq in 1..60 {
        clock.pass(20);
        assert!(!apply(store, &site, THEIRS, seq - 1, seq, days(&[(clock.now().date_naive(), "/a", 1)])).await.jumped);
        let kept = (clock.now().date_naive() - day("2030-03-01")).num_days() <= 41;
        assert_eq!(count(store, &site, "2030-03-01", "/a").await, u64::from(kept), "{}", clock.now());
    }
    maintain(store, &site, &[]).await;
    assert_eq!(count(store, &site, "total", "/a").await, 10 + 59);
    assert_eq!(count(store, &site, "2030-03-01", "/a").await, 0);
}

async fn each_site_has_a_time_of_its_own<H: Harness>() {
    let (clock, one, two) = (noon(), site("one"), site("two"));
    let harness = H::start_by(clock.clock()).await;
    let store = harness.store();
    let rows = filled(store, &one).await;
    clock.pass(24 * 45);
    assert!(!apply(store, &two, MINE, 0, 1, days(&[])).await.jumped);
    shows(store, &one, &rows).await;
    assert!(apply(store, &one, MINE, 1, 2, days(&[])).await.jumped);
    assert!(!apply(store, &two, MINE, 1, 2, days(&[])).await.jumped);
    shows(store, &one, &rows).await;
}
