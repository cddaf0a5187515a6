//! Rewound stores, older journals, failures and shutdown.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    PRODUCER, RETAIN, RecordError, Stage, apply, article,
    fakes::{FakeJournal, FakeStore, Mode, set_clock},
    id,
};

/// A store that is ahead of this producer's journal: it has `a` up to entry 150 and `b` up to entry 140.
async fn store_ahead() -> Arc<FakeStore> {
    set_clock("2026-11-23T05:00:00Z");
    let store = Arc::new(FakeStore::new());
    apply(&store, "a", PRODUCER, (0, 150), None).await;
    apply(&store, "b", PRODUCER, (0, 140), None).await;
    store
}

#[tokio::test(start_paused = true)]
async fn with_a_journal_older_than_the_store_no_view_recorded_before_its_first_answer_is_lost() {
    for before in [1, 49, 50, 51, 80] {
        let store = store_ahead().await;
        store.behaviour().mode = Mode::Fails;
        let stage = Stage::of(FakeJournal::at(100), Arc::clone(&store), &["a", "b"]).await;
        for _ in 0..before {
            stage.record("a", None).await.unwrap();
        }
        stage.record("b", None).await.unwrap();
        stage.store.behaviour().mode = Mode::Works;
        stage.stored_becomes("a", 1 + before, Duration::from_secs(5)).await;
        stage.stored_becomes("b", 2, Duration::from_secs(5)).await;
        stage.record("b", None).await.unwrap();
        stage.stored_becomes("b", 3, Duration::from_secs(1)).await;
        assert_eq!(stage.recorder.shutdown(Duration::from_secs(5)).await.waiting, []);
        assert_eq!(store.stored("a").await, 1 + before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_journal_keeps_entries_that_a_newer_store_does_not_have() {
    let store = store_ahead().await;
    store.behaviour().mode = Mode::Fails;
    let journal = FakeJournal::at(100);
    journal.disk().read_delay = Duration::from_secs(2);
    let stage = Stage::of(journal, store, &["a"]).await;
    for _ in 0..3 {
        stage.record("a", None).await.unwrap();
    }
    stage.journal.memory.set_capacity(Some(3));
    stage.store.behaviour().mode = Mode::Works;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.record("a", None).await, Err(RecordError::Full));
    stage.stored_becomes("a", 1 + 3, Duration::from_secs(5)).await;
}

// In real time, because a flusher that spins would let no simulated time pass.
#[tokio::test]
async fn a_view_recorded_while_the_journal_skips_ahead_is_applied_without_another_view() {
    let store = store_ahead().await;
    let journal = FakeJournal::at(100);
    journal.disk().skip_delay = Duration::from_millis(100);
    let stage = Stage::of(journal, store, &["a"]).await;
    sleep(Duration::from_millis(30)).await;
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 2, Duration::from_secs(3)).await;
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
    assert_eq!(recorder.shutdown(Duration::from_secs(1)).await.waiting.len(), 2);
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
        let hanging = tokio::spawn(async move { handle.record(&handle.site("a").unwrap(), None).await });
        sleep(Duration::from_millis(5)).await;
        let (begin, limit) = (Instant::now(), Duration::from_secs(4));
        let drained = stage.recorder.shutdown(limit).await;
        assert!(begin.elapsed() <= limit + Duration::from_millis(1), "{:?}", begin.elapsed());
        let waiting = if journal == Mode::Hangs { Vec::new() } else { vec![id("a")] };
        assert!(drained.waiting == waiting || journal == Mode::Hangs && drained.waiting == [id("a")], "{:?}", drained.waiting);
        let outcome = hanging.await.unwrap();
        assert_eq!(outcome, if journal == Mode::Hangs { Err(RecordError::Stopped) } else { Ok(()) });
        let counter = &stage.handle.site("a").unwrap();
        assert_eq!(stage.handle.record(counter, None).await, Err(RecordError::Stopped), "after the shutdown");
    }
}
