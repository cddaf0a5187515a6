//! The lines of a log: decompressed, numbered and hashed.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    rc::Rc,
};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use crate::domain::producer::{Digest, Position};

/// The longest line that is read. Servers limit the head of a request to some 32 KiB, and an escape has four bytes.
const MAX_LINE: usize = 256 << 10;

/// How much is looked at before anything is counted: lines, and bytes.
const HEAD: (usize, usize) = (1000, 1 << 20);

const BUFFER: usize = 64 << 10;

/// The beginnings of compressed files, and what decompresses them.
const COMPRESSED: [(&[u8], &str); 4] =
    [(b"BZh", "bzcat"), (b"\xfd7zXZ\0", "xzcat"), (b"\x28\xb5\x2f\xfd", "zstdcat"), (b"PK\x03\x04", "unzip -p")];

/// Reads a log from its beginning.
pub(super) struct Lines {
    reader: Box<dyn BufRead>,
    read: Rc<Cell<u64>>,
    digest: Sha256,
    bytes: u64,
    number: u64,
    line: Vec<u8>,
    /// Whether the log ends within a line.
    unfinished: bool,
}

/// A line without its end, and its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbered<'a> {
    pub(super) number: u64,
    /// `None` if it is too long.
    pub(super) text: Option<&'a [u8]>,
}

impl Lines {
    /// Opens a file, which is decompressed if it is a gzip file, and returns its first complete lines too.
    ///
    /// The last part of the result is whether these and perhaps the beginning of the next line are all that it has.
    pub(super) fn open(file: File) -> io::Result<(Self, Vec<u8>, bool)> {
        let read = Rc::new(Cell::new(0));
        let mut file = BufReader::with_capacity(BUFFER, CountedReader { file, read: Rc::clone(&read) });
        let mut start = Vec::new();
        (&mut file).take(6).read_to_end(&mut start)?;
        if let Some((_, program)) = COMPRESSED.iter().find(|(magic, _)| start.starts_with(magic)) {
            return Err(io::Error::other(format!("it is compressed; decompress it: {program} FILE | truycap import … -")));
        }
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            return Err(io::Error::other(
                "it is UTF-16; servers write logs in UTF-8, so save the original again, or convert it with iconv",
            ));
        }
        let is_gzip = start.starts_with(b"\x1f\x8b");
        let file = Cursor::new(start).chain(file);
        let mut reader: Box<dyn BufRead> =
            if is_gzip { Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file))) } else { Box::new(file) };
        let (mut head, mut broken) = (Vec::new(), Broken(None));
        let is_all = read_head(&mut reader, &mut head).or_else(|error| broken.after(&head, error))?;
        let complete = head.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let head_again = Cursor::new(head.clone());
        let reader: Box<dyn BufRead> =
            if broken.0.is_some() { Box::new(BufReader::new(head_again.chain(broken))) } else { Box::new(head_again.chain(reader)) };
        let lines = Self { reader, read, digest: Sha256::new(), bytes: 0, number: 0, line: Vec::new(), unfinished: false };
        Ok((lines, head.get(..complete).unwrap_or_default().to_vec(), is_all))
    }

    /// The next complete line; `None` at the end, and before a line that is not complete yet.
    pub(super) fn next(&mut self) -> io::Result<Option<Numbered<'_>>> {
        self.line.clear();
        let (mut whole, mut length) = (Sha256::clone(&self.digest), 0);
        let mut fits = true;
        loop {
            let from = self.line.len();
            let piece = (&mut self.reader).take(MAX_LINE as u64).read_until(b'\n', &mut self.line)?;
            whole.update(&self.line[from..]);
            length += piece as u64;
            if self.line.ends_with(b"\n") {
                break;
            }
            if piece < MAX_LINE {
                self.unfinished = length > 0;
                return Ok(None);
            }
            fits = false;
            self.line.clear();
        }
        self.digest = whole;
        self.bytes += length;
        self.number += 1;
        let text = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Ok(Some(Numbered { number: self.number, text: fits.then_some(text) }))
    }

    /// How many decompressed bytes were read up to the end of the last line.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The same with their digest.
    pub(super) fn position(&self) -> Position {
        if self.bytes == 0 {
            return Position::START;
        }
        let digest = self.digest.clone().finalize().iter().take(8).fold(0, |digest, &byte| digest << 8 | u64::from(byte));
        Position { seq: self.bytes, digest: Digest(digest) }
    }

    /// How many lines were read.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes of the file were read.
    pub(super) fn file_bytes(&self) -> u64 {
        self.read.get()
    }

    /// Whether the end of the log was reached within a line.
    pub(super) fn unfinished(&self) -> bool {
        self.unfinished
    }
}

/// Reads the first lines, and perhaps the beginning of the next; and whether that is all.
fn read_head(reader: &mut dyn BufRead, head: &mut Vec<u8>) -> io::Result<bool> {
    for _ in 0..HEAD.0 {
        let room = HEAD.1.saturating_sub(head.len()) as u64;
        if reader.take(room).read_until(b'\n', head)? == 0 || head.last() != Some(&b'\n') {
            // Lines that end with a carriage return alone are never complete.
            return Ok(head.len() < HEAD.1 && (head.contains(&b'\n') || !head.contains(&b'\r')));
        }
    }
    Ok(false)
}

/// Where a log cannot be read any further.
struct Broken(Option<io::Error>);

impl Broken {
    /// Keeps an error until what was read before it is used; fails if that is nothing.
    fn after(&mut self, head: &[u8], error: io::Error) -> io::Result<bool> {
        if head.is_empty() {
            return Err(error);
        }
        self.0 = Some(error);
        Ok(false)
    }
}

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

struct CountedReader {
    file: File,
    read: Rc<Cell<u64>>,
}

impl Read for CountedReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(into)?;
        self.read.set(self.read.get() + length as u64);
        Ok(length)
    }
}
