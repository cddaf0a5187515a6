//! A command that is killed at any step, and given again, has the same effect as one that is not.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use tokio::sync::Notify;
use truycap::{
    domain::correction::MAX_CHANGES,
    store::{Store, StoreError, memory::Image},
    transfer::corrections::{Pairs, delete, merge, rename, undo},
};
use truycap_test_support::faulty::{FaultyStore, StoreCall, StoreFaults};

use super::{Files, Memory, adjusting_by, article, audit, count, exported, memory, order, portal, press, site, views, why};

/// How many articles each site has: three steps.
const ARTICLES: usize = 2 * MAX_CHANGES + 500;

/// The corrections that reach the store, and those that are answered, are counted together; at one of them the command is killed.
struct Kill {
    at: u64,
    seen: AtomicU64,
    dead: Notify,
}

impl Kill {
    async fn pass(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        if matches!(call, StoreCall::Correct(_)) && self.seen.fetch_add(1, Ordering::Relaxed) == self.at {
            self.dead.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[async_trait]
impl StoreFaults for Kill {
    async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        self.pass(call).await
    }

    async fn after(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        self.pass(call).await
    }
}

/// Runs a command that is killed at the `at`-th event, and returns whether it was.
async fn killed<T>(store: &Arc<Memory>, at: u64, command: impl AsyncFnOnce(&dyn Store) -> T) -> bool {
    let faulty = FaultyStore::new(Arc::clone(store) as Arc<dyn Store>, Kill { at, seen: AtomicU64::new(0), dead: Notify::new() });
    tokio::select! {
        _ = command(&faulty) => false,
        () = faulty.faults.dead.notified() => true,
    }
}

async fn large() -> Arc<Memory> {
    let store = memory();
    let mut csv = "site,article,period,views\nportal,,2020-01-16,9000\npress,,2020-01-15,9000\n".to_owned();
    for number in 0..ARTICLES {
        csv += &format!("portal,/tin/{number:05},2020-01-16,{}\npress,/tin/{:05},2020-01-15,3\n", number % 5 + 1, 2 * number);
    }
    count(&store, &csv).await;
    Arc::new(store)
}

/// Kills a command at each event in turn, and then once at each event of the same run; it must have the same effect as at once.
async fn whatever_kills_it(prepare: impl AsyncFn(&Arc<Memory>), command: impl AsyncFn(&dyn Store)) {
    let store = large().await;
    prepare(&store).await;
    let start = store.image();
    command(&*store).await;
    let (expected, lists) = (exported(&*store).await, lists(&store).await);
    assert!(lists.iter().any(|list| list.iter().any(|(steps, ..)| *steps >= 3)), "{lists:?}");
    let mut events = 0;
    loop {
        store.restore(start.clone());
        if !killed(&store, events, &command).await {
            break;
        }
        command(&*store).await;
        assert_eq!(exported(&*store).await, expected, "killed at {events}");
        assert_eq!(self::lists(&store).await, lists, "killed at {events}");
        events += 1;
    }
    assert!(events >= 6, "{events}");
    // A command that is killed right after each step goes on by one step each time.
    store.restore(start);
    let mut runs = 0;
    while killed(&store, 1, &command).await {
        runs += 1;
        assert!(runs < 100, "it does not end");
    }
    assert_eq!((exported(&*store).await, self::lists(&store).await), (expected, lists));
}

/// Of each correction of both sites: steps, sums, and what took it back.
async fn lists(store: &Arc<Memory>) -> Vec<Vec<(u64, i64, i64, Option<u64>)>> {
    let mut lists = Vec::new();
    for site in ["portal", "press"] {
        let list = audit(&**store, site).await;
        lists.push(list.iter().map(|entry| (entry.steps, entry.site_views, entry.article_views, entry.undone_by)).collect());
    }
    lists
}

#[tokio::test]
async fn a_delete_continues() {
    whatever_kills_it(async |_| {}, async |store| drop(delete(&order(store), &portal(), None).await.unwrap())).await;
}

#[tokio::test]
async fn a_merge_continues() {
    whatever_kills_it(async |_| {}, async |store| drop(merge(&order(store), &press(), &portal(), |_| {}).await.unwrap())).await;
}

#[tokio::test]
async fn a_rename_of_many_continues() {
    let pairs = || {
        let mut csv = "old,new\n".to_owned();
        (0..MAX_CHANGES + 200).for_each(|number| csv += &format!("/tin/{number:05},/bai/{}\n", number / 3));
        let files = Files::new();
        let file = std::fs::File::open(files.write("moved.csv", csv)).unwrap();
        Pairs::read(&file, "moved.csv").unwrap()
    };
    let pairs = pairs();
    whatever_kills_it(async |_| {}, async |store| drop(rename(&order(store), &portal(), &pairs, |_| {}).await.unwrap())).await;
}

#[tokio::test]
async fn an_undo_of_a_delete_continues() {
    let prepare = async |store: &Arc<Memory>| drop(delete(&order(&**store), &portal(), None).await.unwrap());
    whatever_kills_it(prepare, async |store| drop(undo(&order(store), &portal(), 1, |_, _| {}).await.unwrap())).await;
}

#[tokio::test]
async fn an_undo_of_a_merge_continues_from_either_site() {
    for named in [portal(), press()] {
        let prepare = async |store: &Arc<Memory>| drop(merge(&order(&**store), &press(), &portal(), |_| {}).await.unwrap());
        whatever_kills_it(prepare, async |store| drop(undo(&order(store), &named, 1, |_, _| {}).await.unwrap())).await;
    }
}

/// A merge that was killed at any step can be taken back instead, and then all is as before.
#[tokio::test]
async fn an_unfinished_merge_can_be_taken_back() {
    let store = large().await;
    let (start, before) = (store.image(), exported(&*store).await);
    let command = async |store: &dyn Store| merge(&order(store), &press(), &portal(), |_| {}).await;
    for at in 1.. {
        store.restore(start.clone());
        if !killed(&store, at, command).await {
            break;
        }
        undo(&order(&*store), &press(), 1, |_, _| {}).await.unwrap();
        assert_eq!(exported(&*store).await, before, "killed at {at}");
    }
}

/// A merge that was killed between its halves, and whose changes are not kept any more: the command says what is missing, and goes on.
#[tokio::test]
async fn a_merge_that_cannot_be_continued_begins_again() {
    let store = large().await;
    let command = async |store: &dyn Store| merge(&order(store), &press(), &portal(), |_| {}).await;
    assert!(killed(&store, 2, command).await);
    for _ in 0..100 {
        adjusting_by(&*store, "press", 1).await;
    }
    let report = command(&*store).await.unwrap();
    let entries = audit(&*store, "press").await;
    let (lost, of_articles) = (-entries[0].site_views, -entries[0].article_views);
    assert_eq!((lost, of_articles > 0), (9000, true));
    let expected = format!(
        "an earlier merge, correction 1 of site press, was interrupted, and too many corrections followed to continue it; 9000 views of site \
         press and {of_articles} of its articles were taken away and not added to site portal: to correct its total, give truycap adjust \
         portal 9000 --period total"
    );
    assert_eq!(report.notes.last(), Some(&expected));
    assert_eq!((views(&*store, "press", "", "total").await, views(&*store, "portal", "", "total").await), (0, 9100));
    assert_eq!(entries[101].article_views, of_articles - 3 * i64::try_from(ARTICLES).unwrap());
}

/// The images of a store after each event of a command.
async fn moments(store: &Arc<Memory>, start: &Image, command: impl AsyncFn(&dyn Store)) -> Vec<Image> {
    let mut images = Vec::new();
    for at in 0.. {
        store.restore(start.clone());
        let was_killed = killed(store, at, &command).await;
        images.push(store.image());
        if !was_killed {
            break;
        }
    }
    images
}

/// One of the two sites goes back to any earlier moment of a merge: the same command brings both to the end.
#[tokio::test]
async fn a_merge_survives_a_store_that_went_back() {
    let store = large().await;
    let start = store.image();
    let command = async |store: &dyn Store| drop(merge(&order(store), &press(), &portal(), |_| {}).await.unwrap());
    let images = moments(&store, &start, command).await;
    let last = images.last().unwrap().clone();
    store.restore(last.clone());
    let (expected, lists) = (exported(&*store).await, lists(&store).await);
    for (number, image) in images.iter().enumerate() {
        for back in [portal(), press()] {
            store.restore(last.clone());
            store.restore_site(&back, image);
            command(&*store).await;
            assert_eq!(exported(&*store).await, expected, "site {back} went back to {number}");
            assert_eq!(self::lists(&store).await, lists, "site {back} went back to {number}");
        }
    }
}

/// Views that come between the kill and the second command are not lost, and not counted twice.
#[tokio::test]
async fn views_that_come_meanwhile_are_kept() {
    let store = large().await;
    let total = async |of: &str| views(&*store, of, "", "total").await;
    let start = store.image();
    for at in 0..12 {
        store.restore(start.clone());
        killed(&store, at, async |store| merge(&order(store), &press(), &portal(), |_| {}).await).await;
        adjusting_by(&*store, "press", 7).await;
        adjusting_by(&*store, "portal", 5).await;
        merge(&order(&*store), &press(), &portal(), |_| {}).await.unwrap();
        merge(&order(&*store), &press(), &portal(), |_| {}).await.unwrap();
        assert_eq!((total("press").await, total("portal").await), (0, 18_012), "killed at {at}");
    }
}

/// Half of a merge was taken back: another merge must not begin before the rest is.
#[tokio::test]
async fn a_merge_waits_for_an_undo_that_was_killed() {
    let store = large().await;
    merge(&order(&*store), &press(), &portal(), |_| {}).await.unwrap();
    killed(&store, 1, async |store| undo(&order(store), &portal(), 1, |_, _| {}).await).await;
    let error = why(merge(&order(&*store), &press(), &portal(), |_| {}).await);
    let expected = "the earlier merge, correction 1 of site press, is not taken back completely: first give truycap undo press 1";
    assert_eq!(error, expected);
    undo(&order(&*store), &press(), 1, |_, _| {}).await.unwrap();
    merge(&order(&*store), &press(), &portal(), |_| {}).await.unwrap();
}

/// Two processes at once: one of them may stop, and nothing is moved twice.
#[tokio::test]
async fn the_same_command_twice_at_once_moves_everything_once() {
    let store = large().await;
    let merged = async || merge(&order(&*store), &press(), &portal(), |_| {}).await;
    let (one, other) = tokio::join!(merged(), merged());
    assert!(one.is_ok() || other.is_ok());
    merged().await.unwrap();
    assert_eq!(views(&*store, "portal", "", "total").await, 18_000);
    assert_eq!(views(&*store, "portal", "/tin/00002", "total").await, 3 + 3);
    assert!(store.counts(&site("press"), &truycap::domain::counts::Subject::Article(article("/tin/00002"))).await.unwrap().is_empty());
}
