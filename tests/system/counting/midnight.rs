//! Views around midnight.

use chrono::{DateTime, Utc};
use truycap::domain::record::Record;

use super::{
    figures::store,
    process::{Place, Service, eventually, service::nine},
};

const BEFORE: &str = "2020-01-17T23:59:30+07:00";
const AFTER: &str = "2020-01-18T00:00:05+07:00";

/// The store's views of the site, or of an article, in a bucket.
fn counted(place: &Place, bucket: &str, article: &str) -> i64 {
    let store = store(place);
    if article.is_empty() {
        let query = "SELECT coalesce(sum(views), 0) FROM site_views WHERE bucket = ?1";
        return store.query_row(query, [bucket], |row| row.get(0)).unwrap();
    }
    let records = store.query_row("SELECT coalesce(max(record), '0||||') FROM articles WHERE article = ?1", [article], |row| row.get(0));
    let record: Record = records.map(|record: String| record.parse().unwrap()).unwrap();
    record.views(bucket.parse().unwrap()).unwrap().try_into().unwrap()
}

/// One view is acknowledged on the 17th while the store is locked, another one after midnight.
fn count_around_midnight(killed: bool) {
    let mut place = Place::new();
    place.set_clock(BEFORE);
    let mut service = place.start();
    let lock = store(&place);
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let site = service.count("portal", "/tin/1")["site"].clone();
    if !site.is_null() {
        assert_eq!(nine(&site)[..3], [1, 1, 0]);
    }
    if killed {
        service.process.kill();
        place.set_clock(AFTER);
        assert_eq!(counted(&place, "total", ""), 0, "the view should wait");
        // A start waits until it can open the store, so the lock is released first.
        lock.execute_batch("ROLLBACK").unwrap();
        service = place.start();
    } else {
        place.set_clock(AFTER);
    }
    service.count("portal", "/tin/1");
    if !killed {
        assert_eq!(counted(&place, "total", ""), 0, "the views should wait");
        lock.execute_batch("ROLLBACK").unwrap();
    }
    eventually("both views in the store", || (counted(&place, "total", "") == 2).then_some(()));
    for article in ["", "/tin/1"] {
        assert_eq!(["2020-01-17", "2020-01-18"].map(|day| counted(&place, day, article)), [1, 1]);
    }
    assert_eq!(service.site("portal"), [2, 1, 1, 2, 0, 2, 0, 2, 0]);
    assert_eq!(service.article("portal", "/tin/1"), [2, 1, 1, 2, 0, 2, 0, 2, 0]);
}

#[test]
fn a_view_that_reaches_the_store_after_midnight_is_counted_on_the_day_it_was_received() {
    count_around_midnight(false);
}

#[test]
fn a_view_of_a_process_killed_before_midnight_is_counted_on_the_day_it_was_received() {
    count_around_midnight(true);
}

#[test]
fn midnight_under_load_splits_the_views_by_the_time_they_were_received() {
    let mut place = Place::new();
    place.set_clock("2020-01-17T23:59:57+07:00");
    let service = place.start();
    let midnight = DateTime::parse_from_rfc3339("2020-01-18T00:00:00+07:00").unwrap().to_utc();
    let offset: i64 = std::fs::read_to_string(place.path("clock")).unwrap().trim().parse().unwrap();
    let now = || Utc::now() + chrono::Duration::seconds(offset);
    let send = || {
        let (mut client, mut sent, mut early, mut perhaps_early) = (service.client(), 0_i64, 0, 0);
        while now() < midnight + chrono::Duration::seconds(1) {
            let began = now();
            client.count("portal", "");
            sent += 1;
            early += i64::from(now() < midnight);
            perhaps_early += i64::from(began < midnight);
        }
        [sent, early, perhaps_early]
    };
    let sums = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).reduce(|a, b| std::array::from_fn(|i| a[i] + b[i])).unwrap()
    });
    let [sent, early, perhaps_early] = sums;
    let [total, today, yesterday, ..] = service.site("portal").map(u64::cast_signed);
    assert!(0 < early && perhaps_early < sent, "views on both sides: {sums:?}");
    assert_eq!((total, today + yesterday), (sent, sent));
    assert!((early..=perhaps_early).contains(&yesterday), "{yesterday}: {sums:?}");
    eventually("the same days in the store", || {
        let days = ["2020-01-17", "2020-01-18", "total"].map(|day| counted(&place, day, ""));
        (days == [yesterday, today, sent]).then_some(())
    });
}

#[test]
fn each_site_changes_day_at_midnight_in_its_own_time_zone() {
    let mut place = Place::new().with(
        "SITES",
        r#"[{ id = "hanoi", origins = ["https://vn.example"] },
            { id = "newyork", origins = ["https://us.example"], timezone = "America/New_York" }]"#,
    );
    let shows = |place: &Place, service: &Service, hanoi: [u64; 9], newyork: [u64; 9]| {
        for (site, figures) in [("hanoi", hanoi), ("newyork", newyork)] {
            assert_eq!(service.site(site), figures, "{site}");
            eventually("the same in the store", || (place.figures(&[site]) == figures).then_some(()));
        }
    };
    // Friday 31 January: the last minute of the day in Hà Nội, noon in New York.
    place.set_clock("2020-01-31T23:59:30+07:00");
    let service = place.start();
    service.count("hanoi", "");
    service.views("newyork", "", 2);
    place.set_clock("2020-02-01T00:00:05+07:00");
    service.views("hanoi", "", 3);
    service.views("newyork", "", 4);
    shows(&place, &service, [4, 3, 1, 4, 0, 3, 1, 4, 0], [6, 6, 0, 6, 0, 6, 0, 6, 0]);
    // In New York, the month ends twelve hours later.
    place.set_clock("2020-02-01T00:00:05-05:00");
    service.count("hanoi", "");
    service.count("newyork", "");
    shows(&place, &service, [5, 4, 1, 5, 0, 4, 1, 5, 0], [7, 1, 6, 7, 0, 1, 6, 7, 0]);
    let export = place.ok(&["export"]);
    for row in ["hanoi,,2020-01-31,1", "hanoi,,2020-02-01,4", "newyork,,2020-01-31,6", "newyork,,2020-02-01,1"] {
        assert!(export.lines().any(|line| line == row), "{row}\n{export}");
    }
}
