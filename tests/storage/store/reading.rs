//! Figures, the most viewed articles, histories.

use truycap::{
    domain::figures::{Figure, Figures},
    store::{LIST_LEAST, MAX_ARTICLES, Revision, Store},
};

use super::{Harness, MINE, add, article, at, bucket, day, on_every_store, site, subject, top};

on_every_store! {
    an_unknown_site_has_zeros
    figures_come_from_the_nine_buckets_of_the_day
    figures_of_articles_keep_the_order_of_the_request
    figures_of_the_maximum_number_of_articles_are_returned
    top_is_by_views_and_then_by_the_bytes_of_the_id
    top_returns_at_most_the_limit
    top_covers_one_bucket_and_excludes_the_site
    history_has_zeros_for_empty_buckets
    a_store_in_use_answers_a_ping
}

async fn an_unknown_site_has_zeros<H: Harness>() {
    let (harness, site) = (H::start().await, site("nobody"));
    let store = harness.store();
    let snapshot = store.figures(&site, &[MINE], day("2099-01-01"), &[article("/a")]).await.unwrap();
    assert_eq!((snapshot.offsets, snapshot.revision, snapshot.site), (vec![at(0)], Revision::default(), Figures::default()));
    assert_eq!(snapshot.articles, [Figures::default()]);
    assert_eq!(top(store, &site, "total", 10).await, []);
    assert_eq!(store.history(&site, &subject(""), &[bucket("total"), bucket("2099")]).await.unwrap(), [0, 0]);
    assert_eq!(crate::store::export(store, &site).await.unwrap(), []);
}

/// Every bucket has a different count, so that a figure from the wrong bucket is detected.
const BUCKETS: [(&str, u64); 16] = [
    ("total", 1),
    ("2098-12-31", 2),
    ("2099-01-01", 3),
    ("2099-01-04", 4),
    ("2099-01-05", 5),
    ("2099-01-31", 6),
    ("2099-02-01", 7),
    ("2099-W01", 8),
    ("2099-W02", 9),
    ("2099-W05", 10),
    ("2099-W04", 11),
    ("2098-12", 12),
    ("2099-01", 13),
    ("2099-02", 14),
    ("2098", 15),
    ("2099", 16),
];

async fn figures_come_from_the_nine_buckets_of_the_day<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let of_site = BUCKETS.map(|(name, views)| (name, "", views));
    let of_article = BUCKETS.map(|(name, views)| (name, "/a", 100 * views));
    add(store, &site, MINE, 0, 1, &[of_site, of_article].concat()).await;
    let days = [
        // Thursday 1 January is in week 1, whose Monday is in the previous year; last week is 2098-W52.
        ("2099-01-01", [1, 3, 2, 8, 0, 13, 12, 16, 15]),
        // A Monday, after the first Sunday of the year.
        ("2099-01-05", [1, 5, 4, 9, 8, 13, 12, 16, 15]),
        // The first day of a month, a Sunday.
        ("2099-02-01", [1, 7, 6, 10, 11, 14, 13, 16, 15]),
        ("2100-01-01", [1, 0, 0, 0, 0, 0, 0, 0, 16]),
    ];
    for (today, figures) in days {
        let snapshot = store.figures(&site, &[MINE], day(today), &[article("/a")]).await.unwrap();
        assert_eq!(snapshot.site, Figures::new(figures), "{today}");
        assert_eq!(snapshot.articles, [Figures::new(figures.map(|views| 100 * views))], "{today}");
    }
}

async fn figures_of_articles_keep_the_order_of_the_request<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    add(store, &site, MINE, 0, 1, &[("total", "/a", 1), ("total", "/b", 2), ("total", "/c", 3)]).await;
    let asked = ["/c", "/unknown", "/a", "/b", "/a"].map(article);
    let snapshot = store.figures(&site, &[MINE], day("2099-01-01"), &asked).await.unwrap();
    let totals: Vec<_> = snapshot.articles.iter().map(|figures| figures[Figure::Total]).collect();
    assert_eq!(totals, [3, 0, 1, 2, 1]);
    assert_eq!(snapshot.site, Figures::default(), "articles do not add to the site");
}

async fn figures_of_the_maximum_number_of_articles_are_returned<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let names: Vec<_> = (0..MAX_ARTICLES).map(|i| format!("/{i}")).collect();
    let rows: Vec<_> = (1..).zip(&names).map(|(views, name)| ("2099-01-01", name.as_str(), views)).collect();
    add(harness.store(), &site, MINE, 0, 1, &rows).await;
    let asked: Vec<_> = names.iter().rev().map(|name| article(name)).collect();
    let snapshot = harness.store().figures(&site, &[MINE], day("2099-01-02"), &asked).await.unwrap();
    let yesterdays: Vec<_> = snapshot.articles.iter().map(|figures| figures[Figure::Yesterday]).collect();
    assert_eq!(yesterdays, (1..=MAX_ARTICLES as u64).rev().collect::<Vec<_>>());
}

async fn top_is_by_views_and_then_by_the_bytes_of_the_id<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let rows = [("/b", 5), ("/Z", 5), ("/ă", 5), ("/a", 5), ("/a/", 5), ("/few", 1), ("/most", 10), ("/9", 9)];
    add(store, &site, MINE, 0, 1, &rows.map(|(id, views)| ("2099-W01", id, views))).await;
    let list = top(store, &site, "2099-W01", 100).await;
    let ids: Vec<_> = list.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["/most", "/9", "/Z", "/a", "/a/", "/b", "/ă", "/few"]);
    assert_eq!(list[0].1, 10);
}

async fn top_returns_at_most_the_limit<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    add(store, &site, MINE, 0, 1, &[("total", "/a", 1), ("total", "/b", 2), ("total", "/c", 2)]).await;
    let all = [(article("/b"), 2), (article("/c"), 2), (article("/a"), 1)];
    for limit in [0, 1, 2, 3, 4, LIST_LEAST] {
        assert_eq!(top(store, &site, "total", limit).await, all[..limit.min(3)]);
    }
}

async fn top_covers_one_bucket_and_excludes_the_site<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    add(store, &site, MINE, 0, 1, &[("2099-01", "", 50), ("2099-01", "/a", 1), ("2099-01-01", "/b", 2), ("2099", "/c", 0)]).await;
    assert_eq!(top(store, &site, "2099-01", 9).await, [(article("/a"), 1)]);
    assert_eq!(top(store, &site, "2099-01-01", 9).await, [(article("/b"), 2)]);
    assert_eq!(top(store, &site, "2099", 9).await, [], "an article without views is left out");
}

async fn history_has_zeros_for_empty_buckets<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    add(store, &site, MINE, 0, 1, &[("2099-01-01", "", 4), ("2099-01-03", "", 6), ("2099-01-03", "/a", 2)]).await;
    let buckets = ["2099-01-03", "2099-01-02", "2099-01-01", "2099-W01", "2099-01-03"].map(bucket);
    assert_eq!(store.history(&site, &subject(""), &buckets).await.unwrap(), [6, 0, 4, 0, 6]);
    assert_eq!(store.history(&site, &subject("/a"), &buckets).await.unwrap(), [2, 0, 0, 0, 2]);
    assert_eq!(store.history(&site, &subject("/b"), &buckets).await.unwrap(), [0; 5]);
    assert!(store.history(&site, &subject(""), &[]).await.unwrap().is_empty());
}

async fn a_store_in_use_answers_a_ping<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    assert_eq!(harness.store().ping().await, Ok(()));
    add(harness.store(), &site, MINE, 0, 1, &[("total", "", 1)]).await;
    assert_eq!(harness.store().ping().await, Ok(()));
}
