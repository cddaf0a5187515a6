//! An adjust changes a period and the larger ones, and leaves no bucket larger than one that contains it.

use truycap::{
    domain::counts::{Kind, Subject},
    transfer::corrections::{Adjust, adjust, undo},
};

use super::{article, audit, bucket, changed, exported, order, planned, portal, today, views, why, with_past};

fn by(views: i64, period: &str) -> Adjust {
    Adjust { views, period: bucket(period), subject: Subject::Site }
}

#[tokio::test]
async fn views_are_taken_from_a_day_and_what_contains_it() {
    let store = with_past().await;
    let report = adjust(&order(&*store), &portal(), &by(-20, "2020-01-16"), today()).await.unwrap();
    let expected = [
        "portal 2020-01-16 30 -> 10",
        "portal 2020-W03 30 -> 10",
        "portal 2020-01 30 -> 10",
        "portal 2020 30 -> 10",
        "portal total 130 -> 110",
    ];
    assert_eq!(changed(&report), expected);
    assert_eq!(report.undo.as_deref(), Some("truycap undo portal 1"));
    assert_eq!((views(&*store, "portal", "", "2020-01-16").await, views(&*store, "portal", "", "total").await), (10, 110));
    let entry = &audit(&*store, "portal").await[0];
    assert_eq!((entry.number, entry.site_views, entry.article_views, &*entry.note.what), (1, -20, 0, "portal -20 --period 2020-01-16"));
}

#[tokio::test]
async fn an_article_changes_with_its_site() {
    let store = with_past().await;
    let adjusted = Adjust { subject: Subject::Article(article("/a")), ..by(5, "2020-01-15") };
    let report = adjust(&order(&*store), &portal(), &adjusted, today()).await.unwrap();
    assert_eq!(report.article_views, 5);
    assert_eq!((views(&*store, "portal", "/a", "2020-01-15").await, views(&*store, "portal", "", "2020-01-15").await), (9, 5));
    assert_eq!((views(&*store, "portal", "/a", "total").await, views(&*store, "portal", "", "total").await), (19, 135));
    assert_eq!(audit(&*store, "portal").await[0].note.what, "portal 5 --period 2020-01-15 --article /a");
}

#[tokio::test]
async fn visits_change_alone_and_each_message_names_them() {
    let store = with_past().await;
    let before = exported(&*store).await;
    let of = |views, period| Adjust { subject: Subject::Kind(Kind::Visits), ..by(views, period) };
    let error = why(adjust(&order(&*store), &portal(), &of(-13, "2020-01-16"), today()).await);
    assert_eq!(error, "site portal has 12 visits in 2020-01-16, fewer than the 13 to take away; nothing was changed");
    let error = why(adjust(&order(&*store), &portal(), &of(-1, "2020-01"), today()).await);
    assert!(error.starts_with("site portal has 12 visits in 2020-01-16, which is in 2020-01"), "{error}");
    let report = adjust(&order(&*store), &portal(), &of(-2, "2020-01-16"), today()).await.unwrap();
    assert_eq!((changed(&report)[0].as_str(), report.changed.len()), ("portal visits 2020-01-16 12 -> 10", 5));
    assert_eq!((views(&*store, "portal", "visits", "total").await, views(&*store, "portal", "", "total").await), (10, 130));
    let entry = &audit(&*store, "portal").await[0];
    assert_eq!((entry.site_views, &*entry.note.what), (0, "portal -2 --period 2020-01-16 --of visits"));
    undo(&order(&*store), &portal(), 1, |_, _| {}).await.unwrap();
    assert_eq!(exported(&*store).await, before);
}

#[tokio::test]
async fn the_same_adjust_can_be_made_twice() {
    let store = with_past().await;
    for total in [131, 132] {
        adjust(&order(&*store), &portal(), &by(1, "total"), today()).await.unwrap();
        assert_eq!(views(&*store, "portal", "", "total").await, total);
    }
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let store = with_past().await;
    let before = store.image();
    let report = adjust(&planned(&*store), &portal(), &by(-20, "2020"), today()).await;
    assert!(report.is_err(), "the month would be larger than the year");
    let report = adjust(&planned(&*store), &portal(), &by(-100, "2019"), today()).await.unwrap();
    assert_eq!(changed(&report), ["portal 2019 100 -> 0", "portal total 130 -> 30"]);
    assert_eq!((report.number, report.undo), (None, None));
    assert_eq!(store.image(), before);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let store = with_past().await;
    let before = exported(&*store).await;
    let of_a = |views, period| Adjust { subject: Subject::Article(article("/a")), ..by(views, period) };
    let cases = [
        (by(-31, "2020-01-16"), "site portal has 30 views in 2020-01-16, fewer than the 31 to take away; nothing was changed"),
        (
            by(-1, "2020-01"),
            "site portal has 30 views in 2020-01-16, which is in 2020-01 and would be larger than the 29 views left there; \
             adjust 2020-01-16 instead; nothing was changed",
        ),
        (
            by(-40, "total"),
            "site portal has 100 views in 2019, which is in total and would be larger than the 90 views left there; \
             adjust 2019 instead; nothing was changed",
        ),
        (of_a(-5, "2020-01-15"), "site portal has 0 views in 2020-01-15, fewer than the 5 to take away; nothing was changed"),
        (
            of_a(-11, "2020-01-16"),
            "article /a of site portal has 10 views in 2020-01-16, fewer than the 11 to take away; nothing was changed",
        ),
        (
            by(0, "total"),
            "0 views cannot be added or taken away; write a number from 1 to 9007199254740991, or a negative one; nothing was changed",
        ),
        (by(1, "2020-01-18"), "2020-01-18 is in the future; today is 2020-01-17; nothing was changed"),
        (by(1, "2021"), "2021 is in the future; today is 2020-01-17; nothing was changed"),
        (
            by(1, "2020-W01"),
            "2020-W01 is a week, which can be in two months or years: adjust its days, such as 2020-01-17; nothing was changed",
        ),
    ];
    for (adjusted, expected) in cases {
        assert_eq!(why(adjust(&order(&*store), &portal(), &adjusted, today()).await), expected);
    }
    assert_eq!(exported(&*store).await, before);
    assert!(audit(&*store, "portal").await.is_empty());
}

/// A week that lies in one month is part of it; one that spans two is not.
#[tokio::test]
async fn a_week_is_compared_with_what_contains_it() {
    let store = with_past().await;
    // The imported month has no days, so nothing is in it.
    adjust(&order(&*store), &portal(), &by(10, "2019-12"), today()).await.unwrap();
    adjust(&order(&*store), &portal(), &by(-10, "2019-12"), today()).await.unwrap();
    adjust(&order(&*store), &portal(), &by(10, "2019-12-31"), today()).await.unwrap();
    // 2020-W01 has the day, but is not in December.
    let error = why(adjust(&order(&*store), &portal(), &by(-10, "2019-12"), today()).await);
    assert!(error.starts_with("site portal has 10 views in 2019-12-31, which is in 2019-12"), "{error}");
}
