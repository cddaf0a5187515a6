//! An undo restores the counters that were there before.

use truycap::{
    domain::counts::Subject,
    transfer::corrections::{Adjust, Pairs, adjust, delete, merge, rename, undo},
};

use super::{adjusting_by, article, audit, bucket, changed, exported, order, planned, portal, press, today, views, why, with_past};

#[tokio::test]
async fn each_correction_can_be_taken_back() {
    let store = with_past().await;
    let before = exported(&*store).await;
    let order = order(&*store);
    let renamed = Pairs::one(article("/a"), article("/b")).unwrap();
    let adjusted = Adjust { views: -20, period: bucket("2020-01-16"), subject: Subject::Site };
    let numbers = [
        adjust(&order, &portal(), &adjusted, today()).await.unwrap().number.unwrap(),
        rename(&order, &portal(), &renamed, |_| {}).await.unwrap().number.unwrap(),
        delete(&order, &portal(), Some(&article("/b"))).await.unwrap().number.unwrap(),
        merge(&order, &press(), &portal(), |_| {}).await.unwrap().number.unwrap(),
        delete(&order, &portal(), None).await.unwrap().number.unwrap(),
    ];
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(exported(&*store).await, "site,article,bucket,views\n");
    for number in numbers.into_iter().rev() {
        undo(&order, &portal(), number, |_, _| {}).await.unwrap();
    }
    assert_eq!(exported(&*store).await, before);
    let undone: Vec<_> = audit(&*store, "portal").await.iter().map(|entry| entry.undone_by).collect();
    assert_eq!(undone, [Some(10), Some(9), Some(8), Some(7), Some(6), None, None, None, None, None]);
}

#[tokio::test]
async fn a_merge_is_taken_back_in_both_sites_by_either() {
    for named in [portal(), press()] {
        let store = with_past().await;
        let before = exported(&*store).await;
        merge(&order(&*store), &press(), &portal(), |_| {}).await.unwrap();
        let report = undo(&order(&*store), &named, 1, |_, _| {}).await.unwrap();
        assert_eq!(changed(&report), ["portal total 135 -> 130", "press total 0 -> 5"]);
        assert_eq!(exported(&*store).await, before);
        // And the sites can be merged again.
        let report = merge(&order(&*store), &press(), &portal(), |_| {}).await.unwrap();
        assert_eq!((report.number, views(&*store, "portal", "", "total").await), (Some(3), 135));
    }
}

#[tokio::test]
async fn an_undo_given_again_changes_nothing() {
    let store = with_past().await;
    adjusting_by(&*store, "portal", 3).await;
    undo(&order(&*store), &portal(), 1, |_, _| {}).await.unwrap();
    let image = store.image();
    for order in [order(&*store), planned(&*store)] {
        let report = undo(&order, &portal(), 1, |_, _| {}).await.unwrap();
        assert_eq!(report.notes, ["site portal: correction 2 had taken it back"]);
    }
    assert_eq!(store.image(), image);
}

#[tokio::test]
async fn a_dry_run_of_an_undo_changes_nothing() {
    let store = with_past().await;
    adjusting_by(&*store, "portal", 3).await;
    let image = store.image();
    let report = undo(&planned(&*store), &portal(), 1, |_, _| {}).await.unwrap();
    assert_eq!((changed(&report), report.number), (vec!["portal total 133 -> 130".into()], None));
    assert_eq!(store.image(), image);
}

#[tokio::test]
async fn an_undo_that_a_later_correction_prevents_names_it() {
    let store = with_past().await;
    let renamed = Pairs::one(article("/a"), article("/b")).unwrap();
    rename(&order(&*store), &portal(), &renamed, |_| {}).await.unwrap();
    adjusting_by(&*store, "portal", 1).await;
    delete(&order(&*store), &portal(), Some(&article("/b"))).await.unwrap();
    let image = store.image();
    let error = why(undo(&order(&*store), &portal(), 1, |_, _| {}).await);
    let expected = "article /b has only 0 views in 2020-01-15, fewer than correction 1 added, because correction 3 took some away: \
                    first give truycap undo portal 3; nothing was changed";
    assert_eq!(error, expected);
    assert_eq!(store.image(), image);
    undo(&order(&*store), &portal(), 3, |_, _| {}).await.unwrap();
    undo(&order(&*store), &portal(), 1, |_, _| {}).await.unwrap();
    assert_eq!(views(&*store, "portal", "/a", "total").await, 14);
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_said() {
    let store = with_past().await;
    assert_eq!(
        why(undo(&order(&*store), &portal(), 1, |_, _| {}).await),
        "site portal has no correction 1: it has none; nothing was changed"
    );
    adjusting_by(&*store, "portal", 1).await;
    let error = why(undo(&order(&*store), &portal(), 2, |_, _| {}).await);
    assert_eq!(error, "site portal has no correction 2: its last one is 1; truycap audit portal shows all; nothing was changed");
    undo(&order(&*store), &portal(), 1, |_, _| {}).await.unwrap();
    let error = why(undo(&order(&*store), &portal(), 2, |_, _| {}).await);
    let expected = "correction 2 of site portal takes back another one: to make that change again, repeat its command; nothing was changed";
    assert_eq!(error, expected);
    for _ in 0..101 {
        adjusting_by(&*store, "portal", 1).await;
    }
    let error = why(undo(&order(&*store), &portal(), 3, |_, _| {}).await);
    assert_eq!(error, "correction 3 of site portal cannot be taken back: only the latest 100 corrections can be; nothing was changed");
    undo(&order(&*store), &portal(), 4, |_, _| {}).await.unwrap();
}
