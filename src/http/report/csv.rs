//! The report as a file that Excel opens right with the settings of Vietnam: UTF-8 with a byte-order mark, semicolons because the
//! comma is the decimal sign there, CRLF, ISO dates, and whole numbers without separators.
//!
//! One table in long form. Each row is one fact: the section that it belongs to, its name, a title or a remark, the first and the last
//! day that it is about, views and visits, and how many requests were not counted. A cell is empty if the row has no such fact.

use std::{borrow::Cow, fmt};

use chrono::NaiveDate;
use csv::{Terminator, WriterBuilder};

use super::words::is_of_site_alone;
use crate::{
    domain::visible::visible,
    http::pages::labels::Language,
    report::{Counts, Days, Gap, Report},
    transfer::is_formula,
};

/// The mark by which Excel recognises UTF-8.
const MARK: &str = "\u{feff}";

/// The words of a file.
#[derive(Clone, Copy, Debug)]
struct Words {
    head: [&'static str; 8],
    period: &'static str,
    sum: &'static str,
    days_counted: &'static str,
    mean: &'static str,
    best: &'static str,
    comparison: &'static str,
    before: &'static str,
    year_before: &'static str,
    steps: &'static str,
    without_step: &'static str,
    most_read: &'static str,
    not_counted: &'static str,
    site_alone: &'static str,
    all_time: &'static str,
    total: &'static str,
    older: &'static str,
    imported: &'static str,
    remarks: &'static str,
    visits_begin: &'static str,
    made: &'static str,
    stale: &'static str,
    not_over: &'static str,
    gaps: [&'static str; 4],
}

const VIETNAMESE: Words = Words {
    head: ["Mục", "Nội dung", "Tiêu đề", "Từ ngày", "Đến ngày", "Lượt xem", "Lượt truy cập", "Số lần"],
    period: "Kỳ báo cáo",
    sum: "Tổng trong kỳ",
    days_counted: "Những ngày có số liệu",
    mean: "Trung bình mỗi ngày",
    best: "Ngày nhiều lượt xem nhất",
    comparison: "So sánh",
    before: "Kỳ trước",
    year_before: "Cùng kỳ năm trước",
    steps: "Diễn biến",
    without_step: "Không rõ thời điểm trong kỳ",
    most_read: "Bài được xem nhiều nhất",
    not_counted: "Không được tính",
    site_alone: "Có tính cho cổng, không tính cho từng bài",
    all_time: "Từ trước đến nay",
    total: "Tổng số lượt xem",
    older: "Không rõ thời gian",
    imported: "Số liệu được nhập vào",
    remarks: "Ghi chú",
    visits_begin: "Có lượt truy cập; trước đó chỉ có lượt xem",
    made: "Lập lúc",
    stale: "Số liệu có thể thiếu, vì lúc lập báo cáo không đọc được nơi lưu trữ",
    not_over: "Kỳ này chưa kết thúc",
    gaps: [
        "Số liệu từng bài của kỳ này, hoặc của một phần kỳ này, đã hết hạn lưu",
        "Số liệu đang giữ không đủ để khẳng định thứ tự của các bài tiếp theo",
        "Danh sách bài đang được lập lại",
        "Không liệt kê những bài mà cổng không có, hoặc chưa trả lời về chúng",
    ],
};

const ENGLISH: Words = Words {
    head: ["Section", "Name", "Title", "From", "To", "Views", "Visits", "Times"],
    period: "Period",
    sum: "Sum",
    days_counted: "Days with figures",
    mean: "Mean per day",
    best: "Best day",
    comparison: "Comparison",
    before: "Period before",
    year_before: "Year before",
    steps: "Steps",
    without_step: "At unknown times of the period",
    most_read: "Most read",
    not_counted: "Not counted",
    site_alone: "Counted for the portal, but not for an article",
    all_time: "All time",
    total: "Total views",
    older: "Of unknown time",
    imported: "Imported",
    remarks: "Remarks",
    visits_begin: "With visits; before, there are views only",
    made: "Made at",
    stale: "Counts can be missing, because the store did not answer",
    not_over: "The period is not over",
    gaps: [
        "Counts of articles are deleted for this period or a part of it",
        "The lists that are kept do not prove which articles come next",
        "The list of articles is being built",
        "Articles that the portal does not have, or has not answered about, are not listed",
    ],
};

impl Words {
    fn of(language: Language) -> Self {
        match language {
            Language::Vietnamese => VIETNAMESE,
            Language::English => ENGLISH,
        }
    }

    fn gap(&self, gap: Gap) -> &'static str {
        let [expired, unproven, building, not_listed] = self.gaps;
        match gap {
            Gap::Expired => expired,
            Gap::Unproven => unproven,
            Gap::Building => building,
            Gap::NotListed => not_listed,
        }
    }
}

/// One row.
#[derive(Default)]
struct Row<'a> {
    section: &'a str,
    name: &'a str,
    title: Cow<'a, str>,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    views: Option<u64>,
    visits: Option<u64>,
    times: Option<u64>,
}

impl<'a> Row<'a> {
    fn of(section: &'a str, name: &'a str, days: Days) -> Self {
        Self { section, name, from: Some(days.from), to: Some(days.to), ..Self::default() }
    }

    /// `visits` is whether they were counted at that time.
    fn with(self, counts: Counts, visits: bool) -> Self {
        Self { views: Some(counts.views), visits: visits.then_some(counts.visits), ..self }
    }

    fn cells(&self) -> [String; 8] {
        fn shown(value: Option<impl fmt::Display>) -> String {
            value.map_or_else(String::new, |value| value.to_string())
        }
        [
            self.section.to_owned(),
            text(self.name),
            text(&self.title),
            shown(self.from),
            shown(self.to),
            shown(self.views),
            shown(self.visits),
            shown(self.times),
        ]
    }
}

/// A text of clients as a cell.
///
/// SECURITY: spreadsheets compute a cell that begins with one of these characters, so it gets an apostrophe, by which they take it
/// for text.
fn text(text: &str) -> String {
    let text = visible(text);
    if is_formula(text.trim_start()) { format!("'{text}") } else { text.into_owned() }
}

/// The file.
///
/// # Errors
/// None in practice: nothing is written but memory.
pub fn write(report: &Report, language: Language) -> Result<Vec<u8>, csv::Error> {
    let words = Words::of(language);
    let mut writer = WriterBuilder::new().delimiter(b';').terminator(Terminator::CRLF).from_writer(Vec::from(MARK));
    writer.write_record(words.head)?;
    for row in rows(report, language, &words) {
        writer.write_record(row.cells())?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn rows<'a>(report: &'a Report, language: Language, words: &'a Words) -> Vec<Row<'a>> {
    let days = report.days;
    let of_period = |name, views| Row { views: Some(views), ..Row::of(words.period, name, days) };
    let is_lost = report.is_lost((days, report.counts));
    let sum = Row::of(words.period, words.sum, days);
    let mut rows = vec![if is_lost { sum } else { sum.with(report.counts, report.counts_visits(days)) }];
    rows.extend(report.days_counted.map(|counted| Row::of(words.period, words.days_counted, counted)));
    let mean = mean(report.counts.views, report.days_counted.map_or(0, Days::count)).filter(|_| !is_lost);
    rows.extend(mean.map(|mean| of_period(words.mean, mean)));
    rows.extend(report.best.map(|(day, views)| Row {
        title: language.of_known_days(report).unwrap_or_default().into(),
        views: Some(views),
        ..Row::of(words.period, words.best, Days { from: day, to: day })
    }));
    for (name, (days, counts)) in [(words.before, report.before), (words.year_before, report.year_before)] {
        let row = Row::of(words.comparison, name, days);
        rows.push(if report.is_known((days, counts)) { row.with(counts, report.counts_visits(days)) } else { row });
    }
    rows.extend(report.steps.iter().map(|step| Row::of(words.steps, "", step.days).with(step.counts, report.counts_visits(step.days))));
    if report.without_step != Counts::default() {
        rows.push(Row::of(words.steps, words.without_step, days).with(report.without_step, report.without_step.visits > 0));
    }
    rows.extend(report.most_read.articles.iter().map(|read| Row {
        title: read.title.as_deref().unwrap_or_default().into(),
        views: Some(read.views),
        ..Row::of(words.most_read, read.article.as_str(), days)
    }));
    rows.extend(report.not_counted.iter().filter_map(|(kind, count)| {
        let section = if is_of_site_alone(*kind) { words.site_alone } else { words.not_counted };
        Some(Row { times: Some(*count), ..Row::of(section, language.reason(*kind)?, days) })
    }));
    let today = report.made.date_naive();
    // No first day if some views are of unknown time.
    let from = report.begins.filter(|_| report.older == 0);
    let all_time = |name, views| Row { views: Some(views), from, to: Some(today), section: words.all_time, name, ..Row::default() };
    rows.push(all_time(words.total, report.total));
    rows.extend((report.older > 0).then(|| all_time(words.older, report.older)));
    rows.extend(report.imported.map(|imported| all_time(words.imported, imported)));
    rows.extend(remarks(report, language, words));
    rows
}

fn remarks<'a>(report: &'a Report, language: Language, words: &'a Words) -> Vec<Row<'a>> {
    let today = report.made.date_naive();
    let remark = |name| Row { section: words.remarks, name, from: Some(today), to: Some(today), ..Row::default() };
    let mut rows = vec![Row { title: report.made.format("%Y-%m-%d %H:%M %:z").to_string().into(), ..remark(words.made) }];
    rows.extend(report.stale.then(|| remark(words.stale)));
    rows.extend((report.days.to >= today).then(|| remark(words.not_over)));
    rows.extend(report.visits_begin_within().map(|from| Row::of(words.remarks, words.visits_begin, Days { from, ..report.days })));
    rows.extend(report.undated.iter().map(|days| Row::of(words.remarks, language.undated(), *days)));
    rows.extend(report.most_read.gap.map(|gap| remark(words.gap(gap))));
    rows
}

/// The mean, to the nearest whole number.
fn mean(views: u64, days: u32) -> Option<u64> {
    let days = u64::from(days);
    (views.saturating_add(days / 2)).checked_div(days)
}
