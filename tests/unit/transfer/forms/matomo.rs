//! `Actions.getPageUrls` of Matomo.

use truycap::transfer::{Format, Reading};

use super::{as_format, imported, mistakes, of, of_portal, until};

/// Three days of a small portal, as `flat=1` gives them.
const DAYS: &str = "date,label,nb_visits,nb_uniq_visitors,nb_hits,sum_time_spent,bounce_rate,metadata_url\n\
    2020-01-02,tin/1,3,3,5,10,33%,http://portal.example/tin/1\n\
    2020-01-02,/index,2,2,4,10,0%,http://portal.example/\n\
    2020-01-02,tin/index,1,1,2,10,0%,http://portal.example/tin/\n\
    2020-01-02,Others,6,6,9,10,0%,\n\
    2020-01-03,tin/1,7,7,11,10,0%,http://portal.example/tin/1?trang=2\n\
    2019-12-01,tin/1,1,1,1,10,0%,https://www.portal.example/tin/1#a\n";

const COUNTS: [&str; 9] = [
    "portal,,2020-01,31",
    "portal,,2020-01-02,20",
    "portal,,total,32",
    "portal,/tin,2020-01,2",
    "portal,/tin,2020-01-02,2",
    "portal,/tin,total,2",
    "portal,/tin/1,2020-01,16",
    "portal,/tin/1,2020-01-02,5",
    "portal,/tin/1,total,17",
];

fn utf16(text: &str) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[tokio::test]
async fn hits_of_days_count_for_their_page_and_the_site() {
    let (summary, counters) = imported(DAYS, &of_portal()).await;
    assert_eq!(of(&counters, &["2020-01-02", "2020-01", "total"]), COUNTS);
    let said = summary.to_string();
    assert!(said.contains("for no article: 1 row of pages that Matomo did not keep apart (Others)"), "{said}");
    assert!(said.contains("for no article: 1 row of the home page, which is no article"), "{said}");
    // As Matomo sends it without convertToUnicode=0.
    assert_eq!(imported(utf16(DAYS), &as_format(Format::Matomo)).await.1, counters);
}

#[tokio::test]
async fn the_days_from_until_on_are_left_out() {
    let (summary, counters) = imported(DAYS, &until("2020-01-03")).await;
    assert_eq!(of(&counters, &["total"]), ["portal,,total,21", "portal,/tin,total,2", "portal,/tin/1,total,6"]);
    assert!(summary.to_string().contains("left out: 1 row from --until on"), "{summary}");
    let months = "date,label,nb_hits\n2019-11,/tin/1,5\n";
    let found = mistakes(months, &until("2019-11-03"));
    assert_eq!(found, ["2: period \"2019-11\" has days from 2019-11-03 on, as --until says: give its days instead"]);
    let found = mistakes(months, &until("2019-11-03T08:00:00+07:00"));
    assert_eq!(found, ["1: the file has days and no times, so --until must be a day, such as 2026-11-22"]);
}

#[tokio::test]
async fn labels_are_pages_if_the_file_has_no_addresses() {
    let rows = [
        "/tin/1,1",
        "tin/2,2",
        "/index,4",
        "/tin/index,8",
        "/ti%E1%BA%BFng/,16",
        "\"/hỏi &amp; đáp?a=1&amp;b=&quot;2&quot;\",32",
        "tin/ - Others,64",
        "Khác,128",
        "'- Others,256",
        "URL của trang không xác định,512",
        "/trống,",
    ];
    let text = format!("date,label,nb_hits\n2019-11,{}\n", rows.join("\n2019-11,"));
    let (summary, counters) = imported(text, &of_portal()).await;
    assert_eq!(
        of(&counters, &["2019-11"]),
        [
            "portal,,2019-11,1023",
            "portal,/hỏi & đáp,2019-11,32",
            "portal,/tin,2019-11,8",
            "portal,/tin/1,2019-11,1",
            "portal,/tin/2,2019-11,2",
            "portal,/tiếng,2019-11,16",
        ]
    );
    let alone = [
        ("of pages that Matomo did not keep apart (Others)", 3),
        ("of the home page, which is no article", 1),
        ("whose label is no path", 1),
    ];
    assert_eq!(summary.report.site_alone, alone.into());
}

#[tokio::test]
async fn a_translated_header_is_recognised() {
    let english = "date,Label,Unique Pageviews,Pageviews,Metadata: url\n2019,tin/1,3,5,http://portal.example/tin/1\n";
    let vietnamese =
        "date;Nhãn;Các lượt xem trang duy nhất;Số lượt xem trang;Siêu dữ liệu: url\n2019;tin/1;3;5;http://portal.example/tin/1\n";
    for text in [english, vietnamese] {
        let (_, counters) = imported(text, &of_portal()).await;
        assert_eq!(of(&counters, &["2019"]), ["portal,,2019,5", "portal,/tin/1,2019,5"], "{text}");
    }
    let french = "date,Étiquette,Vues,Métadonnées: url\n2019,tin/1,5,http://portal.example/tin/1\n";
    let found = mistakes(french, &of_portal());
    assert!(
        found.len() == 2 && found.iter().all(|what| what.contains("without translateColumnNames") || what.contains("translateColumnNames")),
        "{found:?}"
    );
}

#[tokio::test]
async fn rows_without_an_address_are_sums_of_pages() {
    let text = "date,label,nb_hits,metadata_is_aggregate,metadata_url\n\
        2019-11-02,tin,9,1,\n2019-11-02,tin/1,5,0,http://portal.example/tin/1\n2019-11-02,tin/Autres,4,0,\n";
    let (summary, counters) = imported(text, &of_portal()).await;
    assert_eq!(of(&counters, &["total"]), ["portal,,total,9", "portal,/tin/1,total,5"]);
    assert_eq!(summary.report.left_out.values().sum::<u64>(), 1);
}

#[test]
fn a_file_that_is_exported_otherwise_says_how() {
    let how = "export method=Actions.getPageUrls with period=day&date=2026-01-01,2026-12-31&flat=1&filter_limit=-1&format=CSV";
    let table = [
        ("label,nb_visits,nb_hits\n/tin/1,3,5\n", format!("1: the file has no days: {how}")),
        ("date,label,nb_hits,idsubdatatable\n2019,tin,5,7\n", format!("1: its rows are folders and not pages: {how}")),
        ("date,label,nb_hits\n2019,/a,5\n2019,tin,5\n", format!("3: label \"tin\" is a folder and not a page: {how}")),
        ("date,label,nb_hits\n2019,index,5\n", format!("2: label \"index\" is a folder and not a page: {how}")),
        ("date,label,nb_visits\n2019,/tin,5\n", format!("1: missing column: nb_hits; {how}, without showColumns and translateColumnNames")),
        ("date,label,nb_hits\n,/tin,5\n", format!("2: the row has no day: {how}")),
        ("date,label,nb_hits\n2019,/tin\n", "2: 2 fields, but the header has 3".into()),
    ];
    for (text, expected) in table {
        assert_eq!(mistakes(text, &of_portal()), [expected], "{text}");
    }
    let week = mistakes("date,label,nb_hits\n\"2019-11-04,2019-11-10\",/tin,\"1,5\"\n", &of_portal());
    assert!(week[0].starts_with("2: period \"2019-11-04,2019-11-10\" is not a day") && week[1].starts_with("2: views \"1,5\""), "{week:?}");
}

#[test]
fn a_file_needs_a_site_and_the_right_format() {
    let found = mistakes(DAYS, &Reading { site: None, ..of_portal() });
    assert_eq!(found, ["1: the file does not name its site: give --site, one of portal, press, shop"]);
    let found = mistakes(DAYS, &as_format(Format::Csv));
    assert_eq!(found, ["1: this is no CSV with the columns site,article,period,views: it is a CSV of Matomo's Actions.getPageUrls"]);
    let found = mistakes("site,article,period,views\nportal,,2019,5\n", &as_format(Format::Matomo));
    assert_eq!(found, ["1: this is no CSV of Matomo's Actions.getPageUrls: it is a CSV with the columns site,article,period,views"]);
}
