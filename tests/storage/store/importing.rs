//! Views of other days than today: late ones, imported ones, and those of a clock that was ahead.

use std::fs::{self, File};

use chrono::DateTime;
use tempfile::TempDir;
use truycap::{
    domain::{
        counts::{Deltas, Kind, Subject},
        period::BucketSet,
    },
    store::Store,
    transfer::{
        self, Dialect, Reading,
        corrections::{Order, undo},
    },
};

use super::{Harness, MINE, TestClock, add, apply, article, count, day, days, export, maintain, on_every_store, site, top};

on_every_store! {
    late_views_count_on_their_day
    an_imported_period_goes_wherever_it_belongs
    a_period_in_the_future_and_then_the_present
    one_apply_can_have_days_and_single_buckets_of_an_article
    earlier_periods_come_in_any_order
    periods_before_1970_are_kept_and_expired_ones_are_not
    visits_of_a_file_are_exported_imported_and_taken_back
}

async fn late_views_count_on_their_day<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    apply(store, &site, MINE, 0, 1, days(&[(day("2098-12-31"), "/a", 1)])).await;
    apply(store, &site, MINE, 1, 2, days(&[(day("2099-01-01"), "/a", 10)])).await;
    // After midnight, a flush has both days.
    apply(store, &site, MINE, 2, 3, days(&[(day("2098-12-31"), "/a", 2), (day("2099-01-01"), "/a", 20)])).await;
    apply(store, &site, MINE, 3, 4, days(&[(day("2099-01-02"), "/a", 100), (day("2098-12-31"), "/a", 3)])).await;
    for (name, views) in [
        ("2098-12-31", 6),
        ("2099-01-01", 30),
        ("2099-01-02", 100),
        ("2098-12", 6),
        ("2099-01", 130),
        ("2098", 6),
        ("2099", 130),
        ("2099-W01", 136),
        ("total", 136),
    ] {
        assert_eq!(count(store, &site, name, "/a").await, views, "{name}");
        assert_eq!(top(store, &site, name, 5).await, [(article("/a"), views)], "{name}");
    }
    assert_eq!(export(store, &site).await.unwrap().len(), 9);
}

async fn an_imported_period_goes_wherever_it_belongs<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    // Newer than both of the record, between them, earlier than both, the same as each, and one that is in the past already.
    let order = ["2099-03", "2099-07", "2099-09", "2099-08", "2099-01", "2099-09", "2099-08", "2099-02", "2099-01", "2099-12", "2099-08"];
    for (done, (seq, name)) in (1..).zip((0..).zip(order)) {
        add(store, &site, MINE, seq, seq + 1, &[(name, "/a", 1 << seq)]).await;
        for known in &order[..done] {
            let views = order[..done].iter().enumerate().filter(|(_, name)| *name == known).map(|(at, _)| 1 << at).sum::<u64>();
            assert_eq!(count(store, &site, known, "/a").await, views, "{known} after {name}");
            assert_eq!(top(store, &site, known, 5).await, [(article("/a"), views)], "{known} after {name}");
        }
    }
    assert_eq!(count(store, &site, "2099-06", "/a").await, 0);
    assert_eq!(count(store, &site, "total", "/a").await, 0, "a single bucket adds to no other one");
    assert_eq!(top(store, &site, "total", 5).await, []);
}

async fn a_period_in_the_future_and_then_the_present<H: Harness>() {
    let clock = TestClock::at("2030-03-20T12:00:00Z");
    let (harness, site) = (H::start_by(clock.clock()).await, site("portal"));
    let store = harness.store();
    apply(store, &site, MINE, 0, 1, days(&[(day("2030-03-20"), "/a", 1), (day("2030-03-21"), "/a", 2), (day("2031-06-01"), "/a", 4)]))
        .await;
    apply(store, &site, MINE, 1, 2, days(&[(day("2032-07-01"), "/a", 8), (day("2030-03-20"), "/a", 16)])).await;
    let known = [("2030-03-20", 17), ("2030-03-21", 2), ("2031-06-01", 4), ("2032-07-01", 8), ("2030", 19), ("total", 31)];
    for (name, views) in known {
        assert_eq!(count(store, &site, name, "/a").await, views, "{name}");
    }
    let figures = store.figures(&site, &[], day("2030-03-21"), &[article("/a")]).await.unwrap().articles[0];
    use truycap::domain::figures::Figure::{LastMonth, ThisMonth, ThisWeek, ThisYear, Today, Total, Yesterday};
    assert_eq!([Today, Yesterday, ThisWeek, ThisMonth, LastMonth, ThisYear, Total].map(|f| figures[f]), [2, 17, 19, 19, 0, 19, 31]);
    maintain(store, &site, &[]).await;
    assert_eq!(export(store, &site).await.unwrap().len(), 4 + 3 + 3 + 3 + 1);
}

async fn one_apply_can_have_days_and_single_buckets_of_an_article<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let mut deltas = Deltas::default();
    let mut put = |set: BucketSet, views| {
        deltas.add(set, Some(article("/a")), views);
        deltas.add(set, None, 100 * views);
    };
    put(BucketSet::of_day(day("2099-01-01")), 1);
    put(BucketSet::of_day(day("2099-01-02")), 2);
    put(["2099-01-01"].map(super::bucket).into_iter().collect(), 4);
    put(["2099", "total"].map(super::bucket).into_iter().collect(), 8);
    put(["2098-W10"].map(super::bucket).into_iter().collect(), 16);
    put(["2099-01", "2099", "total"].map(super::bucket).into_iter().collect(), 32);
    deltas.add(BucketSet::of_day(day("2099-01-02")), Some(article("/b")), 1);
    apply(store, &site, MINE, 0, 1, deltas.into()).await;
    for (name, views) in
        [("2099-01-01", 5), ("2099-01-02", 2), ("2099-W01", 3), ("2098-W10", 16), ("2099-01", 35), ("2099", 43), ("total", 43)]
    {
        assert_eq!((count(store, &site, name, "/a").await, count(store, &site, name, "").await), (views, 100 * views), "{name}");
        assert_eq!(top(store, &site, name, 1).await, [(article("/a"), views)], "{name}");
    }
    assert_eq!(count(store, &site, "2099-01-02", "/b").await, 1);
}

async fn earlier_periods_come_in_any_order<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let all: Vec<_> = day("2098-12-20").iter_days().take(37).collect();
    let shuffled: Vec<_> = (0..all.len()).map(|i| all[i * 11 % all.len()]).collect();
    for (seq, two) in (0..).zip(shuffled.chunks(2)) {
        let rows: Vec<_> = two.iter().map(|day| (*day, "/a", 1)).collect();
        apply(store, &site, MINE, seq, seq + 1, days(&rows)).await;
    }
    for today in &all {
        let figures = store.figures(&site, &[], *today, &[article("/a")]).await.unwrap().articles[0];
        let expected =
            truycap::domain::figures::Figure::buckets(*today).map(|bucket| all.iter().filter(|day| bucket.contains(**day)).count() as u64);
        assert_eq!(figures, truycap::domain::figures::Figures::new(expected), "{today}");
    }
}

async fn periods_before_1970_are_kept_and_expired_ones_are_not<H: Harness>() {
    let clock = TestClock::at("1969-02-01T00:00:00Z");
    let (harness, site) = (H::start_by(clock.clock()).await, site("portal"));
    let store = harness.store();
    let rows = ["1969-01-01", "1969-01-20", "1968-12-31", "1969-01-31", "1968-11-30"].map(|name| (day(name), "/a", 1));
    apply(store, &site, MINE, 0, 1, days(&rows)).await;
    for (name, views) in
        [("1969-01-01", 1), ("1969-01-20", 1), ("1968-12-31", 1), ("1968-11-30", 0), ("1968-11", 1), ("1969-01", 3), ("1969-W01", 2)]
    {
        assert_eq!(count(store, &site, name, "/a").await, views, "{name}");
        assert_eq!(top(store, &site, name, 1).await.first().map_or(0, |row| row.1), views, "{name}");
    }
    assert_eq!(count(store, &site, "1968", "/a").await, 2);
    maintain(store, &site, &[super::section("/")]).await;
    for name in ["1969-01-01", "1968-12-31", "1968-11", "1969-W01", "1968-W48", "1968"] {
        let list = store.top(&site, Some(&super::section("/")), super::bucket(name), 5).await.unwrap();
        assert_eq!(list.articles, top(store, &site, name, 5).await, "{name}");
    }
}

async fn import_text(store: &dyn Store, text: &[u8]) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.csv");
    fs::write(&path, text).unwrap();
    let sites = [(site("portal"), chrono_tz::Tz::UTC)].into();
    let reading = Reading { sites, site: None, format: None, until: None, today: day("2020-01-17") };
    let checked = transfer::check(&path, File::open(&path).unwrap(), &reading, |_, _| {}).unwrap();
    transfer::import(store, &checked, DateTime::UNIX_EPOCH, "", |_, _| {}).await.unwrap();
}

async fn visits_of_a_file_are_exported_imported_and_taken_back<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    import_text(store, b"site,article,period,views,visits\nportal,,2020-01-16,30,12\nportal,,2019,100,40\nportal,/a,2019,10,\n").await;
    let visits = Subject::Kind(Kind::Visits);
    let buckets = ["2020-01-16", "2020-W03", "2020-01", "2020", "2019", "total"].map(super::bucket);
    assert_eq!(store.history(&site, &visits, &buckets).await.unwrap(), [12, 12, 12, 12, 40, 52]);
    for dialect in [Dialect::Plain, Dialect::Excel] {
        let (mut file, copy) = (Vec::new(), H::start().await);
        transfer::export(store, std::slice::from_ref(&site), dialect, &mut file, |_| {}).await.unwrap();
        import_text(copy.store(), &file).await;
        assert_eq!(export(copy.store(), &site).await.unwrap(), export(store, &site).await.unwrap());
        assert_eq!(copy.store().history(&site, &visits, &buckets).await.unwrap(), [12, 12, 12, 12, 40, 52]);
    }
    let order = Order { store, at: DateTime::UNIX_EPOCH, reason: "", dry_run: false };
    undo(&order, &site, 1, |_, _| {}).await.unwrap();
    assert_eq!(export(store, &site).await.unwrap(), []);
}
