//! Reads a file row by row, whatever its form.

use std::{fs::File, io};

use super::{
    forms::recognise,
    header::Header,
    lines::Lines,
    reading::{Format, Reading},
    row::{Form, Line},
};
use crate::domain::producer::ProducerId;

/// A line's number and what it adds, or all of its mistakes, one sentence each.
pub(super) type NumberedLine = (u64, Result<Line, Vec<String>>);

/// Why the rows of a file cannot be read.
#[derive(Debug)]
pub(super) enum OpenError {
    Unreadable(io::Error),
    /// The line of the header, and all of its mistakes.
    Header(u64, Vec<String>),
}

/// Reads a file from its beginning.
pub(super) struct Rows<'a> {
    lines: Lines<'a>,
    form: Box<dyn Form>,
    /// The file's form.
    pub(super) format: Format,
}

impl<'a> Rows<'a> {
    /// Reads the header.
    pub(super) fn open(file: &'a File, reading: &Reading) -> Result<Self, OpenError> {
        let lines = Lines::open(file).map_err(OpenError::Unreadable)?;
        let mut lines = lines.map_err(|what| OpenError::Header(1, vec![what]))?;
        let mut comments = Vec::new();
        let (line, header) = match lines.header(&mut comments).map_err(OpenError::Unreadable)? {
            None => return Err(OpenError::Header(1, vec!["the file is empty; its first line must be site,article,period,views".into()])),
            Some((line, Err(mistake))) => return Err(OpenError::Header(line, vec![mistake])),
            Some((line, Ok(names))) => (line, names.into_iter().map(str::to_owned).collect::<Vec<_>>()),
        };
        let names: Vec<&str> = header.iter().map(String::as_str).collect();
        let header = Header::new(&names, comments, lines.separator());
        let (format, form) = recognise(&header, reading).map_err(|mistakes| OpenError::Header(line, mistakes))?;
        lines.limit(form.row_bytes());
        lines.multiline = form.is_multiline();
        Ok(Self { lines, form, format })
    }

    /// The next row; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<NumberedLine>> {
        let Some((number, fields)) = self.lines.next()? else { return Ok(None) };
        Ok(Some((number, fields.map_err(|mistake| vec![mistake]).and_then(|fields| self.form.line(&fields)))))
    }

    /// What the operator should check of the columns.
    pub(super) fn note(&self) -> Option<String> {
        self.form.note()
    }

    /// Why a file has no rows, if that is a mistake.
    pub(super) fn without_rows(&self) -> Option<&'static str> {
        self.form.without_rows()
    }

    /// The number of the file's bytes that were read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.lines.bytes()
    }

    /// The producer id of the whole file.
    pub(super) fn producer(self) -> io::Result<ProducerId> {
        self.lines.producer()
    }
}
