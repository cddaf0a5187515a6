//! The recorder's metrics of the journal and the store.

use super::*;
use fakes::Mode;

impl Stage {
    /// The value of a metric.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.handle.metrics_text().unwrap();
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
