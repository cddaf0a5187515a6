//! The largest counts, and ids with awkward bytes.

use truycap::{
    domain::MAX_COUNT,
    store::{Applied, Store, StoreError},
};

use super::{Harness, MINE, THEIRS, add, article, bucket, count, deltas, export, offset, on_every_store, site};

on_every_store! {
    a_count_can_reach_the_maximum_but_not_exceed_it
    an_increment_of_any_size_past_the_maximum_is_refused
    a_refused_apply_does_not_affect_others
    ids_with_awkward_bytes_round_trip
}

async fn a_count_can_reach_the_maximum_but_not_exceed_it<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    add(store, &site, MINE, 0, 1, &[("total", "", MAX_COUNT - 1), ("total", "/a", MAX_COUNT)]).await;
    add(store, &site, MINE, 1, 2, &[("total", "", 1)]).await;
    assert_eq!(count(store, &site, "total", "").await, MAX_COUNT);
    assert_eq!(store.top(&site, bucket("total"), 1).await.unwrap(), [(article("/a"), MAX_COUNT)]);
    let before = export(store, &site).await.unwrap();
    for id in ["", "/a"] {
        // Counters before and after the full one must not change either.
        let views = deltas(&[("2099", "", 1), ("2099", "/b", 1), ("total", id, 1), ("total", "/z", 1)]);
        let answer = store.apply(&site, MINE, 2, 3, views).await;
        assert_eq!(answer, Err(StoreError::TooMany { site: site.clone(), bucket: bucket("total") }));
    }
    assert_eq!(export(store, &site).await.unwrap(), before);
    assert_eq!(offset(store, &site, MINE).await, 2);
    add(store, &site, MINE, 2, 3, &[("2099", "", 1)]).await;
}

async fn an_increment_of_any_size_past_the_maximum_is_refused<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    for views in [MAX_COUNT + 1, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        for (name, id) in [("total", ""), ("total", "/a"), ("2099", "/a")] {
            let answer = store.apply(&site, MINE, 0, 1, deltas(&[(name, id, views)])).await;
            assert!(matches!(answer, Err(StoreError::TooMany { .. })), "{views}: {answer:?}");
        }
    }
    add(store, &site, MINE, 0, 1, &[("total", "", 1)]).await;
    let answer = store.apply(&site, MINE, 1, 2, deltas(&[("total", "", u64::MAX)])).await;
    assert!(matches!(answer, Err(StoreError::TooMany { .. })), "{answer:?}");
    assert_eq!((count(store, &site, "total", "").await, offset(store, &site, MINE).await), (1, 1));
}

async fn a_refused_apply_does_not_affect_others<H: Harness>() {
    let (early, also_full, other) = (site("early"), site("full"), site("other"));
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    add(store, &site, MINE, 0, 1, &[("total", "", MAX_COUNT)]).await;
    add(store, &also_full, MINE, 0, 1, &[("total", "/a", MAX_COUNT)]).await;
    // All wait at once, so that a store that commits in batches has them in one batch.
    let one = || deltas(&[("2099", "", 1), ("2099", "/a", 1)]);
    let full = deltas(&[("2099", "", 1), ("2099", "/a", 1), ("total", "", 1)]);
    // The first can get a commit of its own, during which the others queue up.
    let (alone, also_refused, first, behind, refused, second, third) = tokio::join!(
        store.apply(&early, MINE, 0, 1, one()),
        store.apply(&also_full, MINE, 1, 2, deltas(&[("2099", "", 1), ("total", "/a", 1)])),
        store.apply(&other, MINE, 0, 1, one()),
        store.apply(&other, THEIRS, 5, 6, one()),
        store.apply(&site, MINE, 1, 2, full),
        store.apply(&site, THEIRS, 0, 1, one()),
        store.apply(&other, MINE, 1, 2, one()),
    );
    assert_eq!((alone, first, second, third), (Ok(Applied::Done(0)), Ok(Applied::Done(0)), Ok(Applied::Done(1)), Ok(Applied::Done(0))));
    assert_eq!(behind, Ok(Applied::Refused(0)));
    assert_eq!(refused, Err(StoreError::TooMany { site: site.clone(), bucket: bucket("total") }));
    assert_eq!(also_refused, Err(StoreError::TooMany { site: also_full.clone(), bucket: bucket("total") }));
    for (site, id, views) in [(&site, "", 1), (&site, "/a", 1), (&other, "", 2), (&other, "/a", 2), (&also_full, "", 0)] {
        assert_eq!(count(store, site, "2099", id).await, views, "{site} {id}");
    }
    assert_eq!((offset(store, &site, MINE).await, offset(store, &also_full, MINE).await), (1, 1));
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
    let top = store.top(&site, bucket("total"), 100).await.unwrap();
    assert!(top.iter().map(|(id, views)| ("total", id.as_str(), *views)).eq(rows.iter().rev().copied()), "{top:?}");
    let mut sorted = ids;
    sorted.sort_unstable();
    let exported = export(store, &site).await.unwrap();
    assert!(exported.iter().map(|(_, id, _)| id.as_ref().unwrap().as_str()).eq(sorted), "{exported:?}");
}
