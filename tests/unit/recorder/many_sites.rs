//! The cost of many sites: questions to the store, and memory.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono_tz::Tz;
use tokio::time::sleep;
use truycap::{
    domain::site::{Rules, Site},
    store::memory::Image,
};

use super::{
    NewView, RETAIN, Stage, article,
    fakes::{FakeJournal, FakeStore, set_clock},
    id,
};

const SITES: usize = 2000;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("site-{number}")).collect()
}

/// Sites that each have one view in the journal, which is applied.
async fn idle() -> (Stage, Vec<String>) {
    set_clock("2026-11-23T05:00:00Z");
    let names = names(SITES);
    let sites: Vec<_> = names.iter().map(String::as_str).collect();
    let stage = Stage::of(FakeJournal::new(), Arc::new(FakeStore::new()), &sites).await;
    for name in &names {
        let counter = stage.handle.site(name).unwrap();
        drop(stage.handle.record(&counter, NewView::default()));
    }
    for name in &names {
        stage.stored_becomes(name, 1, Duration::from_secs(5)).await;
    }
    (stage, names)
}

#[tokio::test(start_paused = true)]
async fn idle_sites_cost_a_bounded_number_of_questions_to_the_store() {
    let (stage, _) = idle().await;
    sleep(Duration::from_secs(10)).await;
    let before = stage.store.behaviour().figures_calls;
    sleep(Duration::from_secs(30)).await;
    let asked = stage.store.behaviour().figures_calls - before;
    // The store is asked for each site in turn, at most 100 in a second.
    assert!((SITES..=100 * 31).contains(&asked), "{asked} questions in 30 s");
}

#[tokio::test(start_paused = true)]
async fn every_entry_of_many_sites_is_eventually_deleted() {
    let (stage, _) = idle().await;
    // A round over all sites takes 20 s.
    sleep(RETAIN + Duration::from_secs(30)).await;
    assert!(stage.journal.memory.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rewound_store_is_repaired_for_all_sites_as_soon_as_for_one() {
    let (stage, names) = idle().await;
    sleep(Duration::from_secs(10)).await;
    stage.store.memory.restore(Image::default());
    sleep(Duration::from_secs(3)).await;
    for name in &names {
        assert_eq!(stage.store.stored(name).await, 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn sites_with_a_permanent_fault_do_not_keep_others_from_being_asked() {
    let (stage, names) = idle().await;
    let (corrupt, sound) = names.split_at(150);
    stage.store.behaviour().corrupt.extend(corrupt.iter().map(|name| id(name)));
    // Until all calls for the corrupt sites have failed.
    sleep(Duration::from_secs(90)).await;
    stage.store.memory.restore(Image::default());
    sleep(Duration::from_secs(30)).await;
    for name in sound {
        assert_eq!(stage.store.stored(name).await, 1, "{name}");
    }
}

/// Requests articles twice, 50 at a time. Returns whether the store was asked the second time.
async fn forgets(stage: &Stage, articles: usize) -> bool {
    let articles: Vec<_> = (0..articles).map(article).collect();
    for some in articles.chunks(50) {
        assert_eq!(stage.figures("a", some).await.articles.len(), some.len());
    }
    let before = stage.store.behaviour().figures_calls;
    for some in articles.chunks(50) {
        assert_eq!(stage.figures("a", some).await.articles.len(), some.len());
    }
    stage.store.behaviour().figures_calls > before
}

#[tokio::test(start_paused = true)]
async fn memory_is_divided_again_when_the_sites_change() {
    let mut stage = Stage::new().await;
    assert!(!forgets(&stage, 900).await, "one of two sites remembers many articles");
    let named = |names: Vec<String>| {
        let names: BTreeSet<_> = names.into_iter().chain(["a".into()]).collect();
        names
            .iter()
            .map(|name| Site {
                id: id(name),
                aliases: Vec::new(),
                origins: Vec::new(),
                timezone: Tz::UTC,
                sections: Vec::new(),
                rules: Rules::default(),
            })
            .collect()
    };
    stage.recorder.configure(named(names(999)));
    assert!(forgets(&stage, 900).await, "one of a thousand sites remembers a few hundred");
    stage.recorder.configure(named(Vec::new()));
    assert!(!forgets(&stage, 900).await, "the only site remembers many again");
}
