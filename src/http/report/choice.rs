//! The choice of a period: links and forms that work without JavaScript.

use chrono::{Datelike, Months, NaiveDate};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    view::{View, escape},
    words::{Span, following},
};
use crate::{
    domain::period::{Bucket, Period},
    http::pages::labels::Language,
    report::{Days, Report},
};

/// How many months, quarters, half-years and years can be chosen by name. Earlier ones are chosen by their days.
const MONTHS: u32 = 36;
const QUARTERS: u32 = 12;
const HALVES: u32 = 6;
const YEARS: u32 = 10;

/// The query of a report on a period, as the value of an attribute.
pub(super) fn query(view: &View<'_>, language: Language, days: Days, by: Option<Period>) -> String {
    let value = value(days);
    let mut query = match Span::of(days) {
        Span::Month => format!("?month={value}"),
        Span::Quarter => format!("?quarter={value}"),
        Span::Half => format!("?half={value}"),
        Span::Year => format!("?year={value}"),
        Span::Day | Span::Other => format!("?from={}&amp;to={}", Bucket::Day(days.from), Bucket::Day(days.to)),
    };
    if let Some(by) = by {
        query = query + "&amp;by=" + by.name();
    }
    if language == Language::English {
        query += "&amp;lang=en";
    }
    if let Some(token) = view.token {
        query += &format!("&amp;token={}", utf8_percent_encode(token, NON_ALPHANUMERIC));
    }
    query
}

/// How a query writes a calendar period; empty for other days.
fn value(days: Days) -> String {
    let (year, month) = (days.from.year(), days.from.month());
    match Span::of(days) {
        Span::Month => format!("{year:04}-{month:02}"),
        Span::Quarter => format!("{year:04}-Q{}", month / 3 + 1),
        Span::Half => format!("{year:04}-H{}", month / 6 + 1),
        Span::Year => format!("{year:04}"),
        Span::Day | Span::Other => String::new(),
    }
}

/// The links to the periods before and after, to the other language and to the file, and the forms.
pub(super) fn choice(report: &Report, view: &View<'_>) -> String {
    let language = view.language;
    let today = report.made.date_naive();
    let link = |days: Days, class: &str| {
        let name = language.name_of(days);
        format!(r#"<a class="{class}" rel="{class}" href="{}">{name}</a>"#, query(view, language, days, None))
    };
    let next = following(report.days).filter(|days| days.from <= today).map(|days| link(days, "next")).unwrap_or_default();
    let (other, code, name) =
        if language == Language::English { (Language::Vietnamese, "vi", "Tiếng Việt") } else { (Language::English, "en", "English") };
    let other = query(view, other, report.days, Some(report.by));
    let file = query(view, language, report.days, Some(report.by));
    format!(
        r#"<nav aria-label="{label}">
<p class="links">{before} {next}</p>
<p class="links"><a href="report.csv{file}" download>{csv}</a> <a href="{other}" lang="{code}" hreflang="{code}">{name}</a></p>
<details>
<summary>{summary}</summary>
{forms}</details>
</nav>
"#,
        label = language.choose("Kỳ báo cáo", "Period of the report"),
        before = link(report.before.0, "prev"),
        csv = language.choose("Tải về CSV", "Download CSV"),
        summary = language.choose("Chọn kỳ khác", "Choose another period"),
        forms = forms(report, view, today),
    )
}

fn forms(report: &Report, view: &View<'_>, today: NaiveDate) -> String {
    let language = view.language;
    let first = report.begins.unwrap_or(today).min(report.days.from).min(today);
    let lists = [
        ("month", language.choose("Tháng", "Month"), 1, MONTHS),
        ("quarter", language.choose("Quý", "Quarter"), 3, QUARTERS),
        ("half", language.choose("6 tháng", "Half-year"), 6, HALVES),
        ("year", language.choose("Năm", "Year"), 12, YEARS),
    ];
    let lists = lists.map(|(name, label, months, most)| {
        let values = back(today, first, months, most).filter_map(|from| {
            let days = Days { from, to: from.checked_add_months(Months::new(months))?.pred_opt()? };
            Some((value(days), language.name_of(days)))
        });
        named_form(view, name, label, values)
    });
    lists.concat() + &days_form(report, view)
}

/// The first days of the latest periods of so many months, the latest one first, back to the one that contains a day.
fn back(today: NaiveDate, first: NaiveDate, months: u32, most: u32) -> impl Iterator<Item = NaiveDate> {
    let start = move |day: NaiveDate| day.with_day(1)?.checked_sub_months(Months::new(day.month0() % months));
    let latest = start(today);
    let earliest = start(first);
    (0..most).map_while(move |count| latest?.checked_sub_months(Months::new(count * months))).take_while(move |day| Some(*day) >= earliest)
}

/// A form with one list. The period before is chosen already, because a report is written when a period is over.
fn named_form(view: &View<'_>, name: &str, label: &str, values: impl Iterator<Item = (String, String)>) -> String {
    let mut options = String::new();
    for (i, (value, text)) in values.enumerate() {
        let selected = if i == 1 { " selected" } else { "" };
        options += &format!("<option value=\"{value}\"{selected}>{text}</option>\n");
    }
    let show = view.language.choose("Xem", "Show");
    format!(
        "<form method=\"get\">{}<label for=\"{name}\">{label}</label> <select id=\"{name}\" name=\"{name}\">\n{options}</select>\n\
         <button aria-label=\"{show}: {label}\">{show}</button></form>\n",
        hidden(view)
    )
}

fn days_form(report: &Report, view: &View<'_>) -> String {
    let language = view.language;
    let (from, to) = (Bucket::Day(report.days.from), Bucket::Day(report.days.to));
    let (show, label) = (language.choose("Xem", "Show"), language.choose("Từ ngày đến ngày", "From day to day"));
    format!(
        "<form method=\"get\">{}<label for=\"from\">{}</label> <input type=\"date\" id=\"from\" name=\"from\" value=\"{from}\" required>\n\
         <label for=\"to\">{}</label> <input type=\"date\" id=\"to\" name=\"to\" value=\"{to}\" required>\n\
         <button aria-label=\"{show}: {label}\">{show}</button></form>\n",
        hidden(view),
        language.choose("Từ ngày", "From"),
        language.choose("đến ngày", "to"),
    )
}

/// What a form sends besides the period.
fn hidden(view: &View<'_>) -> String {
    let field = |name: &str, value: &str| format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
    let language = if view.language == Language::English { field("lang", "en") } else { String::new() };
    language + &view.token.map(|token| field("token", &escape(token))).unwrap_or_default()
}

/// Links to the same period by other steps, those that make between two and some four hundred of them.
pub(super) fn steps(report: &Report, view: &View<'_>) -> String {
    let language = view.language;
    let days = report.days.count();
    let sizes = [
        (Period::Day, 2..=400, language.choose("ngày", "day")),
        (Period::Week, 14..=2800, language.choose("tuần", "week")),
        (Period::Month, 32..=12_000, language.choose("tháng", "month")),
        (Period::Year, 367..=u32::MAX, language.choose("năm", "year")),
    ];
    let links: Vec<String> = sizes
        .into_iter()
        .filter(|(by, room, _)| *by == report.by || room.contains(&days))
        .map(|(by, _, name)| {
            let current = if by == report.by { " aria-current=\"true\"" } else { "" };
            format!("<a href=\"{}\"{current}>{name}</a>", query(view, language, report.days, Some(by)))
        })
        .collect();
    if links.len() < 2 {
        return String::new();
    }
    format!("<p class=\"links by\"><span>{}</span> {}</p>\n", language.choose("Theo", "By"), links.join(" "))
}
