//! The export of Plausible.

use truycap::transfer::{Format, Reading};

use super::{as_format, imported, mistakes, of, of_portal, until};

const VISITORS: &str = "\"date\",\"visitors\",\"pageviews\",\"bounces\",\"visits\",\"visit_duration\"\n\
    \"2019-12-31\",3,10,1,4,120\n\
    \"2020-01-02\",5,20,1,6,300\n\
    \"2020-01-03\",1,0,1,1,0\n";

const PAGES: &str = "\"date\",\"hostname\",\"page\",\"visits\",\"visitors\",\"pageviews\",\"total_scroll_depth\",\"total_scroll_depth_visits\"\n\
    \"2019-12-31\",\"portal.example\",\"/tin/1\",2,2,7,\\N,\\N\n\
    \"2020-01-02\",\"www.portal.example\",\"/tin/1/\",2,2,5,120,2\n\
    \"2020-01-02\",\"portal.example\",\"/tin/2,3\",2,2,4,0,0\n\
    \"2020-01-02\",\"portal.example\",\"/\",2,2,11,0,0\n";

const BUCKETS: [&str; 4] = ["2019", "2020", "2020-01-02", "total"];

#[tokio::test]
async fn one_file_has_the_site_and_another_one_its_articles() {
    let (summary, counters) = imported(VISITORS, &of_portal()).await;
    assert_eq!(of(&counters, &BUCKETS), ["portal,,2019,10", "portal,,2020,20", "portal,,2020-01-02,20", "portal,,total,30"]);
    assert_eq!(summary.report.sites.values().next().unwrap().views, 30);

    let (summary, counters) = imported(PAGES, &as_format(Format::Plausible)).await;
    let counts = [
        "portal,\"/tin/2,3\",2020,4",
        "portal,\"/tin/2,3\",2020-01-02,4",
        "portal,\"/tin/2,3\",total,4",
        "portal,/tin/1,2019,7",
        "portal,/tin/1,2020,5",
        "portal,/tin/1,2020-01-02,5",
        "portal,/tin/1,total,12",
    ];
    let mut found: Vec<_> = counters.lines().skip(1).filter(|line| BUCKETS.iter().any(|b| line.rsplit(',').nth(1) == Some(b))).collect();
    found.sort_unstable();
    assert_eq!(found, counts);
    assert!(summary.to_string().contains("left out: 1 row of the home page, which is no article"), "{summary}");
}

#[tokio::test]
async fn the_order_of_columns_and_further_ones_do_not_matter() {
    let pages = "page,pageviews,date\n/tin/1,3,2020-01-02\n";
    assert_eq!(of(&imported(pages, &of_portal()).await.1, &["total"]), ["portal,/tin/1,total,3"]);
}

#[tokio::test]
async fn the_days_from_until_on_are_left_out() {
    let (summary, counters) = imported(VISITORS, &until("2020-01-02")).await;
    assert_eq!(of(&counters, &["total"]), ["portal,,total,10"]);
    assert!(summary.to_string().contains("left out: 2 rows from --until on"), "{summary}");
    let found = mistakes(VISITORS, &until("2020-01-02T08:00:00+07:00"));
    assert_eq!(found, ["1: the file has days and no times, so --until must be a day, such as 2026-11-22"]);
}

#[test]
fn other_files_of_plausible_say_what_they_are() {
    let again = "1: this file of Plausible's export has the same views again, by another property: import imported_visitors_….csv";
    let dashboard = "1: this is a file of Plausible's dashboard, whose rows have no days or are cut off: import imported_visitors_….csv";
    let headers = [
        ("date,browser,browser_version,visitors,visits,visit_duration,bounces,pageviews", again),
        ("date,entry_page,visitors,entrances,visit_duration,bounces,pageviews", again),
        ("date,name,link_url,path,visitors,events", again),
        ("date,visitors,pageviews,visits,views_per_visit,bounce_rate,visit_duration", dashboard),
        ("name,visitors,pageviews,bounce_rate,time_on_page", dashboard),
    ];
    for (header, what) in headers {
        for reading in [of_portal(), as_format(Format::Plausible)] {
            let found = mistakes(format!("{header}\n"), &reading);
            assert!(found.len() == 1 && found[0].starts_with(what), "{header}: {found:?}");
        }
    }
    let archive = |name: &str| mistakes(format!("PK\u{3}\u{4}\u{14}\0\0\0{name}").as_bytes(), &of_portal()).join("\n");
    let whole = archive("imported_browsers_20191231_20200103.csv");
    assert!(whole.starts_with("1: this is the archive of Plausible's export: unpack it"), "{whole}");
    let part = archive("browser_versions.csv");
    assert!(part.starts_with("1: this is the archive of Plausible's dashboard"), "{part}");
}

#[test]
fn mistakes_are_named() {
    let bad = format!("{VISITORS}\"\",1,2,3,4,5\n\"2020-02-30\",1,\"1,000\",3,4,5\n");
    assert_eq!(
        mistakes(bad, &of_portal()),
        [
            "5: the row has no date",
            "6: period \"2020-02-30\" is not a day (2026-11-22), month (2026-11), year (2026) or empty",
            "6: views \"1,000\": write a whole number in plain digits, without separators, such as 8307145",
        ]
    );
    let no_site = mistakes(PAGES, &Reading { site: None, ..of_portal() });
    assert_eq!(no_site, ["1: the file does not name its site: give --site, one of portal, press, shop"]);
}
