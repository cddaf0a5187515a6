//! The page of a report: its words, its numbers, its chart, and that text of others stays text.

use proptest::prelude::*;
use truycap::{
    domain::period::Period,
    http::{Language, Scale, render},
    report::{Counts, Days, Gap, Report},
};
use truycap_test_support::reports::{all, day, empty, hostile, report, view};

const OVER: &str = "2026-11-02T08:05:00";

fn days(from: &str, to: &str) -> Days {
    Days { from: day(from), to: day(to) }
}

fn october() -> Report {
    report(days("2026-10-01", "2026-10-31"), Period::Day, 7000, OVER)
}

fn vietnamese(report: &Report) -> String {
    render(report, &view(Language::Vietnamese))
}

fn english(report: &Report) -> String {
    render(report, &view(Language::English))
}

/// The texts between two marks.
fn between<'a>(page: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    page.split(start).skip(1).filter_map(|rest| Some(rest.split_once(end)?.0)).collect()
}

#[test]
fn a_scale_has_round_steps_and_reaches_the_highest_count() {
    let cases = [(1, 1, 1), (5, 1, 5), (6, 2, 3), (10, 2, 5), (11, 5, 3), (7862, 2000, 4), (100_001, 50_000, 3), (2_246_400, 500_000, 5)];
    for (highest, step, lines) in cases {
        assert_eq!(Scale::up_to(highest), Some(Scale { step, lines }), "{highest}");
    }
    assert_eq!(Scale::up_to(0), None);
}

proptest! {
    #[test]
    fn a_scale_fits_every_count(highest in 1..=(1u64 << 53)) {
        let Scale { step, lines } = Scale::up_to(highest).unwrap();
        prop_assert!((1..=5).contains(&lines) && step * lines >= highest && step * (lines - 1) < highest);
        prop_assert!(["1", "2", "5"].contains(&step.to_string().trim_end_matches('0')));
    }
}

#[test]
fn a_period_has_the_name_that_people_have_for_it() {
    let cases = [
        ("2026-10-01", "2026-10-31", "Tháng 10 năm 2026", "October 2026"),
        ("2026-07-01", "2026-09-30", "Quý III năm 2026", "Quarter 3 of 2026"),
        ("2026-01-01", "2026-06-30", "6 tháng đầu năm 2026", "First half of 2026"),
        ("2025-07-01", "2025-12-31", "6 tháng cuối năm 2025", "Second half of 2025"),
        ("2024-01-01", "2024-12-31", "Năm 2024", "2024"),
        ("2026-10-05", "2026-10-05", "Ngày 05/10/2026", "5 Oct 2026"),
        ("2026-09-15", "2026-10-14", "Từ 15/09/2026 đến 14/10/2026", "15 Sep 2026 to 14 Oct 2026"),
        ("2026-02-01", "2026-04-30", "Từ 01/02/2026 đến 30/04/2026", "1 Feb 2026 to 30 Apr 2026"),
    ];
    for (from, to, name, english_name) in cases {
        let report = report(days(from, to), Period::Month, 100, OVER);
        assert_eq!(between(&vietnamese(&report), "<p class=\"period\">", "</p>"), [name]);
        assert_eq!(between(&english(&report), "<p class=\"period\">", "</p>"), [english_name]);
    }
}

#[test]
fn numbers_are_grouped_as_in_the_language_of_the_page() {
    let mut report = october();
    report.counts = Counts { views: 8_307_145, visits: 1_234_567 };
    report.before.1 = Counts { views: 8_000_000, visits: 1_234_567 };
    report.year_before.1 = Counts { views: 9_000_000, visits: 0 };
    report.visits_begin = Some(day("2026-01-01"));
    let page = vietnamese(&report);
    assert!(page.contains("<dd>8.307.145</dd>") && page.contains("<dd>1.234.567</dd>"));
    // The change has its number, and no percentage alone.
    assert!(page.contains("<td>+307.145 (+3,8%)</td><td>không đổi</td>"));
    // Views without visits: visits were not counted at that time.
    assert!(page.contains("<td>9.000.000</td><td>–</td>") && page.contains("<td>−692.855 (−7,7%)</td><td>–</td>"));
    let page = english(&report);
    assert!(page.contains("<dd>8,307,145</dd>") && page.contains("<td>+307,145 (+3.8%)</td><td>no change</td>"));
    report.before.1 = Counts::default();
    assert!(english(&report).contains("<td>+8,307,145</td><td>+1,234,567</td>"));
}

#[test]
fn a_small_mean_has_a_decimal() {
    let mut report = october();
    let mut mean = |views| {
        report.counts.views = views;
        let page = vietnamese(&report);
        between(&page, "trung bình mỗi ngày</dt><dd>", "</dd>")[0].to_owned()
    };
    assert_eq!([0, 1, 31, 45, 400, 172_389].map(&mut mean), ["0", "0", "1", "1,5", "13", "5.561"]);
}

#[test]
fn a_mean_names_the_days_with_figures() {
    let mut report = Report { counts: Counts { views: 500, visits: 0 }, ..october() };
    report.days_counted = Some(days("2026-10-12", "2026-10-31"));
    assert!(vietnamese(&report).contains("trung bình mỗi ngày</dt><dd>25</dd><dd class=\"note\">trong 20 ngày có số liệu</dd>"));
    assert!(english(&report).contains("<dd>25</dd><dd class=\"note\">over 20 days with figures</dd>"));
    report.days_counted = None;
    assert!(english(&report).contains("on average</dt><dd>–</dd></div>"));
}

#[test]
fn a_period_before_the_first_figures_has_no_figures_instead_of_zeros() {
    let mut report = october();
    report.begins = Some(day("2026-09-20"));
    let page = vietnamese(&report);
    assert!(page.contains("<span class=\"which\">(có số liệu từ 20/09/2026)</span>"));
    assert_eq!(page.matches("chưa có số liệu").count(), 1);
    report.begins = Some(day("2026-10-12"));
    let page = vietnamese(&report);
    assert_eq!(page.matches("chưa có số liệu").count(), 2);
    assert!(page.contains("Số liệu chỉ có từ ngày 12/10/2026"));
    let page = vietnamese(&empty());
    assert!(page.contains("Cổng chưa có số liệu nào.") && !page.contains("<svg"));
}

#[test]
fn a_period_that_lacks_views_has_a_note_and_no_change() {
    let mut report = october();
    assert_eq!(english(&report).matches("<tr class=\"change\">").count(), 2);
    report.undated = vec![report.before.0, report.year_before.0];
    report.year_before.1 = Counts::default();
    let page = english(&report);
    assert!(!page.contains("<tr class=\"change\">") && !page.contains("so the sum of this period lacks them"));
    assert_eq!((page.matches("(incomplete)").count(), page.matches(">not known<").count()), (1, 1));
    report.undated = vec![report.days];
    let page = vietnamese(&report);
    assert!(!page.contains("<tr class=\"change\">") && page.contains("nên chưa nằm trong tổng của kỳ này."));
}

#[test]
fn a_period_of_which_nothing_is_known_has_no_zeros() {
    let report = october();
    let lost = Report { undated: vec![report.days], counts: Counts::default(), steps: Vec::new(), best: None, ..report };
    let page = english(&lost);
    assert!(page.contains("Page views</dt><dd>–</dd><dd class=\"note\">not known</dd>"), "{page}");
    assert!(page.contains("Visits</dt><dd>–</dd>") && page.contains("on average</dt><dd>–</dd></div>"), "{page}");
}

#[test]
fn a_quiet_period_has_no_visits_and_one_before_visits_has_a_dash() {
    let quiet = Report { counts: Counts { views: 3, visits: 0 }, ..october() };
    assert!(english(&quiet).contains("Visits</dt><dd>0</dd>"));
    let before = Report { visits_begin: Some(day("2026-11-01")), ..quiet };
    assert!(english(&before).contains("Visits</dt><dd>–</dd><dd class=\"note\">not counted in this period</dd>"));
}

#[test]
fn visits_that_begin_within_the_period_have_a_note() {
    let mut by_day = october();
    by_day.visits_begin = Some(day("2026-10-02"));
    assert!(vietnamese(&by_day).contains("Lượt truy cập chỉ có từ ngày 02/10/2026; trước đó chỉ có lượt xem."));
    assert!(english(&by_day).contains("Visits begin on 2 Oct 2026; before, there are views only."));
    let mut by_month = report(days("2026-01-01", "2026-10-31"), Period::Month, 7000, OVER);
    assert!(!vietnamese(&by_month).contains("Lượt truy cập chỉ có từ"));
    by_month.visits_begin = Some(day("2026-02-10"));
    assert!(vietnamese(&by_month).contains("Lượt truy cập chỉ có từ ngày 10/02/2026;"));
}

#[test]
fn the_best_day_is_that_of_the_known_days_if_not_all_views_have_a_day() {
    let mut report = Report { best: Some((day("2026-10-05"), 9)), ..october() };
    assert!(vietnamese(&report).contains("T2 05/10/2026</dd>"));
    report.without_day = 1;
    assert!(vietnamese(&report).contains("T2 05/10/2026, trong những ngày có số liệu theo ngày</dd>"));
    (report.without_day, report.undated) = (0, vec![report.days]);
    assert!(english(&report).contains("Mon 5 Oct 2026, of the days that are known</dd>"));
}

#[test]
fn a_reader_sees_what_the_figures_lack() {
    let whole = english(&october());
    assert!(!whole.contains("class=\"notes") && !whole.contains("not over"));
    let mut report = report(days("2026-11-01", "2026-11-30"), Period::Day, 7000, OVER);
    report.stale = true;
    report.without_step = Counts { views: 40, visits: 0 };
    report.most_read.gap = Some(Gap::Unproven);
    let page = english(&report);
    assert!(page.contains("Figures can be missing") && page.contains("those until 08:05 on 2 Nov 2026"));
    assert!(page.contains("at unknown times of the period</th><td>40</td>"));
    assert!(page.contains("do not prove which articles come next"));
    // The day that is not over is marked in the table and in the chart.
    assert_eq!(page.matches("<span class=\"which\">not over</span>").count(), 1);
    assert_eq!(page.matches("class=\"step open\"").count(), 1);
    // A period that is yet to come has no link.
    assert!(page.contains("rel=\"prev\"") && !page.contains("rel=\"next\""));
}

#[test]
fn the_total_says_since_when_and_how_much_was_imported_if_that_is_known() {
    let mut report = october();
    assert!(
        vietnamese(&report)
            .contains("tính từ ngày 12/03/2018. Trong tổng số này, <strong>7.104.233</strong> lượt là số liệu được nhập vào.")
    );
    for imported in [None, Some(0)] {
        report.imported = imported;
        assert!(!vietnamese(&report).contains("được nhập vào"));
    }
}

#[test]
fn a_total_with_views_of_unknown_time_says_how_many_and_not_since_when() {
    let mut report = Report { total: 8_307_145, older: 6_341_529, begins: Some(day("2019-01-01")), ..october() };
    let page = vietnamese(&report);
    assert!(page.contains("<strong>8.307.145</strong>, gồm cả <strong>6.341.529</strong> lượt không rõ thời gian."));
    assert!(!page.contains("tính từ ngày"));
    // Figures of a period before can be among those of unknown time.
    report.begins = Some(day("2026-10-12"));
    let page = english(&report);
    assert!(page.contains("The figures begin on 12 Oct 2026; earlier figures are of unknown time."));
    assert_eq!((page.matches(">not known<").count(), page.matches(">no figures<").count()), (2, 0));
    // Nothing else was imported, and nothing is counted yet.
    let page = english(&Report { total: 8_307_145, older: 8_307_145, ..empty() });
    assert!(page.contains("There are only earlier figures of unknown time.") && !page.contains("There are no figures yet."));
    assert!(page.contains("<strong>8,307,145</strong>, including <strong>8,307,145</strong> of unknown time."));
}

#[test]
fn every_step_is_a_row_and_a_bar_and_weeks_begin_on_monday() {
    for (name, report) in all() {
        let page = vietnamese(&report);
        let bars = page.matches("<g class=\"step").count();
        let rows = between(&page, "<table class=\"steps\">", "</table>").concat().matches("<tr><th scope=\"row\">").count();
        if bars > 0 {
            let further = 1 + usize::from(report.without_step != Counts::default());
            assert_eq!((bars, rows), (report.steps.len(), report.steps.len() + further), "{name}");
        }
    }
    let page = vietnamese(&report(days("2026-10-05", "2026-10-11"), Period::Day, 7000, OVER));
    let names = ["T2 05/10/2026", "T3 06/10/2026", "T4 07/10/2026", "T5 08/10/2026", "T6 09/10/2026", "T7 10/10/2026", "CN 11/10/2026"];
    assert_eq!(between(&page, "<span class=\"name-of-day\">", "</span>"), names);
}

#[test]
fn a_chart_has_no_more_labels_than_there_is_room_for() {
    for (name, report) in all() {
        let page = vietnamese(&report);
        let labels = |class: &str| between(&page, &format!("<text class=\"{class}\""), "</text>").len();
        let (wide, narrow) = (labels("wide"), labels("narrow"));
        if page.contains("<svg") {
            assert!((2..=31).contains(&wide) && (2..=12).contains(&narrow), "{name}: {wide} {narrow}");
        }
    }
}

#[test]
fn links_and_forms_keep_the_token_and_the_language() {
    let mut view = view(Language::English);
    view.token = Some("a b&\"<");
    let page = render(&october(), &view);
    assert!(page.contains("href=\"?month=2026-09&amp;lang=en&amp;token=a%20b%26%22%3C\""));
    assert!(page.contains("href=\"report.csv?month=2026-10&amp;by=day&amp;lang=en&amp;token=a%20b%26%22%3C\""));
    assert!(page.contains("href=\"?month=2026-10&amp;by=day&amp;token=a%20b%26%22%3C\" lang=\"vi\""));
    let forms = page.matches("<form ").count();
    assert_eq!(page.matches("name=\"token\" value=\"a b&amp;&quot;&lt;\"").count(), forms);
    assert_eq!(page.matches("name=\"lang\" value=\"en\"").count(), forms);
    view.token = None;
    assert!(!render(&october(), &view).contains("token"));
}

/// The policy of the page allows no script and no style within it.
#[test]
fn ids_and_titles_stay_text() {
    for page in [vietnamese(&hostile()), english(&hostile())] {
        assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("javascript:document.title='taken'\""));
        assert!(page.contains("&lt;/a&gt;&lt;script&gt;document.title = &#39;taken&#39;&lt;/script&gt;"));
        assert!(page.contains("a\\u{202e}b\\u{200b}c\\n&lt;b&gt;d"));
        assert!(!page.contains(['\u{202e}', '\u{200b}']));
        let links = between(&page, "<a href=\"https://portal.example.vn", "\"");
        let expected = [
            "/tin/1",
            "/tin/%22onmouseover%3D%22document%2Etitle%3D%27taken%27",
            "//evil.example/tin",
            "/tin/%E2%80%AEnuj",
            "/tin/%3Fa%3D1%23b%2541",
        ];
        let expected = expected.map(|link| link.replace("%2E", "."));
        assert_eq!(links, expected);
    }
    let mut view = view(Language::English);
    view.name = "<i>&\"";
    assert_eq!(between(&render(&october(), &view), "<p class=\"name\">", "</p>"), ["&lt;i&gt;&amp;&quot;"]);
    // Without one host, articles are no links.
    view.origin = None;
    assert!(!render(&october(), &view).contains("href=\"/"));
}

#[test]
fn the_page_has_no_script_and_no_style_within_it() {
    for (_, report) in all() {
        let page = english(&report);
        assert!(!page.contains("<script") && !page.contains("style=") && !page.contains("<style") && !page.contains(" onload="));
    }
}

#[test]
fn what_was_counted_for_the_site_alone_is_apart_from_what_was_not_counted() {
    let mut report = october();
    report.not_counted = Vec::new();
    assert!(english(&report).contains("No left-out request was recorded in this period."));
    report.not_counted = vec![(truycap::domain::counts::Kind::Bot, 3), (truycap::domain::counts::Kind::ArticleLimit, 5)];
    let page = english(&report);
    let captions = between(&page, "<table class=\"reasons\">\n<caption>", "</caption>");
    assert_eq!(captions, ["Not part of the figures above", "Counted for the portal, but not for an article"]);
}

/// Writes the pages into the directory that `REPORT_PAGES` names, so that they can be looked at.
#[test]
fn pages_can_be_looked_at() {
    let pages = truycap_test_support::reports::pages();
    let Some(folder) = std::env::var_os("REPORT_PAGES").map(std::path::PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    for (name, page) in pages {
        std::fs::write(folder.join(name + ".html"), page.replace("../../../report.css", "report.css")).unwrap();
    }
    std::fs::copy("web/report.css", folder.join("report.css")).unwrap();
}
