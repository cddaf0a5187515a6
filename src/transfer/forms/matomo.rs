//! `Actions.getPageUrls` of Matomo, by day, as CSV. Its summary rows complete the sums, so the views of all rows are those of the site.

use crate::{
    domain::period::Bucket,
    transfer::{
        header::Header,
        lines::LINE_BYTES,
        periods,
        reading::Reading,
        row::{Form, Line, Target},
    },
};

use super::own::read_views;

/// The positions of the fields in a line.
pub(in crate::transfer) struct Matomo {
    target: Target,
    date: usize,
    label: usize,
    views: usize,
    /// The full address of the page; empty if the row is not one page.
    url: Option<usize>,
    /// `1` if the row is the sum of other rows.
    sum: Option<usize>,
    columns: usize,
}

/// The names of the columns: of the API, and in English and Vietnamese.
const DATE: [&str; 2] = ["date", "ngày"];
const LABEL: [&str; 7] = ["label", "page url", "nhãn", "url của trang", "đường dẫn trang", "địa chỉ url trang", "url trang"];
const VIEWS: [&str; 5] = ["nb_hits", "pageviews", "số lượt xem trang", "lượt xem trang", "số lần xem trang"];

/// The label of the pages that Matomo did not keep apart.
const OTHERS: [&str; 13] = [
    "others",
    "other",
    "khác",
    "những trang khác",
    "các trang khác",
    "andere",
    "autres",
    "otros",
    "outros",
    "altri",
    "overige",
    "その他",
    "其他",
];

const SUMMARY: &str = "of pages that Matomo did not keep apart (Others)";

const HOW: &str = "export method=Actions.getPageUrls with period=day&date=2026-01-01,2026-12-31&flat=1&filter_limit=-1&format=CSV";

impl Matomo {
    /// Whether this is the header of such a file.
    pub(in crate::transfer) fn has(header: &Header) -> bool {
        let visits = header.has("nb_visits") || header.has("nb_hits");
        let views = visits || place(header, &VIEWS).is_some();
        place(header, &LABEL).is_some() && views || header.names.iter().any(|name| name.ends_with(": url"))
    }

    /// Reads a header.
    pub(in crate::transfer) fn open(header: &Header, reading: &Reading) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let target = Target::of_days(reading).map_err(|mut found| mistakes.append(&mut found)).ok();
        let mut needed = |names: &[&str], missing: String| {
            place(header, names).unwrap_or_else(|| {
                mistakes.push(missing);
                0
            })
        };
        let date = needed(&DATE, format!("the file has no days: {HOW}"));
        let label = needed(&LABEL, format!("missing column: label; {HOW}, without translateColumnNames"));
        let views = needed(&VIEWS, format!("missing column: nb_hits; {HOW}, without showColumns and translateColumnNames"));
        if header.has("idsubdatatable") {
            mistakes.push(format!("its rows are folders and not pages: {HOW}"));
        }
        let metadata = |name: &str| {
            // The name of the column is "Metadata: url" in the language of the user.
            let is = |column: &String| column == &format!("metadata_{name}") || column.ends_with(&format!(": {name}"));
            header.names.iter().position(is)
        };
        let (url, sum, columns) = (metadata("url"), metadata("is_aggregate"), header.names.len());
        target.filter(|_| mistakes.is_empty()).map(|target| Self { target, date, label, views, url, sum, columns }).ok_or(mistakes)
    }
}

fn place(header: &Header, names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| header.place(name))
}

impl Form for Matomo {
    fn line(&self, fields: &[&str]) -> Result<Line, Vec<String>> {
        if fields.len() < self.columns {
            return Err(vec![format!("{} fields, but the header has {}", fields.len(), self.columns)]);
        }
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        if self.sum.is_some_and(|at| field(at) == "1") {
            return Ok(Line::left_out("with sums of other rows (include_aggregate_rows)"));
        }
        let date = read_date(field(self.date)).and_then(|bucket| Ok((bucket, self.target.leaves_out(bucket)?)));
        // A row has no hits if its page was only the end of a redirection, for example.
        let views = if field(self.views).is_empty() { Ok(0) } else { read_views(field(self.views)) };
        let page = self.page(fields);
        let ((bucket, left_out), views, page) = match (date, views, page) {
            (Ok(date), Ok(views), Ok(page)) => (date, views, page),
            (date, views, page) => return Err([date.err(), views.err(), page.err()].into_iter().flatten().collect()),
        };
        if left_out {
            return Ok(Line::left_out("from --until on"));
        }
        let buckets = periods::with_larger(bucket);
        Ok(match page {
            Ok(path) => Line::of_page(&self.target.site, &path, buckets, views, true),
            Err(why) => Line::of_site(&self.target.site, buckets, views, Some(why)),
        })
    }

    fn row_bytes(&self) -> usize {
        LINE_BYTES
    }
}

/// The path of a page, or why a row is not one page.
type Page = Result<String, &'static str>;

impl Matomo {
    fn page(&self, fields: &[&str]) -> Result<Page, String> {
        let field = |at: usize| fields.get(at).map_or_else(String::new, |text| plain(text));
        let label = field(self.label);
        match self.url.map(field) {
            Some(url) if !url.is_empty() => return Ok(Ok(url)),
            Some(_) if label.contains('/') => return Ok(Err(SUMMARY)),
            _ => {}
        }
        let last = label.rsplit('/').next().unwrap_or_default();
        if last.starts_with(" - ") || label == "-1" || OTHERS.contains(&label.trim_start_matches(['-', ' ']).to_lowercase().as_str()) {
            return Ok(Err(SUMMARY));
        }
        if label.contains('/') {
            // This is the name of the page of a folder.
            return Ok(Ok(label.strip_suffix("/index").map_or(label.clone(), |folder| format!("{folder}/"))));
        }
        if label.is_empty() || label.contains(char::is_whitespace) {
            return Ok(Err("whose label is no path"));
        }
        Err(format!("label {label:?} is a folder and not a page: {HOW}"))
    }
}

/// A day, month or year.
fn read_date(text: &str) -> Result<Bucket, String> {
    if text.is_empty() {
        return Err(format!("the row has no day: {HOW}"));
    }
    periods::read(text)
}

/// A text without the escapes of Matomo: those of HTML, and a quotation mark before what a spreadsheet takes for a formula.
fn plain(text: &str) -> String {
    let text = text.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@'])).unwrap_or(text).trim();
    [("&quot;", "\""), ("&#039;", "'"), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}
