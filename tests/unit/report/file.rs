//! The file of a report.

use chrono::DateTime;
use truycap::{
    domain::{article::ArticleId, counts::Kind, period::Period, site::SiteId},
    http::{Language, write_csv},
    report::{Counts, Gap, MostRead, ReadArticle, Report, Step},
};

use super::{bucket, day, days};

fn read(article: &str, title: Option<&str>, views: u64) -> ReadArticle {
    ReadArticle { article: ArticleId::parse(article).unwrap(), title: title.map(str::to_owned), views }
}

fn report() -> Report {
    let made = DateTime::parse_from_rfc3339("2026-11-28T23:57:00+07:00").unwrap().with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
    let counts = |views, visits| Counts { views, visits };
    let step = |text: &str, views, visits| Step { bucket: bucket(text), days: days(text, text), counts: counts(views, visits) };
    Report {
        site: SiteId::parse("portal").unwrap(),
        days: days("2026-11-27", "2026-11-29"),
        by: Period::Day,
        made,
        stale: true,
        counts: counts(8_307_145, 12),
        before: (days("2026-11-24", "2026-11-26"), counts(5, 0)),
        year_before: (days("2025-11-27", "2025-11-29"), counts(0, 0)),
        undated: Vec::new(),
        steps: vec![step("2026-11-27", 7, 2), step("2026-11-28", 8_307_138, 10)],
        without_step: Counts::default(),
        best: Some((day("2026-11-28"), 8_307_138)),
        without_day: 0,
        days_counted: Some(days("2026-11-27", "2026-11-28")),
        most_read: MostRead {
            articles: vec![
                read("/tin/b\u{e0}i-1", Some("H\u{1ed9}i ngh\u{1ecb}; \"t\u{1ed5}ng k\u{1ebf}t\""), 9),
                read("=HYPERLINK(\"http://la\")", Some("+1"), 8),
                read("-2", Some(" @x\r\n=1"), 7),
            ],
            gap: Some(Gap::Unproven),
        },
        not_counted: vec![(Kind::Bot, 31)],
        total: 8_307_150,
        older: 0,
        begins: Some(day("2020-01-17")),
        visits_begin: Some(day("2020-01-17")),
        imported: Some(8_000_000),
    }
}

/// The cells of each row.
fn rows(file: &[u8]) -> Vec<Vec<String>> {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(b';').has_headers(false).from_reader(file.strip_prefix("\u{feff}".as_bytes()).unwrap());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn a_file_opens_in_excel_with_the_settings_of_vietnam() {
    let file = write_csv(&report(), Language::Vietnamese).unwrap();
    let text = str::from_utf8(&file).unwrap();
    assert!(
        text.starts_with("\u{feff}M\u{1ee5}c;N\u{1ed9}i dung;Ti\u{ea}u \u{111}\u{1ec1};T\u{1eeb} ng\u{e0}y;\u{110}\u{1ebf}n ng\u{e0}y;"),
        "{text}"
    );
    assert!(text.lines().count() > 10 && text.matches('\n').count() == text.matches("\r\n").count(), "{text:?}");
    assert!(rows(&file).iter().all(|row| row.len() == 8), "{text}");
}

#[test]
fn a_file_has_everything_that_a_report_has() {
    let rows = rows(&write_csv(&report(), Language::English).unwrap());
    let joined: Vec<_> = rows.iter().map(|row| row.join("|")).collect();
    let expected = [
        "Section|Name|Title|From|To|Views|Visits|Times",
        "Period|Sum||2026-11-27|2026-11-29|8307145|12|",
        "Period|Days with figures||2026-11-27|2026-11-28|||",
        "Period|Mean per day||2026-11-27|2026-11-29|4153573||",
        "Period|Best day||2026-11-28|2026-11-28|8307138||",
        "Comparison|Period before||2026-11-24|2026-11-26|5|0|",
        "Comparison|Year before||2025-11-27|2025-11-29|0|0|",
        "Steps|||2026-11-27|2026-11-27|7|2|",
        "Steps|||2026-11-28|2026-11-28|8307138|10|",
        "Most read|/tin/b\u{e0}i-1|H\u{1ed9}i ngh\u{1ecb}; \"t\u{1ed5}ng k\u{1ebf}t\"|2026-11-27|2026-11-29|9||",
        "Most read|'=HYPERLINK(\"http://la\")|'+1|2026-11-27|2026-11-29|8||",
        "Most read|'-2|' @x\\r\\n=1|2026-11-27|2026-11-29|7||",
        "Not counted|Bots: search engines and other programs||2026-11-27|2026-11-29|||31",
        "All time|Total views||2020-01-17|2026-11-28|8307150||",
        "All time|Imported||2020-01-17|2026-11-28|8000000||",
        "Remarks|Made at|2026-11-28 23:57 +07:00|2026-11-28|2026-11-28|||",
        "Remarks|Counts can be missing, because the store did not answer||2026-11-28|2026-11-28|||",
        "Remarks|The period is not over||2026-11-28|2026-11-28|||",
        "Remarks|The lists that are kept do not prove which articles come next||2026-11-28|2026-11-28|||",
    ];
    assert_eq!(joined, expected);
}

#[test]
fn a_file_has_no_zero_for_a_period_whose_views_are_not_known() {
    let (before, year_before) = (days("2026-11-24", "2026-11-26"), days("2025-11-27", "2025-11-29"));
    let rows = rows(&write_csv(&Report { undated: vec![before, year_before], ..report() }, Language::English).unwrap());
    let joined: Vec<_> = rows.iter().map(|row| row.join("|")).collect();
    let words = "Some earlier figures are known only for a whole month or year, so the sum of this period lacks them.";
    for row in [
        "Comparison|Period before||2026-11-24|2026-11-26|5|0|".to_owned(),
        "Comparison|Year before||2025-11-27|2025-11-29|||".to_owned(),
        format!("Remarks|{words}||2026-11-24|2026-11-26|||"),
        format!("Remarks|{words}||2025-11-27|2025-11-29|||"),
    ] {
        assert!(joined.contains(&row), "{row}: {joined:#?}");
    }
}

#[test]
fn a_file_says_since_when_there_are_visits() {
    let report = Report { visits_begin: Some(day("2026-11-28")), ..report() };
    let rows = rows(&write_csv(&report, Language::English).unwrap());
    assert!(rows.iter().any(|row| row.join("|") == "Steps|||2026-11-27|2026-11-27|7||"), "{rows:?}");
    let remark = ["Remarks", "With visits; before, there are views only", "", "2026-11-28", "2026-11-29", "", "", ""];
    assert!(rows.iter().any(|row| *row == remark), "{rows:?}");
}

#[test]
fn a_best_day_can_be_that_of_the_known_days() {
    let rows = rows(&write_csv(&Report { without_day: 1, ..report() }, Language::English).unwrap());
    assert!(rows.iter().any(|row| row[1] == "Best day" && row[2] == "of the days that are known"), "{rows:?}");
}

#[test]
fn a_total_with_views_of_unknown_time_has_no_first_day() {
    let rows = rows(&write_csv(&Report { older: 6_341_529, ..report() }, Language::English).unwrap());
    let all_time: Vec<_> = rows.iter().map(|row| row.join("|")).filter(|row| row.starts_with("All time")).collect();
    let expected = [
        "All time|Total views|||2026-11-28|8307150||",
        "All time|Of unknown time|||2026-11-28|6341529||",
        "All time|Imported|||2026-11-28|8000000||",
    ];
    assert_eq!(all_time, expected);
}

/// A cell that a spreadsheet would compute.
#[test]
fn no_text_of_a_client_is_a_formula() {
    for start in ["=", "+", "-", "@", "\t=", "\r=", " =", "\u{ff1d}", "\u{ff0b}", "\u{ff0d}", "\u{ff20}", "\n-"] {
        let mut report = report();
        report.most_read.articles = vec![ReadArticle { title: Some(format!("{start}1+1")), ..read("/a", None, 1) }];
        let file = write_csv(&report, Language::English).unwrap();
        let row = rows(&file).into_iter().find(|row| row[0] == "Most read").unwrap();
        let first = row[2].chars().next().unwrap();
        assert!(!"=+-@\t\r\n \u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".contains(first), "{start:?}: {row:?}");
    }
}
