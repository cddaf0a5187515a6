//! Expired buckets of articles. The tests use 2001, which has expired by any clock.

use truycap::{domain::figures::Figure, store::Store};

use super::{Harness, MINE, add, article, bucket, count, day, export, offset, on_every_store, site, subject, top};

on_every_store! {
    expired_article_increments_are_dropped_and_the_rest_is_kept
    sites_and_totals_are_kept_for_ever
    a_dropped_increment_cannot_make_an_apply_fail
    a_bucket_of_today_is_kept
}

async fn expired_article_increments_are_dropped_and_the_rest_is_kept<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let old = ["2001-01-01", "2001-W01", "2001-01", "2001"];
    let rows: Vec<_> = old.iter().flat_map(|name| [(*name, "", 3), (*name, "/a", 2)]).collect();
    add(store, &site, MINE, 0, 1, &[&rows[..], &[("total", "", 3), ("total", "/a", 2)]].concat()).await;
    assert_eq!(offset(store, &site, MINE).await, 1);
    for name in old {
        assert_eq!((count(store, &site, name, "").await, count(store, &site, name, "/a").await), (3, 0), "{name}");
        assert_eq!(top(store, &site, name, 10).await, []);
    }
    let snapshot = store.figures(&site, &[MINE], day("2001-01-01"), &[article("/a")]).await.unwrap();
    assert_eq!((snapshot.site[Figure::Today], snapshot.site[Figure::ThisYear]), (3, 3));
    assert_eq!((snapshot.articles[0][Figure::Today], snapshot.articles[0][Figure::ThisYear]), (0, 0));
    assert_eq!(snapshot.articles[0][Figure::Total], 2);
    let of_articles: Vec<_> = export(store, &site).await.unwrap().into_iter().filter(|row| row.1.article().is_some()).collect();
    assert_eq!(of_articles, [(bucket("total"), subject("/a"), 2)]);
}

async fn sites_and_totals_are_kept_for_ever<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    for seq in 0..3 {
        add(store, &site, MINE, seq, seq + 1, &[("0001", "", 1), ("1969-12-31", "", 1), ("total", "/a", 1)]).await;
    }
    assert_eq!((count(store, &site, "0001", "").await, count(store, &site, "1969-12-31", "").await), (3, 3));
    assert_eq!(count(store, &site, "total", "/a").await, 3);
}

async fn a_dropped_increment_cannot_make_an_apply_fail<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    add(harness.store(), &site, MINE, 0, 1, &[("2001", "/a", u64::MAX), ("2001", "", 1)]).await;
    assert_eq!(count(harness.store(), &site, "2001", "").await, 1);
}

async fn a_bucket_of_today_is_kept<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let names = truycap::domain::period::Bucket::of_day(chrono::Utc::now().date_naive()).map(|bucket| bucket.to_string());
    let rows: Vec<_> = names.iter().map(|name| (name.as_str(), "/a", 1)).collect();
    add(store, &site, MINE, 0, 1, &rows).await;
    for name in &names {
        assert_eq!(count(store, &site, name, "/a").await, 1, "{name}");
    }
}
