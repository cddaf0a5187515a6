//! Runs: restarts, copies of journals, processes that are cloned while they run, and stores that go back meanwhile.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use truycap::domain::figures::Figure;

use super::{
    RETAIN, Stage,
    fakes::{FakeJournal, FakeStore, Mode, set_clock},
};

const SECOND: Duration = Duration::from_secs(1);
const SITES: [&str; 2] = ["a", "b"];

impl Stage {
    async fn record_many(&self, site: &str, views: usize) {
        for _ in 0..views {
            self.record(site, None).await.unwrap();
        }
    }

    async fn total(&self, site: &str) -> u64 {
        self.figures(site, &[]).await.site.unwrap()[Figure::Total]
    }
}

/// Two processes of which the second one is a clone of the first. Each has its own connection to the store, which has 5 views of
/// each site from before.
async fn cloned() -> (Stage, Stage) {
    set_clock("2026-11-23T05:00:00Z");
    let first = Stage::of(FakeJournal::new(), Arc::new(FakeStore::new()), &SITES).await;
    for site in SITES {
        first.record_many(site, 5).await;
        first.stored_becomes(site, 5, SECOND).await;
    }
    // The trimmer stores what the store has confirmed.
    sleep(2 * SECOND).await;
    let clone = Stage::of(first.journal.fork(2), Arc::new(first.store.beside()), &SITES).await;
    sleep(SECOND).await;
    (first, clone)
}

#[tokio::test(start_paused = true)]
async fn a_site_without_views_has_lost_none_after_quiet_restarts() {
    let mut stage = Stage::new().await;
    stage.record_many("b", 3).await;
    for round in 0..4 {
        sleep(2 * RETAIN).await;
        stage = stage.restart(&SITES).await;
        if round == 1 {
            stage.record_many("b", 3).await;
        }
    }
    sleep(SECOND).await;
    assert_eq!(stage.metric("truycap_store_lost_entries_total"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_site_that_is_not_viewed_any_more_has_lost_nothing_after_quiet_restarts() {
    let mut stage = Stage::new().await;
    stage.record_many("a", 1).await;
    stage.record_many("b", 3).await;
    for _ in 0..4 {
        sleep(2 * RETAIN).await;
        stage = stage.restart(&SITES).await;
        sleep(2 * SECOND).await;
        assert_eq!(stage.metric("truycap_store_lost_entries_total"), 0.0);
        assert_eq!(stage.metric("truycap_store_rewinds_total"), 0.0);
    }
    stage.record_many("a", 1).await;
    stage.stored_becomes("a", 2, SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_clone_that_is_ahead_takes_nothing_of_any_site_from_the_other_process() {
    let (first, clone) = cloned().await;
    first.store.behaviour().unwritable = SITES.into();
    for site in SITES {
        first.record_many(site, 2).await;
        clone.record_many(site, 9).await;
    }
    clone.stored_becomes("b", 5 + 9, SECOND).await;
    first.store.behaviour().unwritable = Vec::new();
    for site in SITES {
        first.stored_becomes(site, 5 + 2 + 9, 5 * SECOND).await;
    }
    sleep(SECOND).await;
    for stage in [&first, &clone] {
        for site in SITES {
            assert_eq!(stage.total(site).await, 16);
        }
    }
    assert_eq!(first.metric("truycap_store_partings_total"), 2.0, "one for each site");
    assert_eq!(first.metric("truycap_store_foreign_entries_total"), 0.0);
    assert_eq!(clone.metric("truycap_store_partings_total"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_the_parting_from_a_clone_and_before_the_next_apply_loses_nothing() {
    for crashes in 1..4 {
        let (mut first, clone) = cloned().await;
        first.store.behaviour().unwritable = SITES.into();
        for site in SITES {
            first.record_many(site, 2).await;
            clone.record_many(site, 9).await;
        }
        clone.stored_becomes("b", 5 + 9, SECOND).await;
        // The offset that the clone has moved shows in the figures.
        first.figures("a", &[]).await;
        sleep(2 * SECOND).await;
        assert!(first.metric("truycap_store_partings_total") >= 1.0);
        for _ in 0..crashes {
            first = first.restart(&SITES).await;
            sleep(SECOND).await;
            first.record_many("a", 1).await;
        }
        first.store.behaviour().unwritable = Vec::new();
        first.stored_becomes("a", 5 + 2 + 9 + crashes, 5 * SECOND).await;
        first.stored_becomes("b", 5 + 2 + 9, 5 * SECOND).await;
        first = first.restart(&SITES).await;
        sleep(2 * SECOND).await;
        assert_eq!((first.total("a").await, first.total("b").await), (16 + crashes, 16));
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_a_clone_is_not_taken_for_a_deleted_one_of_the_same_number() {
    let (first, clone) = cloned().await;
    clone.record_many("a", 2).await;
    clone.stored_becomes("a", 5 + 2, SECOND).await;
    drop(clone);
    // In the same run: three of `a`, one of `b` that is applied, one that is not, two of `a`.
    first.store.behaviour().unwritable = vec!["a"];
    first.record_many("a", 3).await;
    first.record_many("b", 1).await;
    first.stored_becomes("b", 5 + 1, SECOND).await;
    first.store.behaviour().unwritable = SITES.into();
    first.record_many("b", 1).await;
    first.record_many("a", 2).await;
    first.store.behaviour().unwritable = vec!["b"];
    first.stored_becomes("a", 7 + 5, SECOND).await;
    // The full journal deletes up to the applied entry of `b`, so also the number of the clone's last entry.
    first.journal.memory.set_capacity(Some(first.journal.memory.len()));
    first.record_many("a", 1).await;
    assert_eq!(first.journal.memory.len(), 4);
    let first = first.restart(&SITES).await;
    first.store.behaviour().unwritable = Vec::new();
    sleep(5 * SECOND).await;
    assert_eq!((first.store.stored("a").await, first.store.stored("b").await), (13, 7));
    assert_eq!(first.metric("truycap_store_lost_entries_total"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_loses_the_end_of_an_earlier_run_gets_it_again_however_many_runs_have_begun() {
    for restarts in 1..4 {
        let mut stage = Stage::new().await;
        stage.record_many("a", 3).await;
        stage.stored_becomes("a", 3, SECOND).await;
        let image = stage.store.memory.image();
        stage.record_many("a", 4).await;
        stage.stored_becomes("a", 7, SECOND).await;
        sleep(2 * SECOND).await;
        stage.store.behaviour().unwritable = SITES.into();
        for _ in 0..restarts {
            stage = stage.restart(&SITES).await;
            stage.record_many("a", 2).await;
            sleep(SECOND).await;
        }
        // The last run has unapplied entries, and knows the store's offset of the first one.
        stage.store.memory.restore(image);
        stage.store.behaviour().unwritable = Vec::new();
        stage.stored_becomes("a", 7 + 2 * restarts, 5 * SECOND).await;
        assert_eq!(stage.metric("truycap_store_rewinds_total"), 1.0);
        assert_eq!(stage.metric("truycap_store_lost_entries_total"), 0.0);
        assert_eq!(stage.total("a").await, 7 + 2 * restarts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_loses_the_first_apply_of_a_run_gets_it_again() {
    for (restarts, lost) in [(1, 1), (2, 1), (3, 2), (3, 3)] {
        let mut stage = Stage::new().await;
        stage.record_many("a", 3).await;
        stage.stored_becomes("a", 3, SECOND).await;
        let mut images = vec![stage.store.memory.image()];
        for run in 1..=restarts {
            stage = stage.restart(&SITES).await;
            stage.record_many("a", 2).await;
            stage.stored_becomes("a", 3 + 2 * run, SECOND).await;
            images.push(stage.store.memory.image());
        }
        let image = images.swap_remove(usize::try_from(restarts - lost).unwrap());
        stage.store.memory.restore(image);
        stage.record_many("a", 1).await;
        stage.stored_becomes("a", 4 + 2 * restarts, 5 * SECOND).await;
        assert_eq!(stage.metric("truycap_store_rewinds_total"), 1.0);
        // Also after a restart, and without a new view.
        sleep(2 * SECOND).await;
        stage.store.memory.restore(images.swap_remove(0));
        let stage = stage.restart(&SITES).await;
        stage.stored_becomes("a", 4 + 2 * restarts, 5 * SECOND).await;
        assert_eq!(stage.metric("truycap_store_rewinds_total"), 1.0);
    }
}

#[tokio::test(start_paused = true)]
async fn unapplied_entries_that_copies_share_are_counted_once_whichever_applies_them_first() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        set_clock("2026-11-23T05:00:00Z");
        let store = Arc::new(FakeStore::new());
        store.behaviour().mode = Mode::Fails;
        let first = Stage::of(FakeJournal::new(), store, &SITES).await;
        first.record_many("a", 20).await;
        let copies = [2, 3].map(|number| first.journal.copy(number));
        first.record_many("a", 5).await;
        let mut stages = vec![first];
        for (number, copy) in copies.into_iter().enumerate() {
            let store = stages[0].store.beside();
            store.behaviour().mode = Mode::Fails;
            let stage = Stage::of(copy, Arc::new(store), &SITES).await;
            stage.record_many("a", 7 + number).await;
            stages.push(stage);
        }
        for number in order {
            stages[number].store.behaviour().mode = Mode::Works;
            sleep(5 * SECOND).await;
        }
        assert_eq!(stages[0].store.stored("a").await, 20 + 5 + 7 + 8, "{order:?}");
        for stage in &stages {
            assert_eq!(stage.total("a").await, 40);
            assert_eq!(stage.metric("truycap_store_partings_total"), 0.0);
            assert_eq!(stage.metric("truycap_store_lost_entries_total"), 0.0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn figures_are_right_while_entries_are_read_that_another_copy_of_the_journal_has_just_applied() {
    let stage = Stage::new().await;
    stage.record_many("a", 5).await;
    // The last entry of the run is of another site, so its end is not the offset of `a`.
    stage.record_many("b", 1).await;
    stage.stored_becomes("a", 5, SECOND).await;
    let first = stage.restart(&SITES).await;
    sleep(SECOND).await;
    first.store.behaviour().mode = Mode::Hangs;
    // They share an entry, and so an apply.
    assert!(first.record_all("a", 0..10).await.iter().all(Result::is_ok));
    let copy = first.journal.copy(2);
    let store = Arc::new(first.store.beside());
    store.behaviour().delay = Duration::from_millis(100);
    let second = Stage::of(copy, store, &["a"]).await;
    // The second process has asked for the offsets of its own run and of the run of the ten views. The store has none of them.
    sleep(Duration::from_millis(250)).await;
    first.store.behaviour().mode = Mode::Works;
    first.stored_becomes("a", 15, Duration::from_millis(100)).await;
    let mut requests = Vec::new();
    for _ in 0..200 {
        let handle = second.handle.clone();
        requests.push(tokio::spawn(async move { handle.figures(&handle.site("a").unwrap(), &[]).await }));
        sleep(Duration::from_millis(10)).await;
    }
    for request in requests {
        let answer = request.await.unwrap();
        assert!(answer.stale || answer.site.unwrap()[Figure::Total] == 15, "{answer:?}");
    }
    assert!(!second.figures("a", &[]).await.stale);
}
