//! The lines of a CSV file: numbered, hashed, split into fields.
//!
//! A row is one line, because a field cannot hold a line break. So an unclosed quote spoils one line and not the rest of the
//! file, and every mistake has its own line.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use super::producer::FileDigest;
use crate::domain::producer::ProducerId;

/// The maximum length of a line; the longest valid row is less than half as long.
const MAX_LINE_BYTES: usize = 4096;

/// More fields than any header has.
const MAX_FIELDS: usize = 16;

/// A line's number, counted from 1, and its fields, or the mistake.
pub(super) type Line<'a> = (u64, Result<Vec<&'a str>, String>);

/// Reads a file from its beginning.
pub(super) struct Lines<'a> {
    reader: BufReader<&'a File>,
    digest: FileDigest,
    bytes: u64,
    number: u64,
    line: Vec<u8>,
    parser: Reader,
    text: Vec<u8>,
    ends: [usize; MAX_FIELDS],
}

impl<'a> Lines<'a> {
    pub(super) fn new(mut file: &'a File) -> io::Result<Self> {
        file.rewind()?;
        Ok(Self {
            reader: BufReader::with_capacity(64 * 1024, file),
            digest: FileDigest::new(),
            bytes: 0,
            number: 0,
            line: Vec::new(),
            parser: ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build(),
            text: Vec::new(),
            ends: [0; MAX_FIELDS],
        })
    }

    /// The next line that is not blank; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            let Some(fits) = self.read()? else { return Ok(None) };
            if !fits {
                return Ok(Some((self.number, Err(format!("longer than {MAX_LINE_BYTES} bytes")))));
            }
            if !self.line.is_empty() {
                break;
            }
        }
        self.line.push(b'\n');
        Ok(Some((self.number, self.fields())))
    }

    /// The number of bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The producer id of the bytes read so far.
    pub(super) fn producer(self) -> ProducerId {
        self.digest.producer()
    }

    /// Reads a line without its line break, and returns whether it fits; `None` at the end of the file.
    fn read(&mut self) -> io::Result<Option<bool>> {
        let mut pieces = 0;
        loop {
            self.line.clear();
            let length = (&mut self.reader).take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut self.line)?;
            if length == 0 && pieces == 0 {
                return Ok(None);
            }
            self.digest.update(&self.line);
            self.bytes += length as u64;
            if length < MAX_LINE_BYTES || self.line.ends_with(b"\n") {
                break;
            }
            pieces += 1;
        }
        self.number += 1;
        for end in [b'\n', b'\r'] {
            self.line.pop_if(|last| *last == end);
        }
        Ok(Some(pieces == 0))
    }

    fn fields(&mut self) -> Result<Vec<&str>, String> {
        // The previous line can have ended within quotes. The reset also makes the parser skip a byte order mark.
        self.parser.reset();
        self.text.resize(self.line.len(), 0);
        let (result, _, _, count) = self.parser.read_record(&self.line, &mut self.text, &mut self.ends);
        match result {
            ReadRecordResult::Record => {}
            ReadRecordResult::OutputEndsFull => return Err(format!("more than {MAX_FIELDS} fields")),
            // The parser took the line break for a part of the field.
            _ => return Err("a quoted field is not closed on its line".into()),
        }
        let mut start = 0;
        let fields = self.ends.iter().take(count).map(|&end| {
            let field = self.text.get(start..end).unwrap_or_default();
            start = end;
            str::from_utf8(field).map_err(|_| "not UTF-8".to_owned())
        });
        fields.collect()
    }
}
