//! The recorder's metrics of the journal and the store.

use super::*;
use fakes::Mode;

impl Stage {
    /// The value of a metric.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.handle.metrics_text(true, []).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in {text}"))
    }
}

#[tokio::test(start_paused = true)]
async fn the_lag_grows_while_the_store_is_unreachable_and_returns_to_zero() {
    let stage = Stage::new().await;
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 1, Duration::from_secs(1)).await;
    sleep(Duration::from_secs(100)).await;
    assert_eq!((stage.metric("truycap_store_lag_views"), stage.metric("truycap_store_lag_seconds")), (0.0, 0.0));
    stage.store.behaviour().mode = Mode::Fails;
    assert!(stage.record_all("a", 0..3).await.iter().all(Result::is_ok));
    sleep(Duration::from_secs(40)).await;
    assert_eq!(stage.metric("truycap_store_lag_views"), 3.0);
    let seconds = stage.metric("truycap_store_lag_seconds");
    assert!((40.0..41.0).contains(&seconds), "{seconds}");
    assert_eq!(stage.metric("truycap_store_up"), 0.0);
    assert!(stage.metric("truycap_store_applies_total{outcome=\"failed\"}") >= 1.0);
    stage.store.behaviour().mode = Mode::Works;
    stage.stored_becomes("a", 4, Duration::from_secs(5)).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!((stage.metric("truycap_store_lag_views"), stage.metric("truycap_store_lag_seconds")), (0.0, 0.0));
    assert_eq!(stage.metric("truycap_store_up"), 1.0);
}

/// The four metrics of what waits; the last one is in seconds.
fn waiting(stage: &Stage) -> [f64; 4] {
    let names = ["journal_unapplied_entries", "journal_unapplied_views", "store_lag_views", "store_lag_seconds"];
    names.map(|name| stage.metric(&format!("truycap_{name}")))
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_known_from_the_journal_before_the_store_first_answers() {
    let stage = Stage::new().await;
    stage.record("b", None).await.unwrap();
    stage.stored_becomes("b", 1, Duration::from_secs(1)).await;
    sleep(2 * Duration::from_secs(1)).await;
    stage.store.behaviour().mode = Mode::Fails;
    assert!(stage.record_all("a", 0..100).await.iter().all(Result::is_ok));
    sleep(Duration::from_secs(3)).await;
    let stage = stage.restart(&["a"]).await;
    let [entries, views, lag, seconds] = waiting(&stage);
    assert!((views, lag) == (100.0, 100.0) && (1.0..=100.0).contains(&entries) && seconds >= 3.0, "{:?}", waiting(&stage));
    // Views of a site that the store never answered for, while it is unreachable.
    assert!(stage.record_all("a", 0..11).await.iter().all(Result::is_ok));
    sleep(Duration::from_secs(5)).await;
    let [_, views, lag, seconds] = waiting(&stage);
    assert!((views, lag) == (111.0, 111.0) && seconds >= 8.0, "{:?}", waiting(&stage));
    stage.store.behaviour().mode = Mode::Works;
    stage.stored_becomes("a", 111, Duration::from_secs(5)).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(waiting(&stage), [0.0; 4]);
}

#[tokio::test(start_paused = true)]
async fn something_waits_as_long_as_it_is_not_known_what_a_store_that_went_back_lacks() {
    let stage = Stage::new().await;
    let before = stage.store.memory.image();
    assert!(stage.record_all("a", 0..10).await.iter().all(Result::is_ok));
    stage.stored_becomes("a", 10, Duration::from_secs(1)).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(waiting(&stage), [0.0; 4]);
    // The store answers once more, and then it is away.
    stage.store.behaviour().fails_offsets = true;
    stage.store.memory.restore(before);
    sleep(Duration::from_secs(10)).await;
    let [entries, views, lag, seconds] = waiting(&stage);
    assert!(entries >= 1.0 && views >= 1.0 && lag >= 1.0 && seconds >= 1.0, "{:?}", waiting(&stage));
    let begun = seconds;
    sleep(Duration::from_secs(10)).await;
    assert!(waiting(&stage)[3] >= begun + 9.0, "{:?}", waiting(&stage));
    stage.store.behaviour().fails_offsets = false;
    stage.stored_becomes("a", 10, Duration::from_secs(5)).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(waiting(&stage), [0.0; 4]);
}

#[tokio::test(start_paused = true)]
async fn what_memory_has_no_room_for_waits_too() {
    let stage = Stage::new().await;
    sleep(Duration::from_secs(1)).await;
    stage.store.behaviour().mode = Mode::Fails;
    assert!(stage.record_all("a", 0..60_000).await.iter().all(Result::is_ok));
    assert_eq!(waiting(&stage)[1], 60_000.0);
    let stage = stage.restart(&["a"]).await;
    assert_eq!(waiting(&stage)[1], 60_000.0);
    stage.store.behaviour().mode = Mode::Works;
    let deadline = Instant::now() + Duration::from_secs(30);
    while stage.store.stored("a").await < 60_000 {
        let ([entries, views, lag, _], left) = (waiting(&stage), 60_000 - stage.store.stored("a").await);
        assert!(entries >= 1.0 && views >= left as f64 && lag == views, "{:?} while {left} are left", waiting(&stage));
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(100)).await;
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(waiting(&stage), [0.0; 4]);
}

#[tokio::test(start_paused = true)]
async fn nothing_counts_as_applied_while_a_store_that_went_back_is_repaired() {
    let stage = Stage::new().await;
    let image = stage.store.memory.image();
    assert!(stage.record_all("a", 0..3000).await.iter().all(Result::is_ok));
    stage.stored_becomes("a", 3000, Duration::from_secs(5)).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(waiting(&stage), [0.0; 4]);
    stage.store.memory.restore(image);
    stage.journal.disk().read_delay = Duration::from_millis(100);
    stage.stored_becomes("a", 0, Duration::from_secs(5)).await;
    let found = || waiting(&stage)[0] > 0.0;
    let deadline = Instant::now() + Duration::from_secs(20);
    while !found() {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(10)).await;
    }
    while stage.store.stored("a").await < 3000 {
        assert!(waiting(&stage).iter().take(3).all(|value| *value >= 1.0), "{:?}", waiting(&stage));
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(waiting(&stage), [0.0; 4]);
}

#[tokio::test(start_paused = true)]
async fn under_steady_load_the_lag_is_that_of_one_flush_and_not_of_the_whole_run() {
    let stage = Stage::new().await;
    stage.store.behaviour().delay = Duration::from_millis(50);
    for _ in 0..500 {
        stage.record("a", None).await.unwrap();
        sleep(Duration::from_millis(10)).await;
        let seconds = stage.metric("truycap_store_lag_seconds");
        assert!(seconds < 1.0, "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rewind_and_its_lost_entries_are_counted() {
    let stage = Stage::new().await;
    let image = stage.store.memory.image();
    for views in 1..=3 {
        stage.record("a", None).await.unwrap();
        stage.stored_becomes("a", views, Duration::from_secs(1)).await;
    }
    assert_eq!(stage.metric("truycap_store_rewinds_total"), 0.0);
    sleep(2 * RETAIN).await;
    stage.store.memory.restore(image);
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 1, Duration::from_secs(20)).await;
    assert_eq!(stage.metric("truycap_store_rewinds_total"), 1.0);
    assert_eq!(stage.metric("truycap_store_lost_entries_total"), 3.0);
    assert_eq!(stage.metric("truycap_store_foreign_entries_total"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn entries_of_an_earlier_run_that_only_the_store_has_are_counted() {
    let (copy, store) = store_ahead().await;
    let stage = Stage::of(copy, store, &["a"]).await;
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 1 + AHEAD, Duration::from_secs(5)).await;
    // The copy ends with entry 100; the store has `a` up to entry 200, and `b` up to 199.
    assert_eq!(stage.metric("truycap_store_foreign_entries_total"), 199.0);
    assert_eq!(stage.metric("truycap_store_partings_total"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn views_that_a_full_journal_refuses_are_counted_as_full() {
    let stage = Stage::new().await;
    stage.journal.memory.set_capacity(Some(0));
    assert!(stage.record_all("a", 0..4).await.iter().all(|outcome| *outcome == Err(RecordError::Full)));
    assert_eq!(stage.metric("truycap_views_total{outcome=\"full\",site=\"a\"}"), 4.0);
    assert_eq!(stage.metric("truycap_views_total{outcome=\"counted\",site=\"a\"}"), 0.0);
    assert_eq!(stage.metric("truycap_journal_up"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn without_series_per_site_the_sites_are_added_up_and_no_sum_falls() {
    let mut stage = Stage::new().await;
    for (site, views) in [("a", 3), ("b", 2)] {
        for _ in 0..views {
            stage.record(site, None).await.unwrap();
        }
        stage.stored_becomes(site, views, Duration::from_secs(1)).await;
        stage.figures(site, &[]).await;
    }
    let text = stage.handle.metrics_text(false, []).unwrap();
    assert!(!text.contains("site=\""), "{text}");
    assert!(text.contains("\ntruycap_views_total{outcome=\"counted\"} 5\n"), "{text}");
    assert!(text.contains("\ntruycap_site_views{figure=\"total\"} 5\n"), "{text}");
    let site = Site::clone(&stage.handle.site("a").unwrap().site());
    stage.recorder.configure(vec![site]);
    let text = stage.handle.metrics_text(false, []).unwrap();
    assert!(text.contains("\ntruycap_views_total{outcome=\"counted\"} 5\n"), "{text}");
}
