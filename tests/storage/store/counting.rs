//! The one rule: counters and offset move together, and only from the stored offset.

use truycap::{
    domain::producer::{Digest, Position, ProducerId},
    store::{Applied, Revision, Store},
};

use super::{Harness, MINE, THEIRS, add, apply, at, count, deltas, offset, on_every_store, site, top};

on_every_store! {
    an_apply_from_the_offset_moves_counters_and_offset
    an_apply_returns_the_same_revisions_as_figures_and_lists
    an_apply_whose_reply_was_lost_is_not_counted_twice
    a_stale_copy_that_arrives_late_changes_nothing
    an_apply_from_any_other_offset_changes_nothing
    of_two_applies_from_the_same_offset_exactly_one_wins
    each_producer_has_its_own_offset
    stores_that_took_different_applies_have_different_revisions
    an_apply_from_the_right_number_of_another_history_changes_nothing
    an_apply_that_needs_earlier_entries_is_refused_without_them
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

async fn an_apply_returns_the_same_revisions_as_figures_and_lists<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let mut seen = vec![Revision::default()];
    for (producer, from, to) in [(MINE, 0, 3), (THEIRS, 0, 5), (MINE, 3, 4), (ProducerId(9), 0, 7), (THEIRS, 5, 6), (MINE, 4, 5)] {
        // The last apply adds nothing, and changes the revision like every other one.
        let done = add(store, &site, producer, from, to, if to == 5 { &[] } else { &[("total", "/a", 1)] }).await;
        assert_eq!(Some(&done.before), seen.last());
        assert_eq!(done.after.number, done.before.number + 1);
        assert!(!seen.contains(&done.after) && seen.iter().all(|revision| revision.digest != done.after.digest));
        let snapshot = store.figures(&site, &[producer], crate::store::day("2026-11-23"), &[]).await.unwrap();
        assert_eq!((snapshot.offsets, snapshot.revision), (vec![at(to)], done.after));
        let list = store.top(&site, None, crate::store::bucket("total"), 1).await.unwrap();
        assert_eq!(list.revision, done.after);
        seen.push(done.after);
    }
    let refused = store.apply(&site, MINE, at(4), at(6), deltas(&[("total", "", 1)])).await;
    assert_eq!(refused, Ok(Applied::Refused(at(5))));
    let snapshot = store.figures(&site, &[], crate::store::day("2026-11-23"), &[]).await.unwrap();
    assert_eq!(Some(&snapshot.revision), seen.last(), "a refused apply does not change the revision");
}

async fn stores_that_took_different_applies_have_different_revisions<H: Harness>() {
    let (one, two, site) = (H::start().await, H::start().await, site("portal"));
    let first = add(one.store(), &site, MINE, 0, 3, &[("total", "", 1)]).await.after;
    let second = add(two.store(), &site, MINE, 0, 4, &[("total", "", 1)]).await.after;
    assert_eq!(first.number, second.number);
    assert_ne!(first, second);
}

async fn an_apply_from_the_right_number_of_another_history_changes_nothing<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let zero = Position { seq: 0, digest: Digest(7) };
    assert_eq!(store.apply(&site, MINE, zero, at(1), deltas(&[("total", "", 9)])).await, Ok(Applied::Refused(Position::START)));
    let largest = Position { seq: 3, digest: Digest(u64::MAX) };
    assert!(matches!(store.apply(&site, MINE, at(0), largest, deltas(&[("total", "", 1)])).await, Ok(Applied::Done(_))));
    for digest in [0, 1, u64::MAX - 1, u64::MAX >> 1] {
        let from = Position { seq: 3, digest: Digest(digest) };
        assert_eq!(store.apply(&site, MINE, from, at(4), deltas(&[("total", "", 9)])).await, Ok(Applied::Refused(largest)));
    }
    assert_eq!((count(store, &site, "total", "").await, store.offset(&site, MINE).await), (1, Ok(largest)));
    assert!(matches!(store.apply(&site, MINE, largest, at(4), deltas(&[("total", "", 1)])).await, Ok(Applied::Done(_))));
    assert_eq!((count(store, &site, "total", "").await, offset(store, &site, MINE).await), (2, 4));
}

async fn an_apply_that_needs_earlier_entries_is_refused_without_them<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let after = |seq, from, to| {
        let (site, views) = (site.clone(), deltas(&[("total", "", 1)]));
        async move { store.apply_after(&site, Some((THEIRS, seq)), MINE, at(from), at(to), views).await }
    };
    assert_eq!(after(1, 0, 9).await, Ok(Applied::Refused(at(0))));
    add(store, &site, THEIRS, 0, 5, &[]).await;
    assert_eq!(after(6, 0, 9).await, Ok(Applied::Refused(at(0))));
    assert_eq!((count(store, &site, "total", "").await, offset(store, &site, MINE).await), (0, 0));
    assert!(matches!(after(5, 0, 9).await, Ok(Applied::Done(_))));
    // The refusal names the producer's own offset.
    assert_eq!(after(6, 9, 10).await, Ok(Applied::Refused(at(9))));
    assert_eq!(after(5, 8, 10).await, Ok(Applied::Refused(at(9))));
    assert!(matches!(after(0, 9, 10).await, Ok(Applied::Done(_))));
    assert_eq!((count(store, &site, "total", "").await, offset(store, &site, MINE).await), (2, 10));
}

async fn an_apply_whose_reply_was_lost_is_not_counted_twice<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let views = deltas(&[("total", "", 5), ("total", "/a", 5)]);
    apply(store, &site, MINE, 0, 3, views.clone()).await;
    assert_eq!(store.apply(&site, MINE, at(0), at(3), views).await, Ok(Applied::Refused(at(3))));
    assert_eq!(count(store, &site, "total", "").await, 5);
    assert_eq!(count(store, &site, "total", "/a").await, 5);
}

async fn a_stale_copy_that_arrives_late_changes_nothing<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    for seq in 0..4 {
        add(store, &site, MINE, seq, seq + 1, &[("total", "", 1)]).await;
    }
    assert_eq!(store.apply(&site, MINE, at(1), at(2), deltas(&[("total", "", 1)])).await, Ok(Applied::Refused(at(4))));
    assert_eq!((count(store, &site, "total", "").await, offset(store, &site, MINE).await), (4, 4));
}

async fn an_apply_from_any_other_offset_changes_nothing<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    assert_eq!(store.apply(&site, MINE, at(7), at(8), deltas(&[("total", "", 9)])).await, Ok(Applied::Refused(at(0))));
    assert_eq!((count(store, &site, "total", "").await, offset(store, &site, MINE).await), (0, 0));
    add(store, &site, MINE, 0, 7, &[("total", "", 1)]).await;
    for from in [0, 6, 8, u64::MAX] {
        assert_eq!(store.apply(&site, MINE, at(from), at(99), deltas(&[("total", "", 9)])).await, Ok(Applied::Refused(at(7))));
    }
    assert_eq!((count(store, &site, "total", "").await, offset(store, &site, MINE).await), (1, 7));
}

async fn of_two_applies_from_the_same_offset_exactly_one_wins<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    for round in 0..50 {
        let (from, to, one, two) = (at(round * 2), at(round * 2 + 2), deltas(&[("total", "", 1)]), deltas(&[("total", "", 1000)]));
        let answers = tokio::join!(store.apply(&site, MINE, from, to, one), store.apply(&site, MINE, from, to, two));
        let refused = Ok(Applied::Refused(to));
        let before = count(store, &site, "total", "").await;
        let one_won = matches!(answers, (Ok(Applied::Done(_)), Ok(Applied::Refused(_)))) && answers.1 == refused;
        let other_won = matches!(answers, (Ok(Applied::Refused(_)), Ok(Applied::Done(_)))) && answers.0 == refused;
        assert!(one_won || other_won, "{answers:?}");
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
    for (producers, offsets) in [
        (vec![MINE], vec![5]),
        (vec![THEIRS, MINE], vec![8, 5]),
        (vec![ProducerId(u128::MAX), ProducerId(3), THEIRS], vec![11, 0, 8]),
        (vec![MINE, MINE], vec![5, 5]),
        (vec![], vec![]),
    ] {
        let snapshot = store.figures(&site, &producers, today, &[]).await.unwrap();
        assert_eq!(snapshot.offsets, offsets.into_iter().map(at).collect::<Vec<_>>());
    }
    assert_eq!((offset(store, &site, MINE).await, offset(store, &site, ProducerId(3)).await), (5, 0));
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
        assert_eq!((offset(store, site, THEIRS).await, offset(store, site, MINE).await), (0, i));
        assert_eq!(count(store, site, "total", "").await, i);
        assert_eq!(top(store, site, "total", 9).await, [(crate::store::article("/x"), 10 * i)]);
        assert_eq!(crate::store::export(store, site).await.unwrap().len(), 3);
    }
}

async fn many_sites_that_apply_at_once_are_all_counted<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let sites: Vec<_> = (0..600).map(|i| site(&format!("site-{i}"))).collect();
    let mut waiting: Vec<_> = Vec::new();
    for (i, site) in (1..).zip(&sites) {
        waiting.push(Box::pin(store.apply(site, MINE, at(0), at(1), deltas(&[("total", "", i)]))));
    }
    // All applies are started before any of them is awaited.
    let all = std::future::poll_fn(|cx| {
        waiting.retain_mut(|apply| match apply.as_mut().poll(cx) {
            std::task::Poll::Ready(answer) => {
                assert!(matches!(answer, Ok(Applied::Done(_))), "{answer:?}");
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
