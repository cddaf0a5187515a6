//! The one rule: counters and offset move together, and only from the stored offset.

use truycap::{
    domain::producer::ProducerId,
    store::{Applied, Store},
};

use super::{Harness, MINE, THEIRS, add, count, deltas, offset, on_every_store, site};

on_every_store! {
    an_apply_from_the_offset_moves_counters_and_offset
    an_apply_returns_the_same_sum_of_other_offsets_as_figures
    an_apply_whose_reply_was_lost_is_not_counted_twice
    a_stale_copy_that_arrives_late_changes_nothing
    an_apply_from_any_other_offset_changes_nothing
    of_two_applies_from_the_same_offset_exactly_one_wins
    each_producer_has_its_own_offset
    sites_do_not_mix
    many_sites_that_apply_at_once_are_all_counted
    an_apply_without_views_moves_the_offset
    applied_counts_survive_a_restart
}

async fn an_apply_from_the_offset_moves_counters_and_offset<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    add(store, &site, MINE, 0, 3, &[("2099-01-01", "", 5), ("2099-01-01", "/a", 2), ("total", "", 5)]).await;
    add(store, &site, MINE, 3, 9, &[("2099-01-01", "", 1), ("2099-01-01", "/a", 1), ("total", "/a", 7)]).await;
    assert_eq!(offset(store, &site, MINE).await, 9);
    assert_eq!(count(store, &site, "2099-01-01", "").await, 6);
    assert_eq!(count(store, &site, "2099-01-01", "/a").await, 3);
    assert_eq!(count(store, &site, "total", "").await, 5);
    assert_eq!(count(store, &site, "total", "/a").await, 7);
}

async fn an_apply_returns_the_same_sum_of_other_offsets_as_figures<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let one = || deltas(&[("total", "", 1)]);
    for (producer, from, to, others) in [(MINE, 0, 3, 0), (THEIRS, 0, 5, 3), (MINE, 3, 4, 5), (ProducerId(9), 0, 7, 9), (THEIRS, 5, 6, 11)]
    {
        assert_eq!(store.apply(&site, producer, from, to, one()).await, Ok(Applied::Done(others)));
        let snapshot = store.figures(&site, producer, "2026-11-23".parse().unwrap(), &[]).await.unwrap();
        assert_eq!((snapshot.offset, snapshot.others), (to, others));
    }
}

async fn an_apply_whose_reply_was_lost_is_not_counted_twice<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let views = deltas(&[("total", "", 5), ("total", "/a", 5)]);
    assert_eq!(store.apply(&site, MINE, 0, 3, views.clone()).await, Ok(Applied::Done(0)));
    assert_eq!(store.apply(&site, MINE, 0, 3, views).await, Ok(Applied::Refused(3)));
    assert_eq!(count(store, &site, "total", "").await, 5);
    assert_eq!(count(store, &site, "total", "/a").await, 5);
}

async fn a_stale_copy_that_arrives_late_changes_nothing<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    for seq in 0..4 {
        add(store, &site, MINE, seq, seq + 1, &[("total", "", 1)]).await;
    }
    assert_eq!(store.apply(&site, MINE, 1, 2, deltas(&[("total", "", 1)])).await, Ok(Applied::Refused(4)));
    assert_eq!((count(store, &site, "total", "").await, offset(store, &site, MINE).await), (4, 4));
}

async fn an_apply_from_any_other_offset_changes_nothing<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    assert_eq!(store.apply(&site, MINE, 7, 8, deltas(&[("total", "", 9)])).await, Ok(Applied::Refused(0)));
    assert_eq!((count(store, &site, "total", "").await, offset(store, &site, MINE).await), (0, 0));
    add(store, &site, MINE, 0, 7, &[("total", "", 1)]).await;
    for from in [0, 6, 8, u64::MAX] {
        assert_eq!(store.apply(&site, MINE, from, 99, deltas(&[("total", "", 9)])).await, Ok(Applied::Refused(7)));
    }
    assert_eq!((count(store, &site, "total", "").await, offset(store, &site, MINE).await), (1, 7));
}

async fn of_two_applies_from_the_same_offset_exactly_one_wins<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    for round in 0..50 {
        let (from, one, two) = (round * 2, deltas(&[("total", "", 1)]), deltas(&[("total", "", 1000)]));
        let answers = tokio::join!(store.apply(&site, MINE, from, from + 2, one), store.apply(&site, MINE, from, from + 2, two));
        let refused = Ok(Applied::Refused(from + 2));
        let before = count(store, &site, "total", "").await;
        let one_won = answers == (Ok(Applied::Done(0)), refused.clone());
        assert!(one_won || answers == (refused, Ok(Applied::Done(0))), "{answers:?}");
        assert_eq!((before / 1000 + before % 1000), round + 1, "each round counts once");
    }
}

async fn each_producer_has_its_own_offset<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    add(store, &site, MINE, 0, 5, &[("total", "", 1)]).await;
    add(store, &site, THEIRS, 0, 7, &[("total", "", 1)]).await;
    add(store, &site, ProducerId(u128::MAX), 0, 11, &[("total", "", 1)]).await;
    add(store, &site, THEIRS, 7, 8, &[("total", "", 1)]).await;
    let today = crate::store::day("2099-01-01");
    for (producer, own, others) in [(MINE, 5, 19), (THEIRS, 8, 16), (ProducerId(u128::MAX), 11, 13), (ProducerId(3), 0, 24)] {
        let snapshot = store.figures(&site, producer, today, &[]).await.unwrap();
        assert_eq!((snapshot.offset, snapshot.others), (own, others), "{producer}");
    }
    assert_eq!(count(store, &site, "total", "").await, 4);
}

async fn sites_do_not_mix<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    // Ids that are prefixes of each other, or differ only in case.
    let sites = ["a", "A", "a.b", "a.b.c", "a_b", "a-b"].map(site);
    for (i, site) in (1..).zip(&sites) {
        add(store, site, MINE, 0, i, &[("total", "", i), ("total", "/x", 10 * i), ("2099", "", 100 * i)]).await;
    }
    for (i, site) in (1..).zip(&sites) {
        let snapshot = store.figures(site, THEIRS, crate::store::day("2099-05-05"), &[]).await.unwrap();
        assert_eq!((snapshot.offset, snapshot.others), (0, i));
        assert_eq!(offset(store, site, MINE).await, i);
        assert_eq!(count(store, site, "total", "").await, i);
        assert_eq!(store.top(site, crate::store::bucket("total"), 9).await.unwrap(), [(crate::store::article("/x"), 10 * i)]);
        assert_eq!(crate::store::export(store, site).await.unwrap().len(), 3);
    }
}

async fn many_sites_that_apply_at_once_are_all_counted<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let sites: Vec<_> = (0..600).map(|i| site(&format!("site-{i}"))).collect();
    let mut waiting: Vec<_> = Vec::new();
    for (i, site) in (1..).zip(&sites) {
        waiting.push(Box::pin(store.apply(site, MINE, 0, 1, deltas(&[("total", "", i)]))));
    }
    // All applies are started before any of them is awaited.
    let all = std::future::poll_fn(|cx| {
        waiting.retain_mut(|apply| match apply.as_mut().poll(cx) {
            std::task::Poll::Ready(answer) => {
                assert_eq!(answer, Ok(Applied::Done(0)));
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    });
    all.await;
    for (i, site) in (1..).zip(&sites) {
        assert_eq!(count(store, site, "total", "").await, i);
    }
}

async fn an_apply_without_views_moves_the_offset<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    add(store, &site, MINE, 0, 4, &[]).await;
    assert_eq!(offset(store, &site, MINE).await, 4);
    assert_eq!(crate::store::export(store, &site).await.unwrap(), []);
}

async fn applied_counts_survive_a_restart<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let rows = [("2099-01-01", "", 5), ("2099-01-01", "/a", 2), ("total", "", 5)];
    add(harness.store(), &site, MINE, 0, 3, &rows).await;
    let before = crate::store::export(harness.store(), &site).await.unwrap();
    let harness = harness.restart().await;
    assert_eq!(crate::store::export(harness.store(), &site).await.unwrap(), before);
    assert_eq!(before.len(), 3);
    assert_eq!(offset(harness.store(), &site, MINE).await, 3);
    add(harness.store(), &site, MINE, 3, 4, &rows).await;
    assert_eq!(count(harness.store(), &site, "total", "").await, 10);
}
