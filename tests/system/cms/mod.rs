//! The queries of docs/sql bring the past of other systems, number for number.
//!
//! Each query runs as docs/moving.md says, on tables as the system creates them, in rows whose sums are known. Its result is
//! imported, and the store must then hold the known numbers.

mod mariadb;

use std::{fs, path::Path};

use truycap_test_support::process;

use self::{mariadb::MariaDb, process::Place};

macro_rules! query {
    ($name:literal) => {
        include_str!(concat!("../../../docs/sql/", $name, ".sql"))
    };
}

macro_rules! tables {
    ($name:literal) => {
        MariaDb::with(include_str!(concat!("schemas/", $name, ".sql")))
    };
}

/// The counters after an import of the result of a query, without the weeks.
#[track_caller]
fn imported(database: &MariaDb, query: &str) -> Vec<String> {
    let place = Place::new().with("RETENTION__MONTHS", "1000").with("RETENTION__YEARS", "1000");
    let file = place.write("past.csv", database.run(query));
    place.ok(&["import", "--dry-run", &file]);
    place.ok(&["import", &file]);
    place.ok(&["export"]).lines().skip(1).filter(|line| !line.contains("-W")).map(str::to_owned).collect()
}

#[test]
fn the_counter_of_nukeviet_becomes_days_months_years_and_a_total() {
    let database = tables!("nukeviet");
    let mut expected = vec!["portal,,2017,1000000", "portal,,2018,1845672", "portal,,2019,1199440"];
    let months: Vec<_> = (1..=10).map(|month| format!("portal,,2019-{month:02},100000")).collect();
    expected.extend(months.iter().map(String::as_str));
    expected.extend(["portal,,2019-11,119944", "portal,,2019-11-01,4000", "portal,,2019-11-26,7001"]);
    expected.extend(["portal,,2019-11-27,7097", "portal,,2019-11-28,325", "portal,,total,8307145"]);
    assert_eq!(imported(&database, query!("nukeviet")), expected);
}

/// After a restored table or a missed roll-over, the parts can be more than the whole.
#[test]
fn parts_of_nukeviets_counter_that_exceed_their_whole_are_left_out() {
    let database = tables!("nukeviet");
    database.run("UPDATE nv4_counter SET c_count = 18422 WHERE c_type = 'month' AND c_val = 'Nov'");
    let without_days = imported(&database, query!("nukeviet"));
    assert_eq!(without_days.iter().filter(|line| line.starts_with("portal,,2019-11")).collect::<Vec<_>>(), ["portal,,2019-11,18422"]);
    assert!(without_days.contains(&"portal,,2019,1199440".into()) && without_days.contains(&"portal,,total,8307145".into()));

    database.run("UPDATE nv4_counter SET c_count = 1018421 WHERE c_type = 'year' AND c_val = '2019'");
    let years = ["portal,,2017,1000000", "portal,,2018,1845672", "portal,,2019,1018421", "portal,,total,8307145"];
    assert_eq!(imported(&database, query!("nukeviet")), years);

    database.run("UPDATE nv4_counter SET c_count = 10 WHERE c_type = 'total'");
    assert_eq!(imported(&database, query!("nukeviet")), ["portal,,total,10"]);

    // The column of the total is full, and no longer counts.
    database.run("UPDATE nv4_counter SET c_count = 4294967295 WHERE c_type = 'total' OR c_val = '2018'");
    let full = ["portal,,2017,1000000", "portal,,2018,4294967295", "portal,,2019,1018421", "portal,,total,4296985716"];
    assert_eq!(imported(&database, query!("nukeviet")), full);
}

#[test]
fn the_articles_of_nukeviet_keep_their_views() {
    let expected = [
        "portal,/news/Thong-bao/Lich-tiep-cong-dan-thang-11-2.html,total,31000",
        "portal,/news/Tin-tuc/Bai-duoc-xem-nhieu-7.html,total,16777215",
        "portal,/news/Tin-tuc/Khai-truong-cong-thong-tin-1.html,total,445",
    ];
    assert_eq!(imported(&tables!("nukeviet"), query!("nukeviet-news")), expected);
}

#[test]
fn the_days_of_wp_statistics_and_what_it_purged_are_counted() {
    let expected = [
        "portal,,2019,343",
        "portal,,2019-11,343",
        "portal,,2019-11-25,60",
        "portal,,2019-11-26,147",
        "portal,,2019-11-27,126",
        "portal,,2019-11-28,10",
        "portal,,total,9343",
        "portal,/bài-ạ,2019,5",
        "portal,/bài-ạ,2019-11,5",
        "portal,/bài-ạ,2019-11-26,5",
        "portal,/bài-ạ,total,5",
        "portal,/bai-mot,2019,73",
        "portal,/bai-mot,2019-11,73",
        "portal,/bai-mot,2019-11-26,42",
        "portal,/bai-mot,2019-11-27,30",
        "portal,/bai-mot,2019-11-28,1",
        "portal,/bai-mot,total,518",
    ];
    same(imported(&tables!("wp-statistics"), query!("wp-statistics")), &expected);
}

/// Compares without the order, and without the days of articles, which are past their retention.
#[track_caller]
fn same(mut found: Vec<String>, expected: &[&str]) {
    let mut expected: Vec<_> = expected.iter().map(|line| String::from(*line)).collect();
    let day_of_an_article = |line: &String| line.starts_with("portal,/") && line.split(',').nth(2).is_some_and(|bucket| bucket.len() > 7);
    expected.retain(|line| !day_of_an_article(line));
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn the_overlapping_periods_of_post_views_counter_are_counted_once() {
    let expected = [
        "portal,/gioi-thieu/lien-he,total,77",
        "portal,/tin-tuc/bai-mot,2018,250",
        "portal,/tin-tuc/bai-mot,2019,500",
        "portal,/tin-tuc/bai-mot,2019-10,100",
        "portal,/tin-tuc/bai-mot,2019-11,70",
        "portal,/tin-tuc/bai-mot,2019-11-26,10",
        "portal,/tin-tuc/bai-mot,2019-11-27,20",
        "portal,/tin-tuc/bai-mot,total,1000",
        "portal,/tin-tuc/thong-bao/bài-ạ,2019,3",
        "portal,/tin-tuc/thong-bao/bài-ạ,2019-11,3",
        "portal,/tin-tuc/thong-bao/bài-ạ,2019-11-02,3",
        "portal,/tin-tuc/thong-bao/bài-ạ,total,3",
    ];
    same(imported(&tables!("wordpress"), query!("post-views-counter")), &expected);
}

#[test]
fn the_first_number_of_wp_postviews_is_counted_at_the_address_of_the_post() {
    let database = tables!("wordpress");
    let expected = ["portal,/gioi-thieu,total,8", "portal,/tin-tuc/bai-mot,total,445", "portal,/tin-tuc/thong-bao/bài-ạ,total,31000"];
    assert_eq!(imported(&database, query!("wp-postviews")), expected);
    // Another structure of permalinks, in a subdirectory.
    database.run("UPDATE wp_options SET option_value = 'https://portal.example.vn/blog' WHERE option_name = 'home'");
    database.run("UPDATE wp_options SET option_value = '/%year%/%monthnum%/%day%/%postname%-%post_id%/' WHERE option_name LIKE 'perma%'");
    let expected =
        ["portal,/blog/2019/03/07/bai-mot-5,total,445", "portal,/blog/2019/11/02/bài-ạ-6,total,31000", "portal,/blog/gioi-thieu,total,8"];
    assert_eq!(imported(&database, query!("wp-postviews")), expected);
}

/// The row of midnight has the visits of the day before.
#[test]
fn the_slots_of_vinaora_become_days_of_the_portals_time_zone() {
    let expected = [
        "portal,,2019,78",
        "portal,,2019-11,78",
        "portal,,2019-11-26,42",
        "portal,,2019-11-27,33",
        "portal,,2019-11-28,3",
        "portal,,total,900078",
    ];
    assert_eq!(imported(&tables!("joomla"), query!("joomla-vinaora")), expected);
}

#[test]
fn the_hits_of_joomla_are_counted_at_the_addresses_that_the_menu_makes() {
    let database = tables!("joomla");
    let expected = ["portal,/gioi-thieu,total,445", "portal,/tin/bai-mot,total,31000", "portal,/tin/thong-bao/lich-tiep-dan,total,7097"];
    assert_eq!(imported(&database, query!("joomla-content")), expected);
    let legacy =
        query!("joomla-content").replace("'/' AS prefix, 0 AS ids, '' AS ending", "'/index.php/' AS prefix, 1 AS ids, '.html' AS ending");
    assert!(imported(&database, &legacy).contains(&"portal,/index.php/tin/12-bai-mot.html,total,31000".into()));
}

#[test]
fn the_views_of_liferay_are_counted_at_the_present_address() {
    let expected = ["portal,/web/guest/w/khai-truong-cong,total,445", "portal,/web/guest/w/lich-tiep-dan,total,31000"];
    assert_eq!(imported(&tables!("liferay"), query!("liferay")), expected);
    let expected = ["portal,/web/guest/-/khai-truong-cong,total,445", "portal,/web/guest/-/lich-tiep-dan,total,31000"];
    assert_eq!(imported(&tables!("liferay-6"), query!("liferay-6")), expected);
}

/// SQL Server is not in Debian. MariaDB understands all of the query but its first line.
#[test]
fn the_site_log_of_dnn_becomes_days() {
    let query = query!("dnn-sitelog").strip_prefix("SET NOCOUNT ON;\n").unwrap();
    let expected = [
        "portal,,2014,3",
        "portal,,2014-12,3",
        "portal,,2014-12-30,1",
        "portal,,2014-12-31,2",
        "portal,,2015,1",
        "portal,,2015-01,1",
        "portal,,2015-01-01,1",
        "portal,,total,4",
    ];
    assert_eq!(imported(&tables!("dnn"), query), expected);
}

#[test]
fn both_documents_name_every_query() {
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let text = ["moving.md", "chuyen-doi.md"].map(|document| fs::read_to_string(documents.join(document)).unwrap());
    for query in fs::read_dir(documents.join("sql")).unwrap() {
        let name = query.unwrap().file_name().into_string().unwrap();
        assert!(text.iter().all(|text| text.contains(&format!("](sql/{name})"))), "{name}");
    }
}
