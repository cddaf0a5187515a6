//! The lines of a CSV file: numbered, and split into fields.
//!
//! A row of truycap's own columns is one line, because none of their fields has a line break. So an unclosed quote spoils one line
//! and not the rest of the file. Exports of other counters have line breaks in quoted titles.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
};

use super::{
    fields::{Broken, Fields, NOT_UTF8},
    source::Source,
};
use crate::domain::producer::ProducerId;

/// The maximum length of a row of truycap's own columns; the longest valid one is less than half as long.
pub(super) const OWN_LINE_BYTES: usize = 4096;

/// The maximum length of any other row.
pub(super) const LINE_BYTES: usize = 64 * 1024;

/// A line's number, counted from 1, and its fields, or the mistake.
pub(super) type Line<'a> = (u64, Result<Vec<&'a str>, String>);

/// Reads a file from its beginning.
pub(super) struct Lines<'a> {
    reader: BufReader<Source<'a>>,
    /// The last byte of each line.
    end: u8,
    number: u64,
    line: Vec<u8>,
    separator: char,
    fields: Fields,
    /// The maximum length of a row.
    limit: usize,
    /// Whether a quoted field can have line breaks.
    pub(super) multiline: bool,
}

impl<'a> Lines<'a> {
    /// Opens a file. The inner error says what it is, if it has no rows.
    pub(super) fn open(file: &'a File) -> io::Result<Result<Self, String>> {
        let source = match Source::open(file)? {
            Ok(source) => source,
            Err(what) => return Ok(Err(what)),
        };
        let mut reader = BufReader::with_capacity(64 * 1024, source);
        let beginning = reader.fill_buf()?;
        // Old programs for the Mac end lines with a carriage return alone.
        let end = if beginning.contains(&b'\r') && !beginning.contains(&b'\n') { b'\r' } else { b'\n' };
        let (line, fields) = (Vec::new(), Fields::default());
        Ok(Ok(Self { reader, end, number: 0, line, separator: ',', fields, limit: LINE_BYTES, multiline: false }))
    }

    /// The first line that is not blank and no comment (`#`), as the header; it shows the separator. Comments are added to `comments`.
    pub(super) fn header(&mut self, comments: &mut Vec<String>) -> io::Result<Option<Line<'_>>> {
        let mut separator = None;
        loop {
            match self.read_text()? {
                None => return Ok(None),
                Some(Err(mistake)) => return Ok(Some((self.number, Err(mistake)))),
                Some(Ok(text)) if text.starts_with('#') && comments.len() < 100 => comments.push(text),
                // Spreadsheets write separators for an empty row.
                Some(Ok(text)) if text.chars().all(|c| ",;\t".contains(c)) => {}
                // Tells Excel the separator.
                Some(Ok(text)) if separator.is_none() && text.to_ascii_lowercase().starts_with("sep=") => separator = text.chars().nth(4),
                Some(Ok(text)) => {
                    self.separator = separator.unwrap_or_else(|| separator_of(&text));
                    break;
                }
            }
        }
        let split = self.fields.split(&self.line, self.separator);
        Ok(Some((self.number, split.map(|()| self.fields.all()).map_err(Broken::message))))
    }

    /// What separates the fields, by the header.
    pub(super) fn separator(&self) -> char {
        self.separator
    }

    /// Sets the maximum length of the rows.
    pub(super) fn limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// The next row that is not blank; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            self.line.clear();
            match self.read()? {
                None => return Ok(None),
                Some(false) => return Ok(Some((self.number, Err(format!("longer than {} bytes", self.limit))))),
                // Spreadsheets write separators for an empty row.
                Some(true) if self.line.iter().all(|byte| char::from(*byte) == self.separator) => {}
                Some(true) => break,
            }
        }
        let first = self.number;
        let mut split = self.fields.split(&self.line, self.separator);
        while self.multiline && split == Err(Broken::Open) {
            self.line.push(b'\n');
            match self.read()? {
                Some(true) => split = self.fields.split(&self.line, self.separator),
                _ => break,
            }
        }
        Ok(Some((first, split.map(|()| self.fields.all()).map_err(Broken::message))))
    }

    /// The number of bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.reader.get_ref().bytes()
    }

    /// The producer id of the whole file.
    pub(super) fn producer(self) -> io::Result<ProducerId> {
        self.reader.into_inner().producer()
    }

    /// The next line that is not blank, as text.
    fn read_text(&mut self) -> io::Result<Option<Result<String, String>>> {
        loop {
            self.line.clear();
            let Some(fits) = self.read()? else { return Ok(None) };
            if !fits {
                return Ok(Some(Err(format!("longer than {} bytes: this is no header", self.limit))));
            }
            if !self.line.is_empty() {
                return Ok(Some(str::from_utf8(&self.line).map(str::to_owned).map_err(|_| NOT_UTF8.into())));
            }
        }
    }

    /// Appends a line without its line break, and returns whether the row fits; `None` at the end of the file.
    fn read(&mut self) -> io::Result<Option<bool>> {
        let before = self.line.len();
        let mut fits = true;
        let mut read = 0;
        loop {
            let room = self.limit.saturating_sub(self.line.len()).max(1);
            let length = (&mut self.reader).take(room as u64).read_until(self.end, &mut self.line)?;
            read += length;
            if read == 0 {
                return Ok(None);
            }
            if length < room || self.line.ends_with(&[self.end]) {
                break;
            }
            fits = false;
            self.line.truncate(before);
        }
        self.number += 1;
        for end in [b'\n', b'\r'] {
            self.line.pop_if(|last| *last == end);
        }
        Ok(Some(fits))
    }
}

/// The separator that a header has most.
fn separator_of(header: &str) -> char {
    let count = |separator: char| header.chars().filter(|c| *c == separator).count();
    [';', '\t'].into_iter().fold(',', |most, other| if count(other) > count(most) { other } else { most })
}
