//! What is counted beside the views.

use super::*;
use fakes::Mode;
use truycap::domain::{
    counts::{Kind, Subject},
    figures::Figure,
    outcome::{Outcome, SiteAlone},
    period::Bucket,
};

impl Stage {
    fn note(&self, site: &str, outcome: Outcome, times: usize) {
        let counter = self.handle.site(site).unwrap();
        (0..times).for_each(|_| self.handle.note(&counter, outcome));
    }

    /// The counts of the day in the store: views, bots and foreign pages.
    async fn counted(&self, site: &str) -> [u64; 3] {
        let mut counts = [0; 3];
        for (count, subject) in counts.iter_mut().zip([Subject::Site, Subject::Kind(Kind::Bot), Subject::Kind(Kind::Foreign)]) {
            let day = Bucket::Day("2026-11-23".parse().unwrap());
            *count = self.store.memory.history(&id(site), &subject, &[day]).await.unwrap()[0];
        }
        counts
    }

    fn entries(&self) -> usize {
        self.journal.memory.len()
    }
}

/// The most that passes until they are durable, and then until they are in the store.
const SOON: Duration = Duration::from_millis(1010);
const APPLIED: Duration = Duration::from_millis(1500);

#[tokio::test(start_paused = true)]
async fn it_is_in_the_store_soon_without_any_view() {
    let stage = Stage::new().await;
    stage.note("a", Outcome::Bot, 3);
    stage.note("a", Outcome::Foreign, 2);
    stage.note("a", Outcome::Busy, 7);
    assert_eq!(stage.entries(), 0, "nothing waits for it");
    sleep(APPLIED).await;
    assert_eq!((stage.counted("a").await, stage.entries()), ([0, 3, 2], 1));
    assert_eq!(stage.figures("a", &[]).await.site.map(|site| site[Figure::Total]), Some(0));
    assert_eq!(stage.handle.backlog().sites, []);
    assert_eq!(stage.metric("truycap_views_total{outcome=\"bot\",site=\"a\"}"), 3.0);
    // Nothing is left to do.
    let calls = stage.store.behaviour().figures_calls;
    sleep(Duration::from_secs(30)).await;
    assert!(stage.store.behaviour().figures_calls - calls < 20);
    assert_eq!(stage.entries(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_flood_costs_one_entry_a_second() {
    let stage = Stage::new().await;
    let begun = stage.entries();
    for _ in 0..1000 {
        stage.note("a", Outcome::Foreign, 50);
        stage.note("b", Outcome::Bot, 50);
        sleep(Duration::from_millis(10)).await;
    }
    sleep(APPLIED).await;
    assert_eq!((stage.counted("a").await, stage.counted("b").await), ([0, 0, 50_000], [0, 50_000, 0]));
    let entries = stage.entries() - begun;
    assert!((9..=12).contains(&entries), "{entries}");
}

#[tokio::test(start_paused = true)]
async fn it_goes_into_the_next_entry_with_views() {
    let stage = Stage::new().await;
    stage.note("b", Outcome::Bot, 1);
    stage.record("a", None).await.unwrap();
    stage.note("a", Outcome::Bot, 1);
    stage.record("a", None).await.unwrap();
    assert_eq!(stage.entries(), 2);
    sleep(APPLIED).await;
    assert_eq!((stage.counted("a").await, stage.counted("b").await, stage.entries()), ([2, 1, 0], [0, 1, 0], 2));
}

#[tokio::test(start_paused = true)]
async fn a_view_of_the_site_alone_and_its_reason_are_one_entry() {
    let stage = Stage::new().await;
    let site = stage.handle.site("a").unwrap();
    stage.handle.record(&site, NewView { site_alone: Some(SiteAlone::ArticlePattern), ..NewView::default() }).await.unwrap();
    let image = stage.journal.memory.image();
    let (entry, _) = &image.entries[&1];
    let (_, sums) = entry.days_of(&id("a")).next().unwrap();
    assert_eq!((sums.views, sums.kinds.clone()), (1, [(Kind::ArticlePattern, 1)].into()));
    // A view that is refused has no reason.
    stage.journal.memory.set_capacity(Some(1));
    stage.store.behaviour().mode = Mode::Fails;
    assert_eq!(
        stage.handle.record(&site, NewView { site_alone: Some(SiteAlone::ArticlePattern), ..NewView::default() }).await,
        Err(RecordError::Full)
    );
    stage.journal.memory.set_capacity(None);
    stage.store.behaviour().mode = Mode::Works;
    sleep(Duration::from_secs(5)).await;
    let total = stage.store.memory.history(&id("a"), &Subject::Kind(Kind::ArticlePattern), &[Bucket::Total]).await;
    assert_eq!(total, Ok(vec![1]));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_into_the_journal_waits_for_room() {
    let stage = Stage::new().await;
    stage.store.behaviour().mode = Mode::Fails;
    stage.journal.memory.set_capacity(Some(1));
    stage.record("a", None).await.unwrap();
    for _ in 0..5 {
        stage.note("a", Outcome::Bot, 2);
        assert_eq!(stage.record("a", None).await, Err(RecordError::Full));
        sleep(Duration::from_secs(1)).await;
    }
    stage.journal.memory.set_capacity(None);
    stage.store.behaviour().mode = Mode::Works;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(stage.counted("a").await, [1, 10, 0]);
}

#[tokio::test(start_paused = true)]
async fn it_is_written_before_a_stop() {
    let stage = Stage::new().await;
    stage.note("a", Outcome::Bot, 1);
    sleep(SOON).await;
    stage.note("a", Outcome::Bot, 1);
    stage.note("b", Outcome::Foreign, 1);
    let Stage { store, handle, recorder, journal } = stage;
    drop(handle);
    assert_eq!(recorder.shutdown(Duration::from_secs(4)).await.waiting.sites, []);
    let stage = Stage::of(journal, store, &["a", "b"]).await;
    assert_eq!((stage.counted("a").await, stage.counted("b").await), ([0, 2, 0], [0, 0, 1]));
}

#[tokio::test(start_paused = true)]
async fn it_is_read_from_the_journal_after_a_crash() {
    let stage = Stage::new().await;
    stage.store.behaviour().mode = Mode::Fails;
    stage.note("a", Outcome::Bot, 5);
    sleep(SOON).await;
    let waits = |stage: &Stage| stage.handle.backlog().sites.iter().map(|site| (site.entries, site.views)).collect::<Vec<_>>();
    assert_eq!((stage.entries(), waits(&stage)), (1, vec![(1, 0)]));
    stage.note("a", Outcome::Bot, 1);
    // A crash loses what came in the last second.
    let stage = stage.restart(&["a", "b"]).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(waits(&stage), [(1, 0)]);
    assert!(!stage.handle.is_dry());
    stage.store.behaviour().mode = Mode::Works;
    sleep(Duration::from_secs(3)).await;
    assert_eq!((stage.counted("a").await, waits(&stage), stage.handle.is_dry()), ([0, 5, 0], vec![], true));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_went_back_gets_it_again() {
    let stage = Stage::new().await;
    let image = stage.store.memory.image();
    stage.note("a", Outcome::Bot, 5);
    sleep(APPLIED).await;
    stage.store.memory.restore(image);
    stage.note("a", Outcome::Bot, 1);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(stage.counted("a").await, [0, 6, 0]);
}
