//! Exports: all counters of a site, in a fixed order.

use tokio::sync::mpsc;
use truycap::store::{Row, Store};

use super::{Harness, MINE, Memory, Sqlite, add, apply, as_deltas, bucket, export, on_every_store, site, subject};

on_every_store! {
    an_export_has_the_site_first_and_then_article_by_article
    an_export_can_be_applied_to_another_store
    an_export_ends_when_its_receiver_is_dropped
    an_export_does_not_block_applies
}

#[tokio::test]
async fn an_export_of_memory_is_a_snapshot() {
    an_export_is_a_snapshot::<Memory>().await;
}

#[tokio::test]
async fn an_export_of_sqlite_is_a_snapshot() {
    an_export_is_a_snapshot::<Sqlite>().await;
}

async fn an_export_has_the_site_first_and_then_article_by_article<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    // The site first, then article by article in the order of the bytes.
    let ordered = [
        ("2001-01-01", "", 9),
        ("2099", "", 2),
        ("2099-01", "", 7),
        ("2099-01-01", "", 8),
        ("2099-W01", "", 10),
        ("total", "", 11),
        ("2099", "/Z", 3),
        ("2098-12-31", "/a", 1),
        ("2099", "/a", 4),
        ("2099-01-01", "/a", 14),
        ("2099-W01", "/a", 15),
        ("total", "/a", 12),
        ("2099", "/a/", 5),
        ("2099", "/ă", 6),
    ];
    let shuffled: Vec<_> = (0..ordered.len()).map(|i| ordered[i * 5 % ordered.len()]).collect();
    let (first, second) = shuffled.split_at(5);
    add(store, &site, MINE, 0, 1, first).await;
    add(store, &site, MINE, 1, 2, second).await;
    add(store, &site, MINE, 2, 3, &[("2097", "", 0), ("2097", "/zero", 0)]).await;
    let expected = ordered.map(|(name, id, views)| (bucket(name), subject(id), views));
    assert_eq!(export(store, &site).await.unwrap(), expected);
}

async fn an_export_can_be_applied_to_another_store<H: Harness>() {
    let (harness, empty, site) = (H::start().await, H::start().await, site("portal"));
    let rows = [("2099", "", 2), ("2099", "/a", 4), ("total", "", 11), ("2099-W01", "/'", 3), ("2001-01-01", "", 1)];
    add(harness.store(), &site, MINE, 0, 1, &rows).await;
    let exported = export(harness.store(), &site).await.unwrap();
    apply(empty.store(), &site, MINE, 0, 1, as_deltas(&exported)).await;
    assert_eq!(export(empty.store(), &site).await.unwrap(), exported);
    assert_eq!(exported.len(), rows.len());
}

async fn an_export_ends_when_its_receiver_is_dropped<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let names: Vec<_> = (0..100).map(|i| format!("/{i}")).collect();
    let rows: Vec<_> = names.iter().map(|name| ("total", name.as_str(), 1)).collect();
    add(harness.store(), &site, MINE, 0, 1, &rows).await;
    let (sender, mut receiver) = mpsc::channel(1);
    let receive = async move { receiver.recv().await };
    let (sent, first) = tokio::join!(harness.store().export(&site, sender), receive);
    assert_eq!(sent, Ok(()));
    assert_eq!(first, Some((bucket("total"), subject("/0"), 1)));
}

/// Exports four counters of 1, and adds 1 to each once the first is received. Returns the exported counts.
async fn export_during_an_apply<H: Harness>() -> Vec<u64> {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let rows = [("2099", "", 1), ("total", "/a", 1), ("total", "/b", 1), ("total", "/c", 1)];
    add(store, &site, MINE, 0, 1, &rows).await;
    let (sender, mut receiver) = mpsc::channel::<Row>(1);
    let receive = async {
        let mut counts = vec![receiver.recv().await.unwrap().2];
        // The export has started, and cannot finish before the next receive.
        add(store, &site, MINE, 1, 2, &rows).await;
        assert_eq!(crate::store::count(store, &site, "total", "/c").await, 2);
        while let Some((_, _, views)) = receiver.recv().await {
            counts.push(views);
        }
        counts
    };
    let (sent, counts) = tokio::join!(store.export(&site, sender), receive);
    assert_eq!(sent, Ok(()));
    counts
}

async fn an_export_does_not_block_applies<H: Harness>() {
    let counts = export_during_an_apply::<H>().await;
    assert_eq!((counts[0], counts.len()), (1, 4));
}

async fn an_export_is_a_snapshot<H: Harness>() {
    assert_eq!(export_during_an_apply::<H>().await, [1; 4]);
}
