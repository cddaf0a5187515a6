//! What a line of a CSV file means: the header, and the counters that a row adds to.

use std::{collections::BTreeSet, fs::File, io};

use super::lines::Lines;
use crate::domain::{MAX_COUNT, article::ArticleId, period::Bucket, producer::ProducerId, site::SiteId};

/// What a row adds.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) site: SiteId,
    /// `None` for the site itself.
    pub(super) article: Option<ArticleId>,
    /// Each of them grows by `views`; the last contains the others.
    pub(super) buckets: Vec<Bucket>,
    pub(super) views: u64,
}

/// A row and its line; or all that is wrong with it, a sentence each.
pub(super) type NumberedRow = (u64, Result<Row, Vec<String>>);

/// Why a file has no rows to read.
#[derive(Debug)]
pub(super) enum NoRows {
    Unreadable(io::Error),
    /// The line of the header, and all that is wrong with it.
    Header(u64, Vec<String>),
}

/// Where the fields stand in a line.
#[derive(Clone, Copy)]
struct Columns {
    site: usize,
    article: usize,
    when: When,
    views: usize,
}

/// The column that names a time, and how it is read.
#[derive(Clone, Copy)]
enum When {
    /// A row adds to the larger buckets as well.
    Period(usize),
    /// A row adds to this bucket alone.
    Bucket(usize),
}

/// A reading of a file from its beginning, row by row.
pub(super) struct Rows<'a> {
    lines: Lines<'a>,
    columns: Columns,
    sites: &'a BTreeSet<SiteId>,
}

impl<'a> Rows<'a> {
    /// Reads the header. `sites` are those that rows may name.
    pub(super) fn open(file: &'a File, sites: &'a BTreeSet<SiteId>) -> Result<Self, NoRows> {
        let mut lines = Lines::new(file).map_err(NoRows::Unreadable)?;
        let columns = match lines.next().map_err(NoRows::Unreadable)? {
            None => Err((1, vec!["the file is empty; its first line must be site,article,period,views".into()])),
            Some((line, Err(mistake))) => Err((line, vec![mistake])),
            Some((line, Ok(names))) => Columns::named(&names).map_err(|mistakes| (line, mistakes)),
        };
        let columns = columns.map_err(|(line, mistakes)| NoRows::Header(line, mistakes))?;
        Ok(Self { lines, columns, sites })
    }

    /// The next row; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<NumberedRow>> {
        let Some((line, fields)) = self.lines.next()? else { return Ok(None) };
        let row = fields.map_err(|mistake| vec![mistake]).and_then(|fields| self.columns.row(&fields, self.sites));
        Ok(Some((line, row)))
    }

    /// How many bytes were read.
    pub(super) fn bytes(&self) -> u64 {
        self.lines.bytes()
    }

    /// The producer that an import of the bytes read so far is.
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
                mistakes.push(format!("unknown column {name:?}; the columns are site,article,period,views, with commas between"));
            } else if place(name) != Some(at) {
                mistakes.push(format!("column {name:?} stands twice"));
            }
        }
        let mut needed = |name: &str| {
            place(name).unwrap_or_else(|| {
                mistakes.push(format!("column {name:?} is missing"));
                0
            })
        };
        let (site, article, views) = (needed("site"), needed("article"), needed("views"));
        let when = match (place("period"), place("bucket")) {
            (Some(period), None) => When::Period(period),
            (None, Some(bucket)) => When::Bucket(bucket),
            (None, None) => When::Period(needed("period")),
            (Some(period), Some(_)) => {
                mistakes.push("there are both a column \"period\" and a column \"bucket\"; a file has one of them".into());
                When::Period(period)
            }
        };
        if mistakes.is_empty() { Ok(Self { site, article, when, views }) } else { Err(mistakes) }
    }

    fn row(self, fields: &[&str], sites: &BTreeSet<SiteId>) -> Result<Row, Vec<String>> {
        let (count, header) = (fields.len(), Self::NAMES.len() - 1);
        if count != header {
            let hint = if count > header { "; a comma within an id needs quotes, and views have no separators" } else { "" };
            return Err(vec![format!("{count} fields where the header has {header}{hint}")]);
        }
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        let site = read_site(field(self.site), sites);
        let article = Some(field(self.article)).filter(|text| !text.is_empty()).map(ArticleId::parse).transpose();
        let buckets = match self.when {
            When::Period(at) => read_period(field(at)),
            When::Bucket(at) => read_bucket(field(at)),
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

fn read_period(text: &str) -> Result<Vec<Bucket>, String> {
    if text.is_empty() {
        return Ok(vec![Bucket::Total]);
    }
    let no_period = |_| format!("period {text:?} is not a day (2026-11-22), month (2026-11), year (2026) or empty");
    let bucket: Bucket = text.parse().map_err(no_period)?;
    if bucket == Bucket::Total {
        return Err("period \"total\": leave it empty for views older than any day, month or year".into());
    }
    bucket.and_larger().ok_or_else(|| format!("period {text:?}: a week belongs to no one month or year; give its days instead"))
}

fn read_bucket(text: &str) -> Result<Vec<Bucket>, String> {
    text.parse().map(|bucket| vec![bucket]).map_err(|_| {
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
