//! Rewound stores, older journals, failures and shutdown.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use truycap::{
    domain::{figures::Figure, site::SiteId},
    recorder::{Drained, Failure},
};

use super::{
    AHEAD, NewView, RETAIN, RecordError, Stage, article,
    fakes::{FakeJournal, FakeStore, Mode, set_clock},
    id, store_ahead,
};

/// The sites of which the store lacks views.
fn sites(drained: &Drained) -> Vec<SiteId> {
    drained.waiting.sites.iter().map(|waiting| id(&waiting.site)).collect()
}

#[tokio::test(start_paused = true)]
async fn with_a_copy_of_the_journal_older_than_the_store_no_view_recorded_before_its_first_answer_is_lost() {
    for (before, ends) in [(1, false), (49, true), (50, true), (51, false), (80, true)] {
        let (copy, store) = store_ahead().await;
        store.behaviour().mode = Mode::Fails;
        let mut stage = Stage::of(copy, Arc::clone(&store), &["a", "b"]).await;
        for _ in 0..before {
            stage.record("a", None).await.unwrap();
        }
        stage.record("b", None).await.unwrap();
        if ends {
            // The process ends before the store first answers.
            let Stage { journal, store, .. } = stage;
            journal.memory.reopen();
            stage = Stage::of(journal, store, &["a", "b"]).await;
        }
        stage.store.behaviour().mode = Mode::Works;
        stage.stored_becomes("a", AHEAD + before, Duration::from_secs(5)).await;
        stage.stored_becomes("b", AHEAD + 1, Duration::from_secs(5)).await;
        stage.record("b", None).await.unwrap();
        stage.stored_becomes("b", AHEAD + 2, Duration::from_secs(1)).await;
        assert_eq!(stage.recorder.shutdown(Duration::from_secs(5)).await.waiting.sites, []);
        assert_eq!(store.stored("a").await, AHEAD + before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_journal_keeps_entries_that_a_newer_store_does_not_have() {
    let (journal, store) = store_ahead().await;
    store.behaviour().mode = Mode::Fails;
    journal.disk().read_delay = Duration::from_secs(2);
    let stage = Stage::of(journal, store, &["a"]).await;
    for _ in 0..3 {
        stage.record("a", None).await.unwrap();
    }
    stage.journal.memory.set_capacity(Some(stage.journal.memory.len()));
    stage.store.behaviour().mode = Mode::Works;
    sleep(Duration::from_secs(1)).await;
    // Applied entries are deleted to make room for it.
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", AHEAD + 4, Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn copies_of_a_journal_count_each_view_once_also_if_one_starts_much_later() {
    set_clock("2026-11-23T05:00:00Z");
    let (journal, store) = (FakeJournal::new(), Arc::new(FakeStore::new()));
    store.behaviour().mode = Mode::Fails;
    let first = Stage::of(journal.clone(), Arc::clone(&store), &["a"]).await;
    for _ in 0..20 {
        first.record("a", None).await.unwrap();
    }
    let copies = [2, 3].map(|number| journal.copy(number));
    for _ in 0..5 {
        first.record("a", None).await.unwrap();
    }
    store.behaviour().mode = Mode::Works;
    let [second, third] = copies;
    let second = Stage::of(second, Arc::clone(&store), &["a"]).await;
    for _ in 0..7 {
        second.record("a", None).await.unwrap();
    }
    first.stored_becomes("a", 20 + 5 + 7, Duration::from_secs(5)).await;
    sleep(10 * RETAIN).await;
    let third = Stage::of(third, Arc::clone(&store), &["a"]).await;
    for stage in [&first, &second, &third] {
        stage.record("a", None).await.unwrap();
    }
    first.stored_becomes("a", 32 + 3, Duration::from_secs(5)).await;
    sleep(Duration::from_secs(2)).await;
    for stage in [&first, &second, &third] {
        assert_eq!(stage.figures("a", &[]).await.site.unwrap()[Figure::Total], 35);
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_cloned_while_it_runs_takes_another_producer_and_goes_on() {
    set_clock("2026-11-23T05:00:00Z");
    let (journal, store) = (FakeJournal::new(), Arc::new(FakeStore::new()));
    let first = Stage::of(journal.clone(), Arc::clone(&store), &["a", "b"]).await;
    for site in ["a", "b"] {
        first.record(site, None).await.unwrap();
        first.stored_becomes(site, 1, Duration::from_secs(1)).await;
    }
    // The trimmer has stored what the store confirmed.
    sleep(Duration::from_secs(2)).await;
    let clone = Stage::of(journal.fork(2), Arc::clone(&store), &["a", "b"]).await;
    for round in 1..=5 {
        for stage in [&first, &clone] {
            stage.record("a", None).await.unwrap();
        }
        first.stored_becomes("a", 1 + 2 * round, Duration::from_secs(5)).await;
    }
    let partings = first.metric("truycap_store_partings_total") + clone.metric("truycap_store_partings_total");
    assert_eq!(partings, 1.0);
    // It goes on over a restart, and for a site that was not counted since.
    let Stage { journal, store, recorder, .. } = clone;
    drop(recorder);
    journal.memory.reopen();
    let clone = Stage::of(journal, store, &["a", "b"]).await;
    for site in ["a", "b"] {
        for stage in [&first, &clone] {
            stage.record(site, None).await.unwrap();
        }
    }
    first.stored_becomes("a", 13, Duration::from_secs(5)).await;
    first.stored_becomes("b", 3, Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_went_back_during_the_first_apply_of_a_run_lacks_nothing_afterwards() {
    let stage = Stage::new().await;
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 1, Duration::from_secs(1)).await;
    let image = stage.store.memory.image();
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 2, Duration::from_secs(1)).await;
    sleep(Duration::from_secs(2)).await;
    let Stage { journal, store, .. } = stage;
    journal.memory.reopen();
    let stage = Stage::of(journal, store, &["a"]).await;
    sleep(Duration::from_secs(1)).await;
    // The next run's first view comes after the store has lost the end of the run before.
    stage.store.memory.restore(image);
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 3, Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_whose_file_is_gone_acknowledges_nothing_more_and_what_it_has_is_applied() {
    for by_trim in [false, true] {
        let mut stage = Stage::new().await;
        stage.store.behaviour().mode = Mode::Fails;
        stage.record("a", None).await.unwrap();
        stage.journal.disk().gone = true;
        if by_trim {
            sleep(Duration::from_secs(2)).await;
        } else {
            assert_eq!(stage.record("a", None).await, Err(RecordError::Stopped));
        }
        assert!(matches!(stage.recorder.failed().await, Failure::Gone(_)));
        assert!(!stage.handle.health().journal_ok);
        stage.store.behaviour().mode = Mode::Works;
        stage.stored_becomes("a", 1, Duration::from_secs(3)).await;
        assert_eq!(stage.record("a", None).await, Err(RecordError::Stopped));
        let begun = Instant::now();
        assert_eq!(stage.recorder.shutdown(Duration::from_secs(3)).await.waiting.sites, []);
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_rewound_store_is_complete_after_the_next_apply() {
    let stage = Stage::new().await;
    let image = stage.store.memory.image();
    for _ in 0..10 {
        stage.record("a", Some(article(1))).await.unwrap();
    }
    stage.stored_becomes("a", 10, Duration::from_secs(1)).await;
    stage.store.memory.restore(image);
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 11, Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_rewound_store_is_repaired_without_requests() {
    let stage = Stage::new().await;
    let image = stage.store.memory.image();
    stage.record("a", None).await.unwrap();
    sleep(RETAIN - Duration::from_secs(20)).await;
    stage.store.memory.restore(image);
    stage.stored_becomes("a", 1, Duration::from_secs(10)).await;
}

#[tokio::test(start_paused = true)]
async fn entries_are_kept_for_the_retention_time_after_their_apply_and_no_longer() {
    let stage = Stage::new().await;
    stage.store.behaviour().mode = Mode::Fails;
    stage.record("a", None).await.unwrap();
    sleep(3 * RETAIN).await;
    let image = stage.store.memory.image();
    stage.store.behaviour().mode = Mode::Works;
    sleep(RETAIN - Duration::from_secs(15)).await;
    stage.store.memory.restore(image);
    stage.stored_becomes("a", 1, Duration::from_secs(10)).await;
    sleep(RETAIN - Duration::from_secs(10)).await;
    assert_eq!(stage.journal.memory.len(), 1, "the entry is applied and still retained");
    sleep(Duration::from_secs(25)).await;
    assert_eq!(stage.journal.memory.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn missing_entries_are_reported_even_if_the_journal_is_trimmed_meanwhile() {
    let stage = Stage::new().await;
    let image = stage.store.memory.image();
    stage.record("a", None).await.unwrap();
    sleep(2 * RETAIN).await;
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 2, Duration::from_secs(1)).await;
    sleep(Duration::from_secs(2)).await;
    stage.journal.disk().read_delay = Duration::from_secs(3);
    stage.store.memory.restore(image);
    // The first view is lost from both; the second and this one are not.
    stage.record("a", None).await.unwrap();
    stage.journal.memory.take_missing();
    stage.journal.disk().read_delay = Duration::from_millis(1500);
    stage.stored_becomes("a", 2, Duration::from_secs(20)).await;
    assert_eq!(stage.journal.memory.take_missing(), [(1, 1)]);
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 3, Duration::from_secs(2)).await;
}

#[tokio::test(start_paused = true)]
async fn acknowledged_views_of_a_site_that_is_no_longer_configured_are_applied() {
    let stage = Stage::new().await;
    stage.store.behaviour().mode = Mode::Fails;
    stage.record("b", None).await.unwrap();
    let Stage { journal, store, recorder, .. } = stage;
    let drained = recorder.shutdown(Duration::from_secs(1)).await;
    assert_eq!(sites(&drained), [id("b")]);
    store.behaviour().mode = Mode::Works;
    journal.memory.reopen();
    let stage = Stage::of(journal, store, &["a"]).await;
    assert!(stage.handle.site("b").is_none());
    stage.stored_becomes("b", 1, Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_fails_stops_the_recorder() {
    let mut stage = Stage::new().await;
    stage.record("a", None).await.unwrap();
    stage.journal.disk().mode = Mode::Fails;
    assert_eq!(stage.record("a", None).await, Err(RecordError::Stopped));
    assert!(stage.recorder.failed().await.to_string().contains("simulated failure"));
    assert_eq!(stage.record("a", None).await, Err(RecordError::Stopped));
    assert!(!stage.handle.health().journal_ok);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_in_time_and_returns_the_sites_with_unapplied_views() {
    for (store, journal) in [(Mode::Hangs, Mode::Works), (Mode::Fails, Mode::Works), (Mode::Works, Mode::Hangs)] {
        let stage = Stage::new().await;
        sleep(Duration::from_secs(1)).await;
        stage.store.behaviour().mode = store;
        stage.record("a", None).await.unwrap();
        stage.journal.disk().mode = journal;
        let handle = stage.handle.clone();
        let hanging = tokio::spawn(async move { handle.record(&handle.site("a").unwrap(), NewView::default()).await });
        sleep(Duration::from_millis(5)).await;
        let (begin, limit) = (Instant::now(), Duration::from_secs(4));
        let drained = stage.recorder.shutdown(limit).await;
        assert!(begin.elapsed() <= limit + Duration::from_millis(1), "{:?}", begin.elapsed());
        let waiting = if journal == Mode::Hangs { Vec::new() } else { vec![id("a")] };
        assert!(sites(&drained) == waiting || journal == Mode::Hangs && sites(&drained) == [id("a")], "{drained:?}");
        let outcome = hanging.await.unwrap();
        assert_eq!(outcome, if journal == Mode::Hangs { Err(RecordError::Stopped) } else { Ok(()) });
        let counter = &stage.handle.site("a").unwrap();
        assert_eq!(stage.handle.record(counter, NewView::default()).await, Err(RecordError::Stopped), "after the shutdown");
    }
}
