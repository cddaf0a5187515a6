//! What a line of a CSV file means: the header, and the counters that a row adds to.

use std::{collections::BTreeSet, fs::File, io};

use super::lines::Lines;
use crate::domain::{
    MAX_COUNT,
    article::ArticleId,
    period::{Bucket, BucketSet},
    producer::ProducerId,
    site::SiteId,
};

/// What a row adds to the counters.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) site: SiteId,
    /// `None` for the site itself.
    pub(super) article: Option<ArticleId>,
    /// Each grows by `views`; the last one contains the others.
    pub(super) buckets: BucketSet,
    pub(super) views: u64,
}

/// A line's number and its row, or all of its mistakes, one sentence each.
pub(super) type NumberedRow = (u64, Result<Row, Vec<String>>);

/// Why the rows of a file cannot be read.
#[derive(Debug)]
pub(super) enum OpenError {
    Unreadable(io::Error),
    /// The line of the header, and all of its mistakes.
    Header(u64, Vec<String>),
}

/// The positions of the fields in a line.
#[derive(Clone, Copy)]
struct Columns {
    site: usize,
    article: usize,
    time: TimeColumn,
    views: usize,
}

/// The column that names a time, and what it means.
#[derive(Clone, Copy)]
enum TimeColumn {
    /// A row also adds to the larger buckets.
    Period(usize),
    /// A row adds only to this bucket.
    Bucket(usize),
}

/// Reads a file from its beginning, row by row.
pub(super) struct Rows<'a> {
    lines: Lines<'a>,
    columns: Columns,
    sites: &'a BTreeSet<SiteId>,
}

impl<'a> Rows<'a> {
    /// Reads the header. `sites` are those that a row can name.
    pub(super) fn open(file: &'a File, sites: &'a BTreeSet<SiteId>) -> Result<Self, OpenError> {
        let mut lines = Lines::new(file).map_err(OpenError::Unreadable)?;
        let columns = match lines.next().map_err(OpenError::Unreadable)? {
            None => Err((1, vec!["the file is empty; its first line must be site,article,period,views".into()])),
            Some((line, Err(mistake))) => Err((line, vec![mistake])),
            Some((line, Ok(names))) => Columns::named(&names).map_err(|mistakes| (line, mistakes)),
        };
        let columns = columns.map_err(|(line, mistakes)| OpenError::Header(line, mistakes))?;
        Ok(Self { lines, columns, sites })
    }

    /// The next row; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<NumberedRow>> {
        let Some((line, fields)) = self.lines.next()? else { return Ok(None) };
        let row = fields.map_err(|mistake| vec![mistake]).and_then(|fields| self.columns.row(&fields, self.sites));
        Ok(Some((line, row)))
    }

    /// The number of bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.lines.bytes()
    }

    /// The producer id of the bytes read so far.
    pub(super) fn producer(self) -> ProducerId {
        self.lines.producer()
    }
}

impl Columns {
    const NAMES: [&str; 5] = ["site", "article", "period", "bucket", "views"];

    fn named(names: &[&str]) -> Result<Self, Vec<String>> {
        let place = |name: &str| names.iter().position(|n| *n == name);
        let mut mistakes = Vec::new();
        for (at, name) in names.iter().enumerate() {
            if !Self::NAMES.contains(name) {
                mistakes.push(format!("unknown column {name:?}; the columns are site,article,period,views, separated by commas"));
            } else if place(name) != Some(at) {
                mistakes.push(format!("column {name:?} occurs twice"));
            }
        }
        let mut needed = |name: &str| {
            place(name).unwrap_or_else(|| {
                mistakes.push(format!("column {name:?} is missing"));
                0
            })
        };
        let (site, article, views) = (needed("site"), needed("article"), needed("views"));
        let time = match (place("period"), place("bucket")) {
            (Some(period), None) => TimeColumn::Period(period),
            (None, Some(bucket)) => TimeColumn::Bucket(bucket),
            (None, None) => TimeColumn::Period(needed("period")),
            (Some(period), Some(_)) => {
                mistakes.push("there are both a column \"period\" and a column \"bucket\"; use one of them".into());
                TimeColumn::Period(period)
            }
        };
        if mistakes.is_empty() { Ok(Self { site, article, time, views }) } else { Err(mistakes) }
    }

    fn row(self, fields: &[&str], sites: &BTreeSet<SiteId>) -> Result<Row, Vec<String>> {
        let (count, header) = (fields.len(), Self::NAMES.len() - 1);
        if count != header {
            let hint = if count > header { "; an id with a comma needs quotes, and views have no separators" } else { "" };
            return Err(vec![format!("{count} fields, but the header has {header}{hint}")]);
        }
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        let site = read_site(field(self.site), sites);
        let article = Some(field(self.article)).filter(|text| !text.is_empty()).map(ArticleId::parse).transpose();
        let buckets = match self.time {
            TimeColumn::Period(at) => read_period(field(at)),
            TimeColumn::Bucket(at) => read_bucket(field(at)),
        };
        match (site, article.map_err(|e| e.to_string()), buckets, read_views(field(self.views))) {
            (Ok(site), Ok(article), Ok(buckets), Ok(views)) => Ok(Row { site, article, buckets, views }),
            (site, article, buckets, views) => Err([site.err(), article.err(), buckets.err(), views.err()].into_iter().flatten().collect()),
        }
    }
}

fn read_site(text: &str, sites: &BTreeSet<SiteId>) -> Result<SiteId, String> {
    sites.get(text).cloned().ok_or_else(|| format!("site {text:?} is not one of the configured sites"))
}

fn read_period(text: &str) -> Result<BucketSet, String> {
    if text.is_empty() {
        return Ok(BucketSet::from_iter([Bucket::Total]));
    }
    let no_period = |_| format!("period {text:?} is not a day (2026-11-22), month (2026-11), year (2026) or empty");
    let bucket: Bucket = text.parse().map_err(no_period)?;
    if bucket == Bucket::Total {
        return Err("period \"total\": leave it empty for views older than any day, month or year".into());
    }
    let larger = bucket.and_larger();
    let larger = larger.ok_or_else(|| format!("period {text:?}: a week can belong to two months or years; give its days instead"))?;
    Ok(larger.into_iter().collect())
}

fn read_bucket(text: &str) -> Result<BucketSet, String> {
    text.parse().map(|bucket: Bucket| BucketSet::from_iter([bucket])).map_err(|_| {
        let instead = if text.is_empty() { "; for views that are older, write total" } else { "" };
        format!("bucket {text:?} is not a day (2026-11-22), week (2026-W47), month (2026-11), year (2026) or total{instead}")
    })
}

fn read_views(text: &str) -> Result<u64, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("views {text:?}: write a whole number in plain digits, without separators, such as 8307145"));
    }
    text.parse().ok().filter(|views| *views <= MAX_COUNT).ok_or_else(|| format!("views {text}: more than {MAX_COUNT}"))
}
