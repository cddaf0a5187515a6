//! Bounds of queues, memory and the journal.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::yield_now,
    time::{Instant, sleep, timeout},
};
use truycap::domain::{figures::Figure, period::Bucket};

use super::{
    AHEAD, APPLY_SUMS, NewView, RecordError, Stage, article,
    fakes::{FakeJournal, FakeStore, Mode, set_clock},
    store_ahead,
};

#[tokio::test(start_paused = true)]
async fn views_that_the_queue_cannot_hold_are_refused_and_not_counted() {
    let stage = Stage::new().await;
    stage.journal.disk().mode = Mode::Hangs;
    let journal = stage.journal.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(5)).await;
        journal.disk().mode = Mode::Works;
    });
    let outcomes = stage.record_all("a", 0..80_000).await;
    let refused = outcomes.iter().filter(|outcome| **outcome == Err(RecordError::Busy)).count();
    assert!((1..20_000).contains(&refused), "{refused}");
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 80_000 - refused);
    stage.stored_becomes("a", 80_000 - refused as u64, Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn the_recorder_makes_progress_only_while_the_journal_answers() {
    let stage = Stage::new().await;
    assert!(stage.handle.makes_progress().await);
    stage.journal.disk().mode = Mode::Hangs;
    let (handle, site) = (stage.handle.clone(), stage.handle.site("a").unwrap());
    let view = tokio::spawn(async move { handle.record(&site, NewView::default()).await });
    sleep(Duration::from_secs(1)).await;
    assert!(timeout(Duration::from_secs(3600), stage.handle.makes_progress()).await.is_err());
    stage.journal.disk().mode = Mode::Works;
    assert!(stage.handle.makes_progress().await);
    assert_eq!(view.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_long_store_outage_does_not_fill_the_memory_and_loses_no_views() {
    let stage = Stage::new().await;
    sleep(Duration::from_secs(1)).await;
    stage.store.behaviour().mode = Mode::Fails;
    for first in [0, 50_000, 100_000] {
        assert!(stage.record_all("a", first..first + 50_000).await.iter().all(Result::is_ok));
    }
    stage.store.behaviour().mode = Mode::Works;
    stage.stored_becomes("a", 150_000, Duration::from_secs(30)).await;
    assert!(stage.store.behaviour().largest_apply <= APPLY_SUMS, "{}", stage.store.behaviour().largest_apply);
    let some: Vec<_> = (0..150_000).step_by(1500).map(article).collect();
    let answer = stage.figures("a", &some).await;
    assert!(!answer.stale && answer.articles.len() == 100);
    assert!(answer.articles.iter().all(|(_, figures)| figures[Figure::Total] == 1));
}

#[tokio::test(start_paused = true)]
async fn an_apply_never_exceeds_its_bound_however_many_views_arrive_between_two() {
    let stage = Stage::new().await;
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 1, Duration::from_secs(1)).await;
    for round in 0..20 {
        let first = round * 700;
        assert!(stage.record_all("a", first..first + 1500).await.iter().all(Result::is_ok));
    }
    stage.stored_becomes("a", 30_001, Duration::from_secs(30)).await;
    let largest = stage.store.behaviour().largest_apply;
    assert!((APPLY_SUMS - 512..=APPLY_SUMS).contains(&largest), "{largest}");
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_journal_that_the_store_is_ahead_of_gets_all_views_recorded_before_its_first_answer() {
    // So many sites that each one's share of the memory is small.
    let names: Vec<_> = (0..300).map(|number| format!("s{number}")).collect();
    let sites: Vec<_> = names.iter().map(String::as_str).chain(["a"]).collect();
    let (copy, store) = store_ahead().await;
    store.behaviour().mode = Mode::Fails;
    let stage = Stage::of(copy, store, &sites).await;
    for first in [0, 3000] {
        assert!(stage.record_all("a", first..first + 3000).await.iter().all(Result::is_ok));
    }
    stage.store.behaviour().mode = Mode::Works;
    stage.stored_becomes("a", 6000 + AHEAD, Duration::from_secs(30)).await;
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 6001 + AHEAD, Duration::from_secs(2)).await;
}

#[tokio::test(start_paused = true)]
async fn concurrent_views_share_an_entry_and_a_single_view_does_not_wait() {
    let stage = Stage::new().await;
    let entries = || stage.journal.memory.len();
    // Twice, because nothing is known of the store yet in the first round.
    for before in [0, 1] {
        assert!(stage.record_all("a", 0..512).await.iter().all(Result::is_ok));
        assert_eq!(entries(), before + 1);
    }
    assert!(stage.record_all("a", 0..513).await.iter().all(Result::is_ok));
    assert_eq!(entries(), 4);
    // A view whose request had arrived but was not read yet.
    let late = async {
        yield_now().await;
        stage.record("a", None).await
    };
    let (first, second) = tokio::join!(stage.record("a", None), late);
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(entries(), 5);
    let begun = Instant::now();
    stage.record("a", None).await.unwrap();
    // The time that the fake journal takes to append.
    assert_eq!(begun.elapsed(), Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn many_views_recorded_while_the_journal_is_read_are_counted_once() {
    set_clock("2026-11-23T05:00:00Z");
    let store = Arc::new(FakeStore::new());
    store.behaviour().mode = Mode::Fails;
    let first = Stage::of(FakeJournal::new(), store, &["a"]).await;
    first.record("a", None).await.unwrap();
    let Stage { journal, store, recorder, .. } = first;
    drop(recorder);
    store.behaviour().mode = Mode::Works;
    journal.memory.reopen();
    journal.disk().read_delay = Duration::from_secs(2);
    let stage = Stage::of(journal, store, &["a"]).await;
    sleep(Duration::from_millis(100)).await;
    for first in [0, 60_000] {
        assert!(stage.record_all("a", first..first + 60_000).await.iter().all(Result::is_ok));
    }
    stage.journal.disk().read_delay = Duration::ZERO;
    stage.stored_becomes("a", 120_001, Duration::from_secs(30)).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_journal_frees_applied_entries_and_refuses_further_views() {
    let stage = Stage::new().await;
    stage.journal.memory.set_capacity(Some(10));
    for _ in 0..50 {
        stage.record("a", None).await.unwrap();
        sleep(Duration::from_millis(300)).await;
    }
    stage.store.behaviour().mode = Mode::Fails;
    let mut taken = 50;
    while stage.record("a", None).await.is_ok() {
        taken += 1;
    }
    assert_eq!(stage.record("a", None).await, Err(RecordError::Full));
    assert!((55..=61).contains(&taken) && !stage.handle.health().journal_ok, "{taken}");
    stage.store.behaviour().mode = Mode::Works;
    sleep(Duration::from_secs(3)).await;
    stage.record("a", None).await.unwrap();
    assert!(stage.handle.health().journal_ok);
    stage.stored_becomes("a", taken + 1, Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_sites_are_counted_like_one() {
    set_clock("2026-11-23T05:00:00Z");
    let names: Vec<_> = (0..1000).map(|number| format!("s{number}")).collect();
    let sites: Vec<_> = names.iter().map(String::as_str).collect();
    let stage = Stage::of(FakeJournal::new(), Arc::new(FakeStore::new()), &sites).await;
    for site in &sites {
        stage.record(site, Some(article(1))).await.unwrap();
    }
    assert_eq!(stage.recorder.shutdown(Duration::from_secs(4)).await.waiting.sites, []);
    for site in &sites {
        assert_eq!(stage.store.stored(site).await, 1, "{site}");
    }
}

#[tokio::test(start_paused = true)]
async fn list_requests_above_the_limit_are_refused_at_once() {
    let stage = Stage::new().await;
    stage.store.behaviour().mode = Mode::Hangs;
    let list = |year| {
        let handle = stage.handle.clone();
        tokio::spawn(async move { handle.top(&handle.site("a").unwrap(), None, Bucket::Year(year)).await })
    };
    let lists: Vec<_> = (0..400).map(list).collect();
    sleep(Duration::from_millis(1)).await;
    // 64 lists are being read, and 256 requests wait.
    assert_eq!(lists.iter().filter(|list| list.is_finished()).count(), 80);
    stage.store.behaviour().mode = Mode::Works;
    let mut answered = 0;
    for list in lists {
        answered += usize::from(list.await.unwrap().is_ok());
    }
    assert_eq!(answered, 320);
}
