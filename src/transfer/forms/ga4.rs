//! A report or an exploration of Google Analytics 4 on pages, as CSV: comments with its dates, a header in the language of the user,
//! and rows of which one can be the total.

use chrono::NaiveDate;

use super::own::read_views;
use crate::{
    domain::period::{Bucket, BucketSet, Period},
    transfer::{
        header::Header,
        lines::LINE_BYTES,
        periods,
        reading::Reading,
        row::{Form, Line, Target},
    },
};

/// The positions of the fields in a line.
pub(in crate::transfer) struct Ga4 {
    target: Target,
    time: Time,
    path: usize,
    views: usize,
    columns: usize,
    /// Which columns are taken, if their names are not known.
    note: Option<String>,
}

/// When the views of a row were.
enum Time {
    /// The column that has the day.
    Column(usize),
    /// All rows are of one period, and whether it is left out.
    Given(Bucket, bool),
}

const DATE: [&str; 9] = ["date", "ngày", "datum", "fecha", "data", "日付", "日期", "year month", "year"];
const PATH: [&str; 9] = [
    "page path and screen class",
    "page path",
    "page path + query string and screen class",
    "page path + query string",
    "page path and query string",
    "page location",
    "full page url",
    "đường dẫn trang và lớp màn hình",
    "đường dẫn trang",
];
const VIEWS: [&str; 3] = ["views", "số lượt xem", "lượt xem"];
const TOTALS: [&str; 5] = ["grand total", "total", "totals", "tổng", "tổng cộng"];

const PATH_IS_MISSING: &str =
    "missing column: Page path and screen class; choose it as the dimension of the report Pages and screens, instead of titles";
const VIEWS_ARE_MISSING: &str = "missing column: Views; add it to the report, because users and sessions are no views";
const HOW: &str = "export each month alone, or an exploration with the dimensions Date and Page path and screen class";

impl Ga4 {
    /// Whether this is the header of such a file, or of one of Universal Analytics.
    pub(in crate::transfer) fn has(header: &Header) -> bool {
        let commented = header.comments.iter().any(|comment| comment.starts_with("# ---"));
        commented || is_universal(header) || (place(header, &PATH).is_some() && place(header, &VIEWS).is_some())
    }

    /// Reads a header and the comments before it.
    pub(in crate::transfer) fn open(header: &Header, reading: &Reading) -> Result<Self, Vec<String>> {
        if is_universal(header) {
            return Err(vec![
                "this is a report of Universal Analytics, the time before Google Analytics 4: write the days of its second table as rows \
                 site,article,period,views"
                    .into(),
            ]);
        }
        let mut mistakes = Vec::new();
        let target = Target::of_days(reading).map_err(|mut found| mistakes.append(&mut found)).ok();
        if header.has("segment") || header.has("comparison") {
            mistakes.push("its rows are of segments or comparisons, which can have the same views: export it without them".into());
        }
        let date = place(header, &DATE);
        let (path, views) = (place(header, &PATH), place(header, &VIEWS));
        let english = header.names.iter().all(|name| name.is_ascii()) && (path.is_some() || views.is_some());
        if english {
            mistakes.extend(path.is_none().then(|| PATH_IS_MISSING.into()));
            mistakes.extend(views.is_none().then(|| VIEWS_ARE_MISSING.into()));
        }
        let unnamed = path.is_none() || views.is_none();
        let path = path.unwrap_or_else(|| usize::from(date == Some(0)));
        let views = views.unwrap_or(path + 1);
        let name = |at: usize| header.names.get(at).cloned();
        let note = match (name(path), name(views)) {
            _ if !unnamed => None,
            (Some(path), Some(views)) => {
                Some(format!("the names of columns are not known: {path:?} is taken as the path, {views:?} as the views"))
            }
            _ => {
                mistakes.extend((!english).then(|| PATH_IS_MISSING.into()));
                None
            }
        };
        let time = match date {
            Some(at) => Some(Time::Column(at)),
            None => given(header).map_err(|mistake| mistakes.push(mistake)).ok().and_then(|bucket| {
                let left_out = target.as_ref().map_or(Ok(false), |target| target.leaves_out(bucket));
                left_out.map_err(|mistake| mistakes.push(mistake)).ok().map(|left_out| Time::Given(bucket, left_out))
            }),
        };
        let columns = header.names.len();
        match (target, time) {
            (Some(target), Some(time)) if mistakes.is_empty() => Ok(Self { target, time, path, views, columns, note }),
            _ => Err(mistakes),
        }
    }

    /// The buckets of a row, and whether they are left out.
    fn time(&self, fields: &[&str]) -> Result<(BucketSet, bool), String> {
        match self.time {
            Time::Given(bucket, left_out) => Ok((periods::with_larger(bucket), left_out)),
            Time::Column(at) => {
                let bucket = read_date(fields.get(at).copied().unwrap_or_default())?;
                Ok((periods::with_larger(bucket), self.target.leaves_out(bucket)?))
            }
        }
    }
}

impl Form for Ga4 {
    fn line(&self, fields: &[&str]) -> Result<Line, Vec<String>> {
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        if field(0).starts_with('#') {
            return Err(vec!["a second table begins here: export the report Pages and screens alone".into()]);
        }
        if fields.len() < self.columns {
            return Err(vec![format!("{} fields, but the header has {}", fields.len(), self.columns)]);
        }
        let path = field(self.path);
        // The words "Grand total" are in a column of their own.
        let is_total = fields.iter().skip(self.columns).any(|field| !field.is_empty());
        if is_total || path.is_empty() || TOTALS.contains(&path.to_lowercase().as_str()) {
            return Ok(Line::left_out("with totals"));
        }
        let ((buckets, left_out), views) = match (self.time(fields), read_views(field(self.views))) {
            (Ok(time), Ok(views)) => (time, views),
            (time, views) => return Err([time.err(), views.err()].into_iter().flatten().collect()),
        };
        if left_out {
            return Ok(Line::left_out("from --until on"));
        }
        let site = &self.target.site;
        Ok(match page(path) {
            Ok(path) => Line::of_page(site, path, buckets, views, true),
            Err(why) => Line::of_site(site, buckets, views, Some(why)),
        })
    }

    fn row_bytes(&self) -> usize {
        LINE_BYTES
    }

    fn note(&self) -> Option<String> {
        self.note.clone()
    }
}

fn place(header: &Header, names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| header.place(name))
}

/// Whether this is a file of the product before Google Analytics 4.
fn is_universal(header: &Header) -> bool {
    header.has("unique pageviews") || (header.place("page") == Some(0) && header.has("pageviews"))
}

/// The path or address of a page, or why a row is of no page.
fn page(text: &str) -> Result<&str, &'static str> {
    if text.starts_with('(') {
        return Err("that names no page, such as (not set) or (other)");
    }
    if text.starts_with('/') || text.contains("://") {
        return Ok(text);
    }
    // "Full page URL" has no scheme.
    let host_end = text.find('/').filter(|end| text.get(..*end).is_some_and(|host| host.contains('.')));
    host_end.and_then(|end| text.get(end..)).ok_or("whose label is no path, such as a title or a screen of an app")
}

/// A day (20260701), month (202607) or year.
fn read_date(text: &str) -> Result<Bucket, String> {
    let month = || NaiveDate::parse_from_str(&format!("{text}01"), "%Y%m%d").ok().map(|day| Period::Month.bucket(day));
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.len() {
        8 if is_digits => read_day(text).map(Bucket::Day).ok_or_else(|| format!("date {text:?} is not a day")),
        6 if is_digits => month().ok_or_else(|| format!("date {text:?} is not a month")),
        0 => Err(format!("the row has no day: {HOW}")),
        _ => periods::read(text),
    }
}

fn read_day(text: &str) -> Option<NaiveDate> {
    let is_day = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    NaiveDate::parse_from_str(text, "%Y%m%d").ok().filter(|_| is_day)
}

/// The period of a whole file, by its comments, such as `# Start date: 20260701` and `# End date: 20260731`, or `# 20260701-20260731`.
fn given(header: &Header) -> Result<Bucket, String> {
    let days: Vec<NaiveDate> = header.comments.iter().flat_map(|comment| days(comment)).collect();
    match *days {
        [] => Err(format!("the file has no days, neither in a column Date nor in lines that begin with # before the header: {HOW}")),
        [first, last] => {
            let is_whole =
                |bucket: &Bucket| bucket.first_day() == Some(first) && bucket.next().and_then(Bucket::first_day) == last.succ_opt();
            let whole = [Period::Day, Period::Month, Period::Year].map(|period| period.bucket(first)).into_iter().find(is_whole);
            whole.ok_or_else(|| format!("the file has the views from {first} to {last}, which are no day, month or year: {HOW}"))
        }
        _ => Err(format!("the file compares different dates: {HOW}")),
    }
}

/// The days that a comment has.
fn days(comment: &str) -> Vec<NaiveDate> {
    let text = comment.trim_matches(|c: char| "#,;\t ".contains(c));
    let range = text.split_once('-').and_then(|(first, last)| Some(vec![read_day(first.trim())?, read_day(last.trim())?]));
    range.unwrap_or_else(|| text.rsplit(':').next().and_then(|day| read_day(day.trim())).into_iter().collect())
}
