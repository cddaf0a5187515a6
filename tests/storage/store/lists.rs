//! Most-read lists, of the whole site and of sections: always equal to a sort of all counts.

use std::collections::HashMap;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use truycap::{
    domain::{article::ArticleId, clock::Clock, period::Bucket, producer::ProducerId, site::SiteId},
    store::{LIST_LEAST, LIST_MOST, Store},
};

use super::{
    Harness, MINE, Redis, THEIRS, TestClock, add, apply, article, bucket, day, days, maintain, on_every_store, redis_store, section, site,
    sqlite_in, top,
};

on_every_store! {
    a_list_is_the_sort_of_all_counts_while_articles_overtake_each_other
    the_list_of_a_bucket_with_many_ties_is_by_the_bytes_of_the_ids
    a_list_of_more_articles_than_it_holds_has_the_most_read
    a_new_section_is_not_whole_until_it_is_built
    a_section_of_an_empty_site_is_whole_at_once
    the_lists_of_a_section_are_exact_while_applies_go_on
    a_section_that_is_removed_and_added_again_is_exact
    a_section_is_a_prefix_in_which_no_character_is_special
    an_unknown_section_is_empty_and_not_whole
    lists_past_their_retention_are_deleted_and_others_stay
    a_build_by_a_clock_that_is_ahead_leaves_nothing_out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_in_sqlite_are_exact_although_processes_write_at_once() {
    let dir = tempfile::TempDir::new().unwrap();
    processes_write_at_once([(); 3].map(|()| sqlite_in(&dir, chrono::Utc::now))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_in_redis_are_exact_although_processes_write_at_once() {
    let prefix = redis_store::new_prefix();
    processes_write_at_once([(); 3].map(|()| Redis::at(redis_store::shared().url(), prefix.clone(), Clock::from(chrono::Utc::now)).store))
        .await;
}

/// Two stores apply, while a third adds and removes sections.
async fn processes_write_at_once<S: Store>(stores: [S; 3]) {
    let site = site("portal");
    let names = names(900);
    let write = async |store: &S, producer: u64| {
        let (mut rng, mut counts) = (StdRng::seed_from_u64(producer), HashMap::<String, u64>::new());
        for seq in 0..60 {
            let views = some_views(&mut rng, &names, 150);
            let rows: Vec<_> = views.iter().map(|(id, views)| (day("2099-05-05"), *id, *views)).collect();
            apply(store, &site, ProducerId(producer.into()), seq, seq + 1, days(&rows)).await;
            for (id, views) in views {
                *counts.entry(id.into()).or_default() += views;
            }
        }
        counts
    };
    let sections = ["/tin", "/ế/", "/[a]\\"];
    let upkeep = async {
        for step in 0..60 {
            // Each set is wanted for some steps, which may not suffice.
            let wanted: Vec<_> = sections.iter().skip(step / 5 % 3).map(|text| section(text)).collect();
            stores[2].maintain(&site, &wanted).await.unwrap();
        }
        maintain(&stores[2], &site, &sections.map(section)).await;
    };
    let (mut counts, others, ()) = tokio::join!(write(&stores[0], 1), write(&stores[1], 2), upkeep);
    for (id, views) in others {
        *counts.entry(id).or_default() += views;
    }
    for store in &stores {
        matches(store, &site, &counts, &sections).await;
    }
}

/// A plain sort of the counts.
fn sorted(counts: &HashMap<String, u64>, prefix: &str) -> Vec<(ArticleId, u64)> {
    let mut list: Vec<_> = counts.iter().filter(|(id, _)| id.starts_with(prefix)).map(|(id, views)| (article(id), *views)).collect();
    list.sort_by(|(a, a_views), (b, b_views)| b_views.cmp(a_views).then_with(|| a.as_str().as_bytes().cmp(b.as_str().as_bytes())));
    list.truncate(LIST_LEAST);
    list
}

/// Ids that share prefixes and sort by bytes in another order than by letters.
fn names(count: usize) -> Vec<String> {
    let shapes = ["/tin/", "/Tin/", "/tin*/", "/ế/", "/tin/ă", "/🇻🇳", "/tin", "/ti?/", "/[a]\\"];
    (0..count).map(|i| format!("{}{}", shapes[i % shapes.len()], i / shapes.len())).collect()
}

async fn add_counts(store: &impl Store, site: &SiteId, seq: u64, counts: &mut HashMap<String, u64>, views: &[(&str, u64)]) {
    let rows: Vec<_> = views.iter().map(|(id, views)| (day("2099-05-05"), *id, *views)).collect();
    apply(store, site, MINE, seq, seq + 1, days(&rows)).await;
    for (id, views) in views {
        *counts.entry((*id).into()).or_default() += views;
    }
}

async fn matches(store: &impl Store, site: &SiteId, counts: &HashMap<String, u64>, sections: &[&str]) {
    for name in ["2099-05-05", "2099-W19", "2099-05", "2099", "total"] {
        assert_eq!(top(store, site, name, LIST_LEAST).await, sorted(counts, ""), "{name}");
        for prefix in sections {
            let list = store.top(site, Some(&section(prefix)), bucket(name), LIST_LEAST).await.unwrap();
            assert!(list.whole, "{prefix}");
            assert_eq!(list.articles, sorted(counts, prefix), "{name} of {prefix}");
        }
    }
}

/// Some articles with some views; few of them get many.
fn some_views<'a>(rng: &mut StdRng, names: &'a [String], most: usize) -> Vec<(&'a str, u64)> {
    let mut views = HashMap::new();
    for _ in 0..rng.random_range(1..=most) {
        let at = rng.random_range(0..names.len());
        views.insert(names[at].as_str(), if rng.random_bool(0.1) { rng.random_range(1..9) } else { 1 });
    }
    views.into_iter().collect()
}

async fn a_list_is_the_sort_of_all_counts_while_articles_overtake_each_other<H: Harness>() {
    let (harness, site, mut rng) = (H::start().await, site("portal"), StdRng::seed_from_u64(7));
    let (store, names, mut counts) = (harness.store(), names(400), HashMap::new());
    let sections = ["/tin", "/tin/", "/tin*", "/ế/", "/🇻"];
    maintain(store, &site, &sections.map(section)).await;
    for seq in 0..40 {
        // Single articles, and applies that pass the bound of a list many times over.
        let most = if seq % 4 == 0 { 300 } else { 20 };
        add_counts(store, &site, seq, &mut counts, &some_views(&mut rng, &names, most)).await;
        matches(store, &site, &counts, &sections).await;
    }
    assert!(counts.len() > 2 * LIST_MOST);
}

async fn the_list_of_a_bucket_with_many_ties_is_by_the_bytes_of_the_ids<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let (store, names, mut counts) = (harness.store(), names(300), HashMap::new());
    // All have one view: those that come last are not in the end the last ones.
    for (seq, names) in (0..).zip(names.chunks(30).rev()) {
        let views: Vec<_> = names.iter().map(|id| (id.as_str(), 1)).collect();
        add_counts(store, &site, seq, &mut counts, &views).await;
        matches(store, &site, &counts, &[]).await;
    }
}

async fn a_list_of_more_articles_than_it_holds_has_the_most_read<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let (store, mut counts) = (harness.store(), HashMap::new());
    let names: Vec<_> = (0..LIST_MOST + 80).map(|i| format!("/{i}")).collect();
    let views: Vec<_> = names.iter().zip(1..).map(|(id, views)| (id.as_str(), views)).collect();
    add_counts(store, &site, 0, &mut counts, &views).await;
    matches(store, &site, &counts, &[]).await;
    // One that was cut comes back, one by one, to the top.
    for (seq, at) in (1..).zip([0, 5, 70, 120, 0]) {
        add_counts(store, &site, seq, &mut counts, &[(&names[at], 1000)]).await;
        matches(store, &site, &counts, &[]).await;
    }
}

async fn a_new_section_is_not_whole_until_it_is_built<H: Harness>() {
    let (mut harness, site, mut rng) = (H::start().await, site("portal"), StdRng::seed_from_u64(3));
    let (names, mut counts) = (names(5000), HashMap::new());
    let all: Vec<_> = names.iter().map(|id| (id.as_str(), rng.random_range(1..50))).collect();
    add_counts(harness.store(), &site, 0, &mut counts, &all).await;
    let sections = ["/tin", "/ế/"].map(section);
    // After each step the store is opened again and something is applied.
    for seq in 1..100 {
        let more = harness.store().maintain(&site, &sections).await.unwrap();
        add_counts(harness.store(), &site, seq, &mut counts, &some_views(&mut rng, &names, 50)).await;
        harness = harness.restart().await;
        for section in &sections {
            let list = harness.store().top(&site, Some(section), Bucket::Total, LIST_LEAST).await.unwrap();
            if list.whole {
                assert_eq!(list.articles, sorted(&counts, section.as_str()), "{section} after {seq} steps");
            }
        }
        if !more {
            break;
        }
    }
    matches(harness.store(), &site, &counts, &["/tin", "/ế/"]).await;
}

async fn a_section_of_an_empty_site_is_whole_at_once<H: Harness>() {
    let (harness, site, mut counts) = (H::start().await, site("portal"), HashMap::new());
    let store = harness.store();
    maintain(store, &site, &[section("/a/")]).await;
    matches(store, &site, &counts, &["/a/"]).await;
    add_counts(store, &site, 0, &mut counts, &[("/a/1", 2), ("/b/1", 3), ("/a", 4)]).await;
    matches(store, &site, &counts, &["/a/"]).await;
}

async fn the_lists_of_a_section_are_exact_while_applies_go_on<H: Harness>() {
    let (harness, site, mut rng) = (H::start().await, site("portal"), StdRng::seed_from_u64(11));
    let (store, names, mut counts) = (harness.store(), names(1500), HashMap::new());
    let choices: [&[&str]; 5] = [&["/tin"], &[], &["/tin", "/ti?/", "/Tin/"], &["/ế/", "/[a]\\"], &["/tin", "/tin/ă"]];
    let mut seq = 0;
    for round in 0..10 {
        let wanted = choices[round % choices.len()];
        let sections: Vec<_> = wanted.iter().map(|text| section(text)).collect();
        loop {
            add_counts(store, &site, seq, &mut counts, &some_views(&mut rng, &names, 200)).await;
            seq += 1;
            if !store.maintain(&site, &sections).await.unwrap() {
                break;
            }
        }
        add_counts(store, &site, seq, &mut counts, &some_views(&mut rng, &names, 200)).await;
        seq += 1;
        matches(store, &site, &counts, wanted).await;
    }
}

async fn a_section_that_is_removed_and_added_again_is_exact<H: Harness>() {
    let (harness, site, mut rng) = (H::start().await, site("portal"), StdRng::seed_from_u64(5));
    let (store, names, mut counts) = (harness.store(), names(300), HashMap::new());
    let sections = ["/tin", "/ế/"].map(section);
    maintain(store, &site, &sections).await;
    // So many lists that the removal takes several steps.
    let first = day("2099-05-05");
    for (seq, day) in (0..90).zip(first.iter_days().skip(1)) {
        let rows: Vec<_> = names.iter().map(|id| (day, id.as_str(), 1)).collect();
        apply(store, &site, THEIRS, seq, seq + 1, days(&rows)).await;
    }
    add_counts(store, &site, 0, &mut counts, &some_views(&mut rng, &names, 200)).await;
    for steps in 1..5 {
        for _ in 0..steps {
            store.maintain(&site, &sections[1..]).await.unwrap();
        }
        // Added again in the middle of its removal: it is exact as soon as it is whole.
        loop {
            let more = store.maintain(&site, &sections).await.unwrap();
            let list = store.top(&site, Some(&sections[0]), bucket("2099-05-05"), LIST_LEAST).await.unwrap();
            if list.whole {
                assert_eq!(list.articles, sorted(&counts, "/tin"), "after {steps} steps of its removal");
            }
            if !more {
                break;
            }
        }
        for day in first.iter_days().skip(1).take(90) {
            let list = store.top(&site, Some(&sections[0]), Bucket::Day(day), LIST_LEAST).await.unwrap();
            assert!(list.whole);
            let of_day = names.iter().map(|id| (id.clone(), 1)).collect();
            assert_eq!(list.articles, sorted(&of_day, "/tin"), "{day} after {steps} steps");
        }
    }
}

async fn a_section_is_a_prefix_in_which_no_character_is_special<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let (store, mut counts) = (harness.store(), HashMap::new());
    let ids = ["/*/a", "/?/a", "/[a]/a", "/\\/a", "/a/a", "/^a", "/]a", "/[^a]", "/-a", "/[a-z]/x", "/m", "/:a", "/%a", "/_a", "//", "/ "];
    let views: Vec<_> = ids.iter().zip(1..).map(|(id, views)| (*id, views)).collect();
    add_counts(store, &site, 0, &mut counts, &views).await;
    let prefixes = ["/*", "/?", "/[", "/\\", "/^", "/]", "/[^", "/[a-z]", "/:", "/%", "/_", "/", "//", "/ "];
    maintain(store, &site, &prefixes.map(section)).await;
    matches(store, &site, &counts, &prefixes).await;
    add_counts(store, &site, 1, &mut counts, &views).await;
    matches(store, &site, &counts, &prefixes).await;
}

async fn an_unknown_section_is_empty_and_not_whole<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let empty = || async {
        let list = store.top(&site, Some(&section("/a")), Bucket::Total, 10).await.unwrap();
        assert_eq!((list.articles, list.whole), (vec![], false));
    };
    empty().await;
    add(store, &site, MINE, 0, 1, &[("total", "/a", 1)]).await;
    empty().await;
    maintain(store, &site, &[section("/a")]).await;
    assert!(store.top(&site, Some(&section("/a")), Bucket::Total, 10).await.unwrap().whole);
    maintain(store, &site, &[]).await;
    empty().await;
}

async fn lists_past_their_retention_are_deleted_and_others_stay<H: Harness>() {
    let clock = TestClock::at("2030-01-20T12:00:00Z");
    let (harness, site) = (H::start_by(clock.clock()).await, site("portal"));
    let (store, sections) = (harness.store(), [section("/a")]);
    maintain(store, &site, &sections).await;
    apply(store, &site, MINE, 0, 1, days(&[(day("2030-01-20"), "/a", 3), (day("2030-01-20"), "/b", 4)])).await;
    for seq in 1..70 {
        clock.pass(24);
        apply(store, &site, MINE, seq, seq + 1, days(&[])).await;
        maintain(store, &site, &sections).await;
    }
    for (name, kept) in [("2030-01-20", false), ("2030-W03", true), ("2030-01", true), ("2030", true), ("total", true)] {
        let all = if kept { vec![(article("/b"), 4), (article("/a"), 3)] } else { vec![] };
        assert_eq!(top(store, &site, name, 10).await, all, "{name}");
        let list = store.top(&site, Some(&sections[0]), bucket(name), 10).await.unwrap();
        assert_eq!((list.articles, list.whole), (all.into_iter().skip(1).collect(), true), "{name}");
    }
    assert!(!store.maintain(&site, &sections).await.unwrap());
}

async fn a_build_by_a_clock_that_is_ahead_leaves_nothing_out<H: Harness>() {
    let clock = TestClock::at("2030-01-20T12:00:00Z");
    let (harness, site) = (H::start_by(clock.clock()).await, site("portal"));
    let (store, sections) = (harness.store(), [section("/a")]);
    let rows: Vec<_> = day("2030-01-01").iter_days().take(20).map(|day| (day, "/a", 1)).collect();
    apply(store, &site, MINE, 0, 1, days(&rows)).await;
    clock.pass(400 * 24);
    maintain(store, &site, &sections).await;
    clock.pass(-400 * 24);
    for (day, ..) in rows {
        let list = store.top(&site, Some(&sections[0]), Bucket::Day(day), 10).await.unwrap();
        assert_eq!((list.articles, list.whole), (vec![(article("/a"), 1)], true), "{day}");
        assert_eq!(store.top(&site, None, Bucket::Day(day), 10).await.unwrap().articles, [(article("/a"), 1)], "{day}");
    }
}
