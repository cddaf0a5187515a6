//! The exports of GoatCounter.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use truycap::transfer::{Format, Reading};

use super::{as_format, imported, mistakes, of, of_portal, until};

const HEADER: &str =
    "2Path,Title,Event,UserAgent,Browser,System,Session,Bot,Referrer,Referrer scheme,Screen size,Location,FirstVisit,Date\n";

/// Five views, an event, a bot and a path that is no id. Two titles have line breaks.
fn views() -> String {
    let rows = [
        "/tin/1,\"Tin\nthứ \"\"nhất\"\"\n\n, hết\",false,,Firefox 120,Linux,a,0,,,\"1920,1080,1\",VN-HN,1,2019-12-31T16:59:59Z",
        "/tin/1?trang=2,Tin,false,,Firefox 120,Linux,a,0,,,,VN,0,2019-12-31T17:00:00Z",
        "/ti%E1%BA%BFng/,Tiếng,0,,Chrome,Windows,b,0,,,,VN,true,2020-01-02T03:04:05Z",
        "/,\"Trang\r\nchủ\",false,,Chrome,Windows,b,0,/tin/1,h,,VN,true,2020-01-02T03:04:06+00:00",
        "tai-ve,Tải về,true,,Chrome,Windows,b,0,,,,VN,false,2020-01-02T03:04:07Z",
        "/tin/1,Tin,false,,,,c,7,,,,US,true,2020-01-02T03:04:08Z",
        "/DÀI,Tin,false,,,,c,0,,,,US,true,2020-01-02T03:04:08Z",
    ];
    format!("{HEADER}{}\n", rows.join("\n").replace("DÀI", &"x".repeat(300)))
}

const COUNTS: [&str; 11] = [
    "portal,,2019,1",
    "portal,,2020,4",
    "portal,,2020-01-01,1",
    "portal,,2020-01-02,3",
    "portal,,total,5",
    "portal,/tin/1,2019,1",
    "portal,/tin/1,2020,1",
    "portal,/tin/1,2020-01-01,1",
    "portal,/tin/1,total,2",
    "portal,/tiếng,2020,1",
    "portal,/tiếng,2020-01-02,1",
];

const BUCKETS: [&str; 5] = ["2019", "2020", "2020-01-01", "2020-01-02", "total"];

#[tokio::test]
async fn each_view_counts_on_its_day_at_the_site() {
    let (summary, counters) = imported(views(), &of_portal()).await;
    let counts = of(&counters, &BUCKETS);
    assert_eq!(counts[..11], COUNTS);
    assert_eq!(counts[11..], ["portal,/tiếng,total,1"]);
    let said = summary.to_string();
    for part in [
        "left out: 1 row of events, which are no page views",
        "left out: 1 row of bots",
        "for no article: 1 row of the home page, which is no article",
        "for no article: 1 row whose path is no article id",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(views().as_bytes()).unwrap();
    assert_eq!(imported(gzip.finish().unwrap(), &as_format(Format::GoatCounter)).await.1, counters);
}

#[tokio::test]
async fn columns_are_found_by_their_names() {
    let first = "1Path,Title,Event,Bot,Session,FirstVisit,Referrer,Referrer scheme,Browser,Screen size,Location,Date\n\
                 /tin/1,Tin,false,0,a,true,,,Firefox,,VN,2020-01-02T03:04:05Z\n\
                 /tin/1,Tin,false,3,a,true,,,Firefox,,VN,2020-01-02T03:04:05Z\n";
    let counts = imported(first, &of_portal()).await.1;
    assert_eq!(of(&counts, &["total"]), ["portal,,total,1", "portal,/tin/1,total,1"]);
    let third = mistakes(first.replace("1Path", "3Path"), &of_portal());
    assert_eq!(third, ["1: this version of GoatCounter's export is not known; versions 1 and 2 are, whose first column is 1Path or 2Path"]);
}

#[tokio::test]
async fn views_from_until_on_are_left_out() {
    for time in ["2020-01-01", "2020-01-01T00:00:00+07:00", "2019-12-31T17:00:00Z"] {
        let (summary, counters) = imported(views(), &until(time)).await;
        assert_eq!(of(&counters, &["total"]), ["portal,,total,1", "portal,/tin/1,total,1"], "{time}");
        assert!(summary.to_string().contains("left out: 6 rows from --until on"), "{summary}");
    }
}

#[test]
fn mistakes_have_the_first_line_of_their_row() {
    let bad = format!("{}/tin/1,Tin,maybe,,,,c,x,,,,US,true,yesterday\n/tin/1,Tin\n", views());
    assert_eq!(
        mistakes(bad, &of_portal()),
        [
            "13: Event \"maybe\" is not true or false",
            "13: Bot \"x\" is not a number",
            "13: Date \"yesterday\" is not a time such as 2026-11-22T01:30:00Z",
            "14: 2 fields, but the header has 14",
        ]
    );
    let no_site = mistakes(views(), &Reading { site: None, ..of_portal() });
    assert_eq!(no_site, ["1: the file does not name its site: give --site, one of portal, press, shop"]);
    assert_eq!(
        mistakes(views(), &as_format(Format::Plausible)),
        ["1: this is no CSV of Plausible's export: it is a CSV export of GoatCounter"]
    );
}

#[test]
fn an_export_without_views_says_so() {
    let empty = mistakes(HEADER, &of_portal());
    assert!(empty[0].starts_with("1: no page views in this export: GoatCounter keeps them only while"), "{empty:?}");
    let is = |contents: &[u8]| mistakes(contents, &of_portal()).join("\n");
    let of_visitors = "1: this is GoatCounter's JSON export, which has visitors and not views";
    for contents in [
        b"PK\x03\x04\x14\0\x08\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x1f\0\0\0goatcounter-export-portal/info.json".as_slice(),
        b"{\"hour\":\"2020-01-02T03:00:00Z\",\"path_id\":1,\"ref_id\":1,\"count\":3}\n",
        b"{\"export_version\":\"1.0\",\"goatcounter_version\":\"2.8\"}",
    ] {
        assert!(is(contents).starts_with(of_visitors), "{}", is(contents));
    }
}
