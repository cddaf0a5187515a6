//! Most-read lists in memory, and the upkeep of the sections of the store.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use truycap::{
    domain::{
        article::{ArticleId, Section},
        period::Bucket,
        producer::ProducerId,
        site::Site,
    },
    recorder::MostRead,
    store::{Store, StoreError},
};

use super::{Stage, apply, article, fakes::Mode, id};

const SECOND: Duration = Duration::from_secs(1);

impl Stage {
    async fn list(&self, section: Option<&Section>, bucket: Bucket) -> Result<MostRead, StoreError> {
        self.handle.top(&self.handle.site("a").unwrap(), section, bucket).await
    }

    async fn total_list(&self) -> MostRead {
        self.list(None, Bucket::Total).await.unwrap()
    }

    /// The results of this many concurrent requests.
    async fn total_lists(&self, requests: usize) -> Vec<Result<MostRead, StoreError>> {
        let request = |_| {
            let handle = self.handle.clone();
            tokio::spawn(async move { handle.top(&handle.site("a").unwrap(), None, Bucket::Total).await })
        };
        let requests: Vec<_> = (0..requests).map(request).collect();
        let mut lists = Vec::new();
        for request in requests {
            lists.push(request.await.unwrap());
        }
        lists
    }

    fn reads(&self) -> usize {
        self.store.behaviour().top_calls
    }

    /// Counts views of an article as another producer.
    async fn counted_elsewhere(&self, number: u64) {
        apply(&self.store, "a", ProducerId(9), (number - 1, number), Some(article(2))).await;
    }

    /// Configures the sections of the site `a`, and keeps only this site.
    fn configure_sections(&mut self, sections: &[Section]) {
        let mut site = Site::clone(&self.handle.site("a").unwrap().site());
        site.sections = sections.to_vec();
        self.recorder.configure(vec![site]);
    }

    /// The sections among these that the store has.
    async fn registered<'a>(&self, sections: &'a [Section]) -> Vec<&'a Section> {
        let mut registered = Vec::new();
        for section in sections {
            if self.store.memory.top(&id("a"), Some(section), Bucket::Total, 1).await.unwrap().whole {
                registered.push(section);
            }
        }
        registered
    }
}

fn sections() -> [Section; 2] {
    ["/tin", "/van-ban"].map(|section| Section::parse(section).unwrap())
}

/// One view of an article, which is in the store.
async fn viewed() -> Stage {
    let stage = Stage::new().await;
    stage.record("a", Some(article(1))).await.unwrap();
    stage.stored_becomes("a", 1, SECOND).await;
    stage
}

fn rows(list: &MostRead) -> &[(ArticleId, u64)] {
    &list.articles
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_once_for_all_that_wait_also_if_the_revision_is_not_known() {
    for fails_figures in [false, true] {
        let stage = viewed().await;
        stage.store.behaviour().delay = Duration::from_millis(20);
        stage.store.behaviour().fails_figures = fails_figures;
        for round in 1..10 {
            stage.counted_elsewhere(round).await;
            sleep(SECOND).await;
            let before = stage.reads();
            for list in stage.total_lists(100).await {
                let list = list.unwrap();
                assert!(rows(&list).contains(&(article(2), round)) && !list.stale, "{round}: {list:?}");
            }
            // Requests that come while the list is being read need another one: something can have been counted since.
            assert!(stage.reads() - before <= 2, "{} reads", stage.reads() - before);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_again_only_if_something_was_counted() {
    let stage = viewed().await;
    stage.figures("a", &[]).await;
    for _ in 0..100 {
        assert_eq!(rows(&stage.total_list().await), [(article(1), 1)]);
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(stage.reads(), 1, "nothing was counted");
    stage.counted_elsewhere(1).await;
    sleep(SECOND).await;
    assert_eq!(rows(&stage.total_list().await), [(article(1), 1), (article(2), 1)]);
    assert_eq!(stage.reads(), 2, "another producer has counted");
    stage.record("a", Some(article(2))).await.unwrap();
    stage.stored_becomes("a", 3, SECOND).await;
    sleep(Duration::from_millis(10)).await;
    for _ in 0..10 {
        assert_eq!(rows(&stage.total_list().await), [(article(2), 2), (article(1), 1)]);
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(stage.reads(), 3, "an own view was applied");
}

#[tokio::test(start_paused = true)]
async fn without_the_store_a_list_that_was_read_is_stale_and_another_one_is_an_error() {
    for mode in [Mode::Fails, Mode::Hangs] {
        let stage = viewed().await;
        assert!(!stage.total_list().await.stale);
        stage.store.behaviour().mode = mode;
        sleep(SECOND).await;
        let begun = Instant::now();
        for list in stage.total_lists(10).await {
            let list = list.unwrap();
            assert!(list.stale && rows(&list) == [(article(1), 1)], "{mode:?}");
        }
        assert!(stage.list(None, Bucket::Year(2026)).await.is_err(), "{mode:?}");
        assert!(begun.elapsed() <= 11 * SECOND, "{mode:?}: {:?}", begun.elapsed());
        stage.store.behaviour().mode = Mode::Works;
        sleep(3 * SECOND).await;
        assert!(!stage.total_list().await.stale, "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_being_built_is_stale_until_it_is_whole() {
    let mut stage = viewed().await;
    let [news, _] = &sections();
    let list = stage.list(Some(news), Bucket::Total).await.unwrap();
    assert!(list.stale && rows(&list).is_empty());
    stage.configure_sections(std::slice::from_ref(news));
    sleep(SECOND).await;
    // The revision is the same, so an unfinished list must not be kept by it.
    let list = stage.list(Some(news), Bucket::Total).await.unwrap();
    assert!(!list.stale && rows(&list) == [(article(1), 1)]);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_lists_in_memory_is_bounded() {
    let stage = viewed().await;
    stage.figures("a", &[]).await;
    for round in 1..=2 {
        for year in 0..1500 {
            stage.list(None, Bucket::Year(year)).await.unwrap();
        }
        assert!(stage.reads() > 1400 * round, "the first lists were forgotten: {}", stage.reads());
    }
}

#[tokio::test(start_paused = true)]
async fn the_sections_of_the_configuration_are_those_of_the_store_at_the_start_and_after_a_reload() {
    let mut stage = viewed().await;
    let all = sections();
    let [news, texts] = &all;
    assert_eq!(stage.registered(&all).await, [] as [&Section; 0]);
    stage.configure_sections(&all);
    sleep(SECOND).await;
    assert_eq!(stage.registered(&all).await, [news, texts]);
    stage.configure_sections(std::slice::from_ref(texts));
    sleep(SECOND).await;
    assert_eq!(stage.registered(&all).await, [texts]);
    // At the start, also if the store does not answer at first. This start has no sections.
    stage.store.behaviour().mode = Mode::Fails;
    let stage = stage.restart(&["a"]).await;
    sleep(SECOND).await;
    assert_eq!(stage.registered(&all).await, [texts]);
    stage.store.behaviour().mode = Mode::Works;
    sleep(10 * SECOND).await;
    assert_eq!(stage.registered(&all).await, [] as [&Section; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_lists_of_the_store_are_maintained_every_hour_and_after_a_reload() {
    let mut stage = Stage::new().await;
    sleep(SECOND).await;
    let calls = |stage: &Stage| stage.store.behaviour().maintain_calls;
    assert_eq!(calls(&stage), 2, "two sites");
    sleep(3590 * SECOND).await;
    assert_eq!(calls(&stage), 2);
    sleep(20 * SECOND).await;
    assert_eq!(calls(&stage), 4);
    stage.configure_sections(&[]);
    sleep(SECOND).await;
    assert_eq!(calls(&stage), 5, "only one site is left");
}

#[tokio::test(start_paused = true)]
async fn sections_that_the_store_lost_are_there_again_within_seconds() {
    let mut stage = viewed().await;
    let all = sections();
    let before = stage.store.memory.image();
    stage.configure_sections(&all);
    sleep(SECOND).await;
    assert_eq!(stage.registered(&all).await.len(), 2);
    // The store went back, and the next apply finds that.
    stage.record("a", Some(article(1))).await.unwrap();
    stage.stored_becomes("a", 2, SECOND).await;
    stage.store.memory.restore(before);
    stage.record("a", Some(article(1))).await.unwrap();
    stage.stored_becomes("a", 3, 5 * SECOND).await;
    sleep(10 * SECOND).await;
    assert_eq!(stage.registered(&all).await.len(), 2);
    // Another instance removed them, and a request finds that.
    stage.store.memory.maintain(&id("a"), &[]).await.unwrap();
    assert!(stage.list(Some(&all[0]), Bucket::Year(2026)).await.unwrap().stale);
    sleep(10 * SECOND).await;
    assert_eq!(stage.registered(&all).await.len(), 2);
    assert!(!stage.list(Some(&all[0]), Bucket::Year(2026)).await.unwrap().stale);
}
