//! The first reading of a file, which finds all mistakes.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    fs::File,
    io, mem,
    path::{Path, PathBuf},
    time::SystemTime,
};

use chrono::NaiveDate;

use super::{
    fields::NOT_UTF8,
    reading::{Format, Reading},
    report::Report,
    row::Row,
    rows::{OpenError, Rows},
};
use crate::domain::{
    MAX_COUNT,
    counts::{Kind, Subject},
    period::Period,
    producer::ProducerId,
    site::SiteId,
};

/// How many mistakes are named; the others are counted.
const MAX_NAMED: usize = 100;

/// A file without mistakes, ready to be imported.
#[derive(Debug)]
pub struct Checked {
    pub(super) path: PathBuf,
    pub(super) file: File,
    stamp: Stamp,
    pub(super) producer: ProducerId,
    pub(super) reading: Reading,
    pub(super) format: Format,
    /// How many rows each site has.
    pub(super) rows: BTreeMap<SiteId, u64>,
    pub(super) report: Report,
}

/// What changes when a file is written to: its length and, if the system keeps it, the time of the last change.
type Stamp = (u64, Option<SystemTime>);

/// A mistake in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line's number, counted from 1.
    pub line: u64,
    /// What is wrong, in one sentence.
    pub what: String,
}

/// All mistakes of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// The first hundred, in the order of the lines.
    pub named: Vec<Mistake>,
    /// The number of further mistakes.
    pub more: u64,
}

/// Why a file cannot be imported. Nothing was added.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has mistakes.
    #[error("{}: nothing was imported because of {mistakes}", path.display())]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// All of them.
        mistakes: Mistakes,
    },
}

/// Reads a whole regular file and looks for mistakes. `path` is its name for messages. `progress` is called with the number of bytes
/// read and the file's length.
///
/// # Errors
/// If it cannot be read, or has mistakes.
pub fn check(path: &Path, file: File, reading: &Reading, mut progress: impl FnMut(u64, u64)) -> Result<Checked, CheckError> {
    let unreadable = |source| CheckError::Unreadable { path: path.into(), source };
    let stamp = stamp(&file).map_err(unreadable)?;
    // In some time zones it is already tomorrow.
    let mut found = Found { latest: reading.today.succ_opt().unwrap_or(reading.today), ..Found::default() };
    let (producer, format) = match Rows::open(&file, reading) {
        Ok(rows) => {
            let format = rows.format;
            (found.read(rows, |bytes| progress(bytes, stamp.0)).map_err(unreadable)?, format)
        }
        Err(OpenError::Unreadable(source)) => return Err(unreadable(source)),
        Err(OpenError::Header(line, whats)) => {
            found.mistakes.add(line, whats);
            (ProducerId(0), Format::Csv)
        }
    };
    if !found.mistakes.named.is_empty() {
        return Err(CheckError::Mistakes { path: path.into(), mistakes: found.mistakes });
    }
    Ok(Checked { path: path.into(), file, stamp, producer, reading: reading.clone(), format, rows: found.rows, report: found.report })
}

impl Checked {
    /// The file's length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.stamp.0
    }

    /// The options that decide what the file's chunks are; empty for those of the time before there were any.
    pub(super) fn options(&self) -> String {
        let Reading { sites, site, until, .. } = &self.reading;
        match (self.format, until) {
            (Format::Csv, None) => String::new(),
            (Format::Csv, Some(until)) => format!("Csv until {until:?}"),
            (format, until) => format!("{format:?} in {:?} until {until:?}", site.as_ref().and_then(|site| sites.get(site))),
        }
    }

    /// Whether the file seems unchanged since it was checked.
    pub(super) fn unchanged(&self) -> bool {
        stamp(&self.file).is_ok_and(|now| now == self.stamp)
    }
}

fn stamp(file: &File) -> io::Result<Stamp> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.modified().ok()))
}

/// What the first reading finds.
#[derive(Default)]
struct Found {
    /// The last day on which a period can begin.
    latest: NaiveDate,
    rows: BTreeMap<SiteId, u64>,
    report: Report,
    mistakes: Mistakes,
    /// Whether a line was not UTF-8. More than one of these has one cause.
    not_utf8: bool,
    sums: HashMap<(SiteId, Option<Kind>, Option<Period>), u64>,
}

impl Found {
    fn read(&mut self, mut rows: Rows<'_>, mut progress: impl FnMut(u64)) -> io::Result<ProducerId> {
        self.report.note = rows.note();
        let mut has_rows = false;
        while let Some((number, line)) = rows.next()? {
            has_rows = true;
            match line {
                Ok(line) => {
                    self.report.add(number, &line);
                    self.check_future(number, line.rows.first());
                    line.rows.into_iter().for_each(|row| self.add(number, row));
                }
                Err(whats) if whats == [NOT_UTF8] && mem::replace(&mut self.not_utf8, true) => {}
                Err(whats) => self.mistakes.add(number, whats),
            }
            progress(rows.bytes());
        }
        if let (false, Some(why)) = (has_rows, rows.without_rows()) {
            self.mistakes.add(1, vec![why.into()]);
        }
        rows.producer()
    }

    /// All rows of a line are of the same time.
    fn check_future(&mut self, line: u64, row: Option<&Row>) {
        let Some(row) = row else { return };
        // Only a period adds to larger buckets as well; the buckets of an export are imported as they are.
        let mut buckets = row.buckets.buckets();
        if let (Some(period), Some(_)) = (buckets.next(), buckets.next())
            && period.first_day() > Some(self.latest)
        {
            self.mistakes.add(line, vec![format!("period \"{period}\" is in the future")]);
        }
    }

    fn add(&mut self, line: u64, row: Row) {
        *self.rows.entry(row.site.clone()).or_default() += 1;
        // No counter of the site exceeds the sum over its kind of bucket. A counter of an article that would pass the maximum stays
        // there, and the summary says so.
        let (kind, whose) = match row.subject {
            Subject::Article(_) => return,
            Subject::Site => (None, "the site's views sum".to_owned()),
            Subject::Kind(kind) => (Some(kind), format!("the site's counts of {kind} sum")),
        };
        let period = row.buckets.buckets().last().and_then(|bucket| bucket.period());
        let sum = self.sums.entry((row.site, kind, period)).or_default();
        let before = *sum;
        *sum = before.saturating_add(row.views);
        if before <= MAX_COUNT && *sum > MAX_COUNT {
            self.mistakes.add(line, vec![format!("with this row {whose} up to more than {MAX_COUNT}")]);
        }
    }
}

impl Mistakes {
    fn add(&mut self, line: u64, whats: Vec<String>) {
        for what in whats {
            if self.named.len() < MAX_NAMED {
                self.named.push(Mistake { line, what });
            } else {
                self.more += 1;
            }
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.named.len() as u64 + self.more {
            1 => f.write_str("1 mistake")?,
            count => write!(f, "{count} mistakes")?,
        }
        for Mistake { line, what } in &self.named {
            write!(f, "\n  line {line}: {what}")?;
        }
        if self.more > 0 { write!(f, "\n  and {} more", self.more) } else { Ok(()) }
    }
}
