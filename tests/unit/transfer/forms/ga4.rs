//! Reports and explorations of Google Analytics 4.

use truycap::transfer::{Format, Reading};

use super::{as_format, imported, mistakes, of, of_portal, until};

const HOW: &str = "export each month alone, or an exploration with the dimensions Date and Page path and screen class";

/// The report of pages of two days, which are a period only if `first` and `last` are so.
fn report(first: &str, last: &str) -> String {
    format!(
        "\u{feff}# ----------------------------------------\n\
        # Pages and screens: Page path and screen class\n\
        # Account: Cổng thông tin\n\
        # Property: portal.example, 2019\n\
        # ----------------------------------------\n\
        #\n\
        # All Users\n\
        # Start date: {first}\n\
        # End date: {last}\n\
        \n\
        Page path and screen class,Views,Active users,Views per active user,Total revenue\n\
        /,900,300,3.0,0\n\
        /tin/1,50,20,2.5,0\n\
        /tin/1/?utm_source=zalo,7,7,1.0,0\n\
        /ti%E1%BA%BFng,5,5,1.0,0\n\
        (not set),4,4,1.0,0\n\
        (other),3,3,1.0,0\n\
        \"Màn hình chính\",2,2,1.0,0\n"
    )
}

#[tokio::test]
async fn the_views_of_a_report_are_of_its_period() {
    let all = |period: &str| ["portal,,P,971", "portal,/tin/1,P,57", "portal,/tiếng,P,5"].map(|line| line.replace('P', period)).to_vec();
    for (first, last, period) in [
        ("20191101", "20191130", "2019-11"),
        ("20190101", "20191231", "2019"),
        ("20200110", "20200110", "2020-01-10"),
        ("20190201", "20190228", "2019-02"),
    ] {
        let (summary, counters) = imported(report(first, last), &of_portal()).await;
        assert_eq!(of(&counters, &[period]), all(period));
        assert_eq!(of(&counters, &["total"]), all("total"));
        let alone = [
            ("of the home page, which is no article", 1),
            ("that names no page, such as (not set) or (other)", 2),
            ("whose label is no path, such as a title or a screen of an app", 1),
        ];
        assert_eq!(summary.report.site_alone, alone.into());
        assert!(summary.warnings().is_empty());
    }
}

#[test]
fn a_report_of_other_dates_says_how_to_export() {
    let expected = format!("11: the file has the views from 2019-07-01 to 2019-09-30, which are no day, month or year: {HOW}");
    assert_eq!(mistakes(report("20190701", "20190930"), &of_portal()), [expected]);
    let header = "Page path and screen class,Views\n/tin,5\n";
    let expected = format!("1: the file has no days, neither in a column Date nor in lines that begin with # before the header: {HOW}");
    assert_eq!(mistakes(header, &of_portal()), [expected]);
    let compared = format!("# 20191101-20191130\n# 20191001-20191031\n{header}");
    assert_eq!(mistakes(compared, &of_portal()), [format!("3: the file compares different dates: {HOW}")]);
}

#[tokio::test]
async fn the_views_of_an_exploration_are_of_their_days() {
    let text = "# ----------------------------------------\n\
        # Free form 1\n\
        # 20191130-20200103\n\
        # ----------------------------------------\n\
        \n\
        Date,Page path and screen class,Country,Active users,Views\n\
        ,,,90,158,Grand total\n\
        20200102,/tin/1,Vietnam,20,100\n\
        20200102,/tin/1,Laos,3,4\n\
        20200103,/tin/1,Vietnam,5,6\n\
        20200103,/tin/2,Vietnam,5,40\n\
        20191130,/tin/2,Vietnam,5,8\n";
    let (summary, counters) = imported(text, &of_portal()).await;
    let buckets = ["2020-01-02", "2020-01-03", "2019-11", "total"];
    let expected = [
        "portal,,2019-11,8",
        "portal,,2020-01-02,104",
        "portal,,2020-01-03,46",
        "portal,,total,158",
        "portal,/tin/1,2020-01-02,104",
        "portal,/tin/1,2020-01-03,6",
        "portal,/tin/1,total,110",
        "portal,/tin/2,2019-11,8",
        "portal,/tin/2,2020-01-03,40",
        "portal,/tin/2,total,48",
    ];
    assert_eq!(of(&counters, &buckets), expected);
    assert_eq!(summary.report.left_out, [("with totals", 1)].into());
    let (summary, counters) = imported(text, &until("2020-01-03")).await;
    assert_eq!(of(&counters, &["total"]), ["portal,,total,112", "portal,/tin/1,total,104", "portal,/tin/2,total,8"]);
    assert_eq!(summary.report.left_out, [("with totals", 1), ("from --until on", 2)].into());
}

#[tokio::test]
async fn a_report_is_left_out_whole_or_not_at_all() {
    let (summary, counters) = imported(report("20191101", "20191130"), &until("2019-11-01")).await;
    assert_eq!((summary.report.left_out, counters.lines().count()), ([("from --until on", 7)].into(), 1));
    let (_, counters) = imported(report("20191101", "20191130"), &until("2019-12-01")).await;
    assert_eq!(of(&counters, &["total"])[0], "portal,,total,971");
    let found = mistakes(report("20191101", "20191130"), &until("2019-11-15"));
    assert_eq!(found, ["11: period \"2019-11\" has days from 2019-11-15 on, as --until says: give its days instead"]);
    let found = mistakes(report("20191101", "20191130"), &until("2019-11-15T00:00:00Z"));
    assert_eq!(found, ["11: the file has days and no times, so --until must be a day, such as 2026-11-22"]);
}

#[tokio::test]
async fn a_header_can_be_in_any_language() {
    let rows = "/tin/1,50,20\n(khác),3,2\n";
    let vietnamese = "# ----\n# Ngày bắt đầu: 20191101\n# Ngày kết thúc: 20191130\n\nĐường dẫn trang và lớp màn hình,Số lượt xem,Người dùng đang hoạt động\n";
    let (summary, counters) = imported(format!("{vietnamese}{rows}"), &of_portal()).await;
    assert_eq!(of(&counters, &["2019-11"]), ["portal,,2019-11,53", "portal,/tin/1,2019-11,50"]);
    assert!(summary.warnings().is_empty());

    let german = "# ----\n# Startdatum: 20191101\n# Enddatum: 20191130\n\nSeitenpfad und Bildschirmklasse,Aufrufe,Aktive Nutzer\n";
    let (summary, counters) = imported(format!("{german}{rows}"), &of_portal()).await;
    assert_eq!(of(&counters, &["2019-11"]), ["portal,,2019-11,53", "portal,/tin/1,2019-11,50"]);
    let warning = "the names of columns are not known: \"seitenpfad und bildschirmklasse\" is taken as the path, \"aufrufe\" as the views";
    assert_eq!(summary.warnings(), [warning]);

    let days = "# ----\n# 20191101-20200105\n# ----\nNgày,Đường dẫn trang,Lượt xem\n20200105,/tin/1,50\n";
    let (_, counters) = imported(days, &of_portal()).await;
    assert_eq!(of(&counters, &["2020-01-05"]), ["portal,,2020-01-05,50", "portal,/tin/1,2020-01-05,50"]);
}

#[tokio::test]
async fn a_file_that_a_spreadsheet_saved_is_the_same() {
    let text = "# ----,,\n# Start date: 20191101,,\n# End date: 20191130,,\n,,\nFull page URL,Views,Active users\n\
        portal.example/tin/1,50,20\nhttps://portal.example/tin/1/,1,1\n,53,21\nTotal,53,21\n(not set),2,2\n";
    for text in [text.to_owned(), text.replace(',', ";").replace('\n', "\r\n")] {
        let (summary, counters) = imported(&text, &of_portal()).await;
        assert_eq!(of(&counters, &["2019-11"]), ["portal,,2019-11,53", "portal,/tin/1,2019-11,51"], "{text}");
        assert_eq!(summary.report.left_out, [("with totals", 2)].into());
    }
}

#[test]
fn another_report_says_what_to_choose() {
    let begin = "# ----\n# 20191101-20191130\n# ----\n";
    let table = [
        (
            "Page title and screen class,Views\nTin,5\n",
            "4: missing column: Page path and screen class; choose it as the dimension of the report Pages and screens, instead of titles",
        ),
        (
            "Page path and screen class,Active users\n/tin,5\n",
            "4: missing column: Views; add it to the report, because users and sessions are no views",
        ),
        (
            "Segment,Page path,Views\nAll,/tin,5\n",
            "4: its rows are of segments or comparisons, which can have the same views: export it without them",
        ),
        ("Page path,Views\n/tin,5\n\n# ----\n", "7: a second table begins here: export the report Pages and screens alone"),
        ("Page path,Views,Users\n/tin,5\n", "5: 2 fields, but the header has 3"),
        ("Date,Page path,Views\n20191301,/tin,5\n", "5: date \"20191301\" is not a day"),
        (
            "Page path,Views\n/tin,\"1,234\"\n",
            "5: views \"1,234\": write a whole number in plain digits, without separators, such as 8307145",
        ),
        (
            "Page,Pageviews,Unique Pageviews\n/tin,\"3,047\",\"2,801\"\n",
            "4: this is a report of Universal Analytics, the time before Google Analytics 4: write the days of its second table as rows site,article,period,views",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(mistakes(format!("{begin}{text}"), &of_portal()), [expected], "{text}");
    }
}

#[test]
fn a_file_needs_a_site_and_the_right_format() {
    let found = mistakes(report("20191101", "20191130"), &Reading { site: None, ..of_portal() });
    assert_eq!(found, ["11: the file does not name its site: give --site, one of portal, press, shop"]);
    let found = mistakes(report("20191101", "20191130"), &as_format(Format::Matomo));
    assert_eq!(found, ["11: this is no CSV of Matomo's Actions.getPageUrls: it is a report of Google Analytics 4 on pages"]);
}
