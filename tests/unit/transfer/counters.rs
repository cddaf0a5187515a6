//! What the rows of an import add to the counters.

use std::fmt::Write as _;

use truycap::{
    domain::retention::Retention,
    store::{Store, sqlite::SqliteStore},
    transfer::{as_text, figures},
};

use super::{Files, article, counters_of, exported, import_file, memory, now, site, today};

/// The earlier counts of a real portal, whose box showed these figures on 17 January 2020.
fn past() -> String {
    let mut text = "site,article,period,views\nportal,,,6341529\nportal,,2019,1737155\nportal,,2019-12,108517\n".to_owned();
    // 15 days and the two that the box shows: 119944 in all.
    for day in 1..=14 {
        writeln!(text, "portal,,2020-01-{day:02},7100").unwrap();
    }
    writeln!(text, "portal,,2020-01-15,{}", 119_944 - 14 * 7100 - 7097 - 6325).unwrap();
    text + "portal,,2020-01-16,7097\nportal,,2020-01-17,6325\n"
}

/// The week has Monday the 13th, Tuesday the 14th, Wednesday with the remainder, and the two days that the box shows.
const BOX: &str = "total       8307145
today       6325
yesterday   7097
this_week   34744
last_week   49700
this_month  119944
last_month  108517
this_year   119944
last_year   1845672
";

#[tokio::test]
async fn four_kinds_of_rows_reproduce_the_box_of_a_portal() {
    let (files, store) = (Files::new(), memory());
    let outcome = import_file(&store, &files.write("past.csv", past())).await.unwrap();
    assert_eq!(
        outcome.to_string(),
        "imported 20 rows\n  portal: +8307145: older +6341529; 2019 +1845672 (2019-12 +108517); 2020 +119944 (2020-01 +119944)\n  \
         to take it back: truycap undo portal 1"
    );
    assert_eq!(as_text(&figures(&store, &site("portal"), None, today()).await.unwrap()), BOX);
}

#[tokio::test]
async fn the_embedded_store_shows_the_same_box() {
    let files = Files::new();
    let store = SqliteStore::open(files.0.path().join("store.db"), Retention::default(), now).unwrap();
    import_file(&store, &files.write("past.csv", past())).await.unwrap();
    assert_eq!(as_text(&figures(&store, &site("portal"), None, today()).await.unwrap()), BOX);
    store.close().await;
}

#[tokio::test]
async fn the_figures_of_an_article_are_its_own() {
    let (files, store) = (Files::new(), memory());
    let text = "site,article,period,views\nportal,,2020-01-17,9\nportal,/tin/1,2020-01-17,4\nportal,/tin/1,,441\n";
    import_file(&store, &files.write("a.csv", text)).await.unwrap();
    let known = as_text(&figures(&store, &site("portal"), Some(&article("/tin/1")), today()).await.unwrap());
    assert!(known.starts_with("total       445\ntoday       4\nyesterday   0\nthis_week   4\n"), "{known}");
    let unknown = as_text(&figures(&store, &site("portal"), Some(&article("/tin/2")), today()).await.unwrap());
    assert!(unknown.lines().count() == 9 && unknown.lines().all(|line| line.ends_with(" 0")), "{unknown}");
}

#[tokio::test]
async fn a_period_adds_to_itself_and_to_the_larger_ones_that_contain_it() {
    let table = [
        ("2018-12-31", "2018,5\n2018-12,5\n2018-12-31,5\n2019-W01,5\ntotal,5\n"),
        ("2018-12", "2018,5\n2018-12,5\ntotal,5\n"),
        ("2018", "2018,5\ntotal,5\n"),
        ("", "total,5\n"),
    ];
    for (period, buckets) in table {
        let exported = counters_of(format!("site,article,period,views\nportal,,{period},5\n")).await;
        let rows = exported.strip_prefix("site,article,bucket,views\n").unwrap().replace("portal,,", "");
        assert_eq!(rows, buckets, "{period:?}");
    }
}

#[tokio::test]
async fn a_column_of_visits_adds_to_the_same_periods_of_the_site() {
    let (files, store) = (Files::new(), memory());
    let text = "site,article,visits,period,views\nportal,,3,2019-12,5\nportal,,,2018,7\nportal,,0,2017,7\nportal,/tin/1,,2019,2\n\
                portal,/tin/2,0,2019,2\npress,,40,,0\n";
    let summary = import_file(&store, &files.write("a.csv", text)).await.unwrap();
    assert!(summary.to_string().contains("portal: +19: 2017 +7; 2018 +7; 2019 +5 (2019-12 +5); visits +3; articles +4\n"), "{summary}");
    assert_eq!(summary.as_json(std::path::Path::new("a.csv"))["sites"][0]["added"]["visits"], 3);
    assert_eq!(summary.warnings(), Vec::<String>::new());
    let all = exported(&store).await;
    let visits: Vec<_> = all.lines().filter(|row| row.contains("visits")).collect();
    assert_eq!(visits, ["portal,,visits:2019,3", "portal,,visits:2019-12,3", "portal,,visits:total,3", "press,,visits:total,40"]);
    // An export has them in rows of their own, which an import takes back in.
    assert_eq!(counters_of(&all).await, all);
    let again = import_file(&memory(), &files.write("b.csv", &all)).await.unwrap().to_string();
    assert!(again.contains("visits +3; articles +4") && !again.contains("not counted"), "{again}");
    let swapped = import_file(&store, &files.write("c.csv", "site,article,period,views,visits\nportal,,2019,3,5\n")).await.unwrap();
    assert_eq!(swapped.warnings(), ["portal has more visits than views in this file: are the columns swapped?"]);
}

#[tokio::test]
async fn a_bucket_adds_to_itself_alone() {
    for bucket in ["2018-12-31", "2019-W01", "2018-12", "2018", "total"] {
        let text = format!("site,article,bucket,views\nportal,,{bucket},5\n");
        assert_eq!(counters_of(&text).await, text);
    }
}

#[tokio::test]
async fn views_of_an_article_do_not_add_to_its_site() {
    let exported = counters_of("site,article,period,views\nportal,/tin/1,2019,5\n").await;
    assert_eq!(exported, "site,article,bucket,views\nportal,/tin/1,2019,5\nportal,/tin/1,total,5\n");
}

#[tokio::test]
async fn rows_of_the_same_counter_add_up() {
    let exported = counters_of("site,article,period,views\nportal,,2019,5\nportal,,2019,5\nportal,,,1\n").await;
    assert_eq!(exported, "site,article,bucket,views\nportal,,2019,10\nportal,,total,11\n");
}

#[tokio::test]
async fn rows_without_views_add_nothing() {
    let exported = counters_of("site,article,period,views\nportal,,2019,0\nportal,/tin/1,2019,0\n").await;
    assert_eq!(exported, "site,article,bucket,views\n");
}

#[tokio::test]
async fn the_largest_count_is_accepted() {
    let text = "site,article,bucket,views\nportal,,2019,9007199254740991\nportal,,total,9007199254740991\n";
    assert_eq!(counters_of(text).await, text);
}
