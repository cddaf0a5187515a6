//! The largest counts, and ids with awkward bytes.

use truycap::{
    domain::MAX_COUNT,
    store::{Applied, Store},
};

use super::{
    Harness, MINE, THEIRS, add, apply, article, at, bucket, count, days, deltas, export, offset, on_every_store, site, subject, top,
};

on_every_store! {
    a_counter_stays_at_the_maximum_and_others_go_on
    an_increment_of_any_size_saturates
    a_refused_apply_does_not_affect_others
    large_counts_are_exact_everywhere
    ids_with_awkward_bytes_round_trip
}

async fn a_counter_stays_at_the_maximum_and_others_go_on<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    assert!(!add(store, &site, MINE, 0, 1, &[("total", "", MAX_COUNT - 1), ("total", "/a", MAX_COUNT)]).await.saturated);
    assert!(!add(store, &site, MINE, 1, 2, &[("total", "", 1)]).await.saturated);
    for (seq, id) in [(2, ""), (3, "/a")] {
        let done = add(store, &site, MINE, seq, seq + 1, &[("2099", "", 1), ("2099", "/b", 1), ("total", id, 1), ("total", "/z", 1)]).await;
        assert!(done.saturated, "{id}");
    }
    assert_eq!((count(store, &site, "total", "").await, count(store, &site, "total", "/a").await), (MAX_COUNT, MAX_COUNT));
    assert_eq!((count(store, &site, "2099", "").await, count(store, &site, "2099", "/b").await), (2, 2));
    assert_eq!(top(store, &site, "total", 9).await, [(article("/a"), MAX_COUNT), (article("/z"), 2)]);
    assert_eq!(offset(store, &site, MINE).await, 4);
    assert!(!add(store, &site, MINE, 4, 5, &[("2099", "", 1)]).await.saturated);
}

async fn an_increment_of_any_size_saturates<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    for (i, views) in [MAX_COUNT + 1, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX].into_iter().enumerate() {
        let site = site(&format!("site-{i}"));
        for (seq, (name, id)) in (0..).zip([("total", ""), ("total", "/a"), ("2099", "/a"), ("2098", "/a"), ("2097", "/a"), ("2097", "/a")])
        {
            assert!(add(store, &site, MINE, seq, seq + 1, &[(name, id, views)]).await.saturated, "{views} in {name} of {id}");
            assert_eq!(count(store, &site, name, id).await, MAX_COUNT);
        }
        assert_eq!(export(store, &site).await.unwrap().iter().map(|(_, _, views)| *views).collect::<Vec<_>>(), [MAX_COUNT; 5]);
    }
}

async fn a_refused_apply_does_not_affect_others<H: Harness>() {
    let (early, other) = (site("early"), site("other"));
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    add(store, &site, MINE, 0, 1, &[("total", "", 5)]).await;
    // All wait at once, so that a store that commits in batches has them in one batch.
    let one = || deltas(&[("2099", "", 1), ("2099", "/a", 1)]);
    // The first can get a commit of its own, during which the others queue up.
    let (alone, first, behind, refused, second, third) = tokio::join!(
        store.apply(&early, MINE, at(0), at(1), one()),
        store.apply(&other, MINE, at(0), at(1), one()),
        store.apply(&other, THEIRS, at(5), at(6), one()),
        store.apply(&site, MINE, at(0), at(2), one()),
        store.apply(&site, THEIRS, at(0), at(1), one()),
        store.apply(&other, MINE, at(1), at(2), one()),
    );
    for applied in [alone, first, second, third] {
        assert!(matches!(applied, Ok(Applied::Done(_))), "{applied:?}");
    }
    assert_eq!((behind, refused), (Ok(Applied::Refused(at(0))), Ok(Applied::Refused(at(1)))));
    for (site, id, views) in [(&site, "", 1), (&site, "/a", 1), (&other, "", 2), (&other, "/a", 2)] {
        assert_eq!(count(store, site, "2099", id).await, views, "{site} {id}");
    }
}

async fn large_counts_are_exact_everywhere<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    // From 10^14 on, and up to the last even and odd counts that a double holds.
    for (seq, views) in (0..).zip([99_999_999_999_998, 1, 1, 1, 900_000_000_000_000, 8_007_199_254_740_983, 1, 1, 1]) {
        // The first day is in the past of the record, and the last two are in it.
        let days = days(&["2099-01-01", "2099-01-05", "2099-03-03"].map(|day| (crate::store::day(day), "/a", views)));
        let days_of_site = deltas(&[("2099", "", views), ("total", "", views)]);
        apply(store, &site, MINE, 2 * seq, 2 * seq + 1, days).await;
        apply(store, &site, MINE, 2 * seq + 1, 2 * seq + 2, days_of_site).await;
        let sum = count(store, &site, "2099", "").await;
        for (name, id) in [("total", ""), ("2099-01-01", "/a"), ("2099-01-05", "/a"), ("2099-03-03", "/a"), ("2099-03", "/a")] {
            assert_eq!(count(store, &site, name, id).await, sum, "{name} of {id}");
            if !id.is_empty() {
                assert_eq!(top(store, &site, name, 9).await, [(article("/a"), sum)]);
            }
            let exported = export(store, &site).await.unwrap();
            assert!(exported.contains(&(bucket(name), subject(id), sum)), "{name} of {id}: {exported:?}");
        }
    }
    assert_eq!(count(store, &site, "2099-01-01", "/a").await, 9_007_199_254_740_987);
}

async fn ids_with_awkward_bytes_round_trip<H: Harness>() {
    let (harness, site) = (H::start().await, site("0.-_Z"));
    let store = harness.store();
    let long = "ế".repeat(85) + "x";
    assert_eq!(long.len(), 256);
    let ids = [
        long.as_str(),
        "'",
        "\"",
        "''; DROP TABLE views; --",
        "%",
        "%2F_\\",
        "*?[a]{}",
        ":",
        "|",
        " ",
        "  a ",
        "total",
        "\u{a0}",
        "/tin/thống-kê?x=1&y=2#z",
        "🇻🇳",
        "\u{10ffff}",
        "\u{200b}",
        "0",
        "-1",
        "1e3",
        "None",
        "null",
    ];
    let rows: Vec<_> = (1..).zip(ids).map(|(views, id)| ("total", id, views)).collect();
    add(store, &site, MINE, 0, 1, &rows).await;
    for (_, id, views) in &rows {
        assert_eq!(count(store, &site, "total", id).await, *views, "{id:?}");
    }
    let list = top(store, &site, "total", 100).await;
    assert!(list.iter().map(|(id, views)| ("total", id.as_str(), *views)).eq(rows.iter().rev().copied()), "{list:?}");
    let mut sorted = ids;
    sorted.sort_unstable();
    let exported = export(store, &site).await.unwrap();
    assert!(exported.iter().map(|(_, id, _)| id.article().unwrap().as_str()).eq(sorted), "{exported:?}");
}
