//! Rename, merge and delete move what there is, and nothing else.

use std::io::{Seek, Write};

use truycap::transfer::corrections::{Pairs, delete, merge, rename};

use super::{article, audit, changed, exported, order, planned, portal, press, site, views, why, with_past};

fn pair(old: &str, new: &str) -> Pairs {
    Pairs::one(article(old), article(new)).unwrap()
}

fn pairs(csv: &str) -> Result<Pairs, String> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(csv.as_bytes()).unwrap();
    file.rewind().unwrap();
    Pairs::read(&file, "moved.csv").map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_renamed_article_has_the_views_of_both() {
    let store = with_past().await;
    let report = rename(&order(&*store), &portal(), &pair("/a", "/b"), |_| {}).await.unwrap();
    assert_eq!(changed(&report), ["portal/a total 14 -> 0", "portal/b total 7 -> 21"]);
    for (period, expected) in [("2020-01-16", 17), ("2020-01-15", 4), ("2020-W03", 21), ("2020", 21), ("total", 21)] {
        assert_eq!((views(&*store, "portal", "/a", period).await, views(&*store, "portal", "/b", period).await), (0, expected), "{period}");
    }
    assert_eq!(views(&*store, "portal", "", "total").await, 130);
    let entry = &audit(&*store, "portal").await[0];
    assert_eq!((entry.site_views, entry.article_views, entry.steps, &*entry.note.what), (0, 0, 1, "portal /a /b"));
}

#[tokio::test]
async fn a_command_given_again_finds_nothing_to_do_until_there_is_something_again() {
    let store = with_past().await;
    rename(&order(&*store), &portal(), &pair("/a", "/b"), |_| {}).await.unwrap();
    let image = store.image();
    let report = rename(&order(&*store), &portal(), &pair("/a", "/b"), |_| {}).await.unwrap();
    assert_eq!(
        (report.number, &report.notes[..]),
        (Some(1), &["nothing was left to change, because the command was given before".to_owned()][..])
    );
    assert_eq!(store.image(), image);
    rename(&order(&*store), &portal(), &pair("/c", "/a"), |_| {}).await.unwrap();
    let report = rename(&order(&*store), &portal(), &pair("/a", "/b"), |_| {}).await.unwrap();
    assert_eq!((report.number, changed(&report)), (Some(3), vec!["portal/a total 3 -> 0".into(), "portal/b total 21 -> 24".into()]));
}

#[tokio::test]
async fn visits_are_merged_and_deleted_with_the_site() {
    let store = with_past().await;
    merge(&order(&*store), &press(), &portal(), |_| {}).await.unwrap();
    let totals = async || (views(&*store, "portal", "visits", "total").await, views(&*store, "press", "visits", "total").await);
    assert_eq!(totals().await, (16, 0));
    delete(&order(&*store), &portal(), Some(&article("/a"))).await.unwrap();
    assert_eq!(totals().await, (16, 0));
    delete(&order(&*store), &portal(), None).await.unwrap();
    assert_eq!(totals().await, (0, 0));
}

#[tokio::test]
async fn many_articles_are_renamed_by_a_file() {
    let store = with_past().await;
    let file = pairs("old,new\n/a,/x\n\"/b\",/x\n/none,/y\n").unwrap();
    let report = rename(&planned(&*store), &portal(), &file, |_| {}).await.unwrap();
    assert_eq!(report.notes, ["21 views of 2 articles; 1 others had no views"]);
    let report = rename(&order(&*store), &portal(), &file, |_| {}).await.unwrap();
    assert_eq!((report.number, &*report.notes[0]), (Some(1), "21 views of 2 articles; 1 others had no views"));
    assert_eq!(views(&*store, "portal", "/x", "total").await, 21);
    assert_eq!(audit(&*store, "portal").await[0].note.what, "portal --file moved.csv");
}

#[test]
fn mistakes_of_a_file_are_named_by_line() {
    let cases = [
        ("", "the file is empty; expected the header old,new and one line for each article; nothing was changed"),
        ("a,b\n", "line 1: expected the header old,new; nothing was changed"),
        ("old,new\n/a\n", "line 2: found 1 fields; expected two, old,new; nothing was changed"),
        ("old,new\n/a,/a\n", "line 2: /a is both the old and the new id; remove the line; nothing was changed"),
        ("old,new\n/a,/b\n/a,/c\n", "line 3: /a is also renamed in line 2; keep one of the lines; nothing was changed"),
        (
            "old,new\n/a,/b\n/b,/c\n",
            "line 3: /b is the new id of another line; write the last id there, or rename in two files one after the other; nothing was changed",
        ),
    ];
    for (csv, expected) in cases {
        assert_eq!(pairs(csv).unwrap_err(), expected);
    }
}

#[tokio::test]
async fn a_merged_site_is_empty_and_the_other_has_both() {
    let store = with_past().await;
    let report = merge(&planned(&*store), &press(), &portal(), |_| {}).await.unwrap();
    assert_eq!(changed(&report), ["press total 5 -> 0", "portal total 130 -> 135"]);
    assert_eq!((report.article_views, &report.notes[..]), (11, &["2 articles".to_owned()][..]));
    let report = merge(&order(&*store), &press(), &portal(), |_| {}).await.unwrap();
    assert_eq!(changed(&report), ["press total 5 -> 0", "portal total 130 -> 135"]);
    assert_eq!((&*report.site, report.undo.as_deref(), report.article_views), ("portal", Some("truycap undo portal 1"), 11));
    assert!(!exported(&*store).await.contains("press"));
    assert_eq!((views(&*store, "portal", "/a", "2020-01-16").await, views(&*store, "portal", "/z", "total").await), (12, 9));
    let [from, into] = [audit(&*store, "press").await, audit(&*store, "portal").await];
    assert_eq!((from[0].site_views, from[0].article_views, &*from[0].note.what), (-5, -11, "press portal"));
    assert_eq!((into[0].site_views, into[0].article_views, &*into[0].note.what), (5, 11, "press portal"));
}

#[tokio::test]
async fn a_merge_given_again_moves_what_came_meanwhile() {
    let store = with_past().await;
    merge(&order(&*store), &press(), &portal(), |_| {}).await.unwrap();
    let image = store.image();
    let report = merge(&order(&*store), &press(), &portal(), |_| {}).await.unwrap();
    assert_eq!(report.notes[0], "nothing was left to change, because the command was given before");
    assert_eq!(store.image(), image);
    super::adjusting_by(&*store, "press", 3).await;
    let report = merge(&order(&*store), &press(), &portal(), |_| {}).await.unwrap();
    assert_eq!((report.number, changed(&report)), (Some(2), vec!["press total 3 -> 0".into(), "portal total 135 -> 138".into()]));
}

#[tokio::test]
async fn a_deleted_article_leaves_the_figures_of_its_site() {
    let store = with_past().await;
    let report = delete(&order(&*store), &portal(), Some(&article("/a"))).await.unwrap();
    assert_eq!(changed(&report), ["portal/a total 14 -> 0"]);
    assert_eq!((views(&*store, "portal", "/a", "total").await, views(&*store, "portal", "", "total").await), (0, 130));
}

#[tokio::test]
async fn a_deleted_site_has_no_counters() {
    let store = with_past().await;
    let report = delete(&planned(&*store), &portal(), None).await.unwrap();
    assert_eq!((changed(&report), report.article_views), (vec!["portal total 130 -> 0".into()], -24));
    let report = delete(&order(&*store), &portal(), None).await.unwrap();
    assert_eq!((changed(&report), report.article_views), (vec!["portal total 130 -> 0".into()], -24));
    assert!(!exported(&*store).await.contains("portal"));
    assert_eq!(audit(&*store, "portal").await.len(), 1);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let store = with_past().await;
    let image = store.image();
    let (nowhere, order) = (site("nowhere"), order(&*store));
    let errors = [
        why(rename(&order, &portal(), &pair("/none", "/b"), |_| {}).await),
        why(merge(&order, &portal(), &portal(), |_| {}).await),
        why(merge(&order, &nowhere, &portal(), |_| {}).await),
        why(delete(&order, &nowhere, None).await),
        why(delete(&order, &portal(), Some(&article("/none"))).await),
        Pairs::one(article("/a"), article("/a")).unwrap_err().to_string(),
    ];
    let expected = [
        "article /none of site portal has no views; nothing was changed",
        "site portal cannot be merged into itself; name two sites; nothing was changed",
        "site nowhere has no views; nothing was changed",
        "site nowhere has no views; nothing was changed",
        "article /none of site portal has no views; nothing was changed",
        "/a is both the old and the new id; write two different ones; nothing was changed",
    ];
    assert_eq!(errors, expected);
    assert_eq!(store.image(), image);
}
