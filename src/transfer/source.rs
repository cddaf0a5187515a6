//! The bytes of a file as UTF-8 text, whatever its compression and encoding; and what a file is that has no rows.

use std::{
    fs::File,
    io::{self, Read, Seek},
};

use flate2::read::MultiGzDecoder;

use super::producer::FileDigest;
use crate::domain::producer::ProducerId;

/// How much of the beginning shows what a file is.
const HEAD_BYTES: u64 = 4096;

/// How much of a file in UTF-16 is decoded at a time.
const UTF16_BYTES: usize = 16 * 1024;

/// The text of a file.
pub(super) struct Source<'a> {
    decoder: Decoder<'a>,
    /// The beginning, without a byte order mark.
    head: Vec<u8>,
    utf16: Option<Utf16>,
}

enum Decoder<'a> {
    Plain(Hashed<'a>),
    Gzip(Box<MultiGzDecoder<Hashed<'a>>>),
}

/// A file whose bytes are counted and hashed when they are read.
struct Hashed<'a> {
    file: &'a File,
    digest: FileDigest,
    bytes: u64,
}

/// A text in UTF-16 that is being decoded.
struct Utf16 {
    big_endian: bool,
    /// What is not decoded yet: less than a character, except while more is read.
    encoded: Vec<u8>,
    text: Vec<u8>,
    used: usize,
}

impl Read for Hashed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(into)?;
        self.digest.update(into.get(..length).unwrap_or_default());
        self.bytes += length as u64;
        Ok(length)
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(into),
            Self::Gzip(decoder) => decoder.read(into),
        }
    }
}

impl<'a> Source<'a> {
    /// Opens a file at its beginning. The inner error says what the file is, if it has no text with rows.
    pub(super) fn open(mut file: &'a File) -> io::Result<Result<Self, String>> {
        file.rewind()?;
        let mut magic = Vec::new();
        file.take(2).read_to_end(&mut magic)?;
        file.rewind()?;
        let hashed = Hashed { file, digest: FileDigest::new(), bytes: 0 };
        let mut decoder = if magic == [0x1f, 0x8b] { Decoder::Gzip(Box::new(MultiGzDecoder::new(hashed))) } else { Decoder::Plain(hashed) };
        let mut head = Vec::new();
        (&mut decoder).take(HEAD_BYTES).read_to_end(&mut head)?;
        let utf16 = match head.get(..2) {
            Some([0xff, 0xfe]) => Some(Utf16::new(false)),
            Some([0xfe, 0xff]) => Some(Utf16::new(true)),
            _ => None,
        };
        if utf16.is_none()
            && let Some(what) = no_rows(&head)
        {
            return Ok(Err(what.into()));
        }
        let mark = if utf16.is_some() { 2 } else { 3 * usize::from(head.starts_with("\u{feff}".as_bytes())) };
        head.drain(..mark);
        Ok(Ok(Self { decoder, head, utf16 }))
    }

    /// The number of the file's bytes that were read so far.
    pub(super) fn bytes(&self) -> u64 {
        match &self.decoder {
            Decoder::Plain(file) => file.bytes,
            Decoder::Gzip(decoder) => decoder.get_ref().bytes,
        }
    }

    /// The producer id of the whole file.
    pub(super) fn producer(self) -> io::Result<ProducerId> {
        let mut file = match self.decoder {
            Decoder::Plain(file) => file,
            Decoder::Gzip(decoder) => decoder.into_inner(),
        };
        io::copy(&mut file, &mut io::sink())?;
        Ok(file.digest.producer())
    }

    fn read_decompressed(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.head.is_empty() {
            return self.decoder.read(into);
        }
        let length = self.head.as_slice().read(into)?;
        self.head.drain(..length);
        Ok(length)
    }
}

impl Read for Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(mut utf16) = self.utf16.take() else { return self.read_decompressed(into) };
        let mut ended = false;
        while utf16.used == utf16.text.len() && !ended {
            let mut block = [0; UTF16_BYTES];
            let length = self.read_decompressed(&mut block)?;
            ended = length == 0;
            utf16.encoded.extend(block.get(..length).unwrap_or_default());
            utf16.decode(ended)?;
        }
        let length = utf16.text.get(utf16.used..).unwrap_or_default().read(into)?;
        utf16.used += length;
        self.utf16 = Some(utf16);
        Ok(length)
    }
}

impl Utf16 {
    fn new(big_endian: bool) -> Self {
        Self { big_endian, encoded: Vec::new(), text: Vec::new(), used: 0 }
    }

    /// Decodes all whole characters; `all` if nothing follows.
    fn decode(&mut self, all: bool) -> io::Result<()> {
        let unit = |pair: &[u8]| match *pair {
            [first, second] if self.big_endian => u16::from_be_bytes([first, second]),
            [first, second] => u16::from_le_bytes([first, second]),
            _ => 0,
        };
        let mut units: Vec<u16> = self.encoded.chunks_exact(2).map(unit).collect();
        if !all {
            // The other half of the character follows.
            units.pop_if(|last| (0xd800..0xdc00).contains(last));
        }
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "this is not valid UTF-16; save it as CSV UTF-8");
        self.encoded.drain(..2 * units.len());
        if all && !self.encoded.is_empty() {
            return Err(broken());
        }
        let text = char::decode_utf16(units).collect::<Result<String, _>>().map_err(|_| broken())?;
        (self.text, self.used) = (text.into_bytes(), 0);
        Ok(())
    }
}

/// What the newer export of GoatCounter is.
const GOATCOUNTER_JSON: &str = "this is GoatCounter's JSON export, which has visitors and not views: export CSV instead, or import the \
                                access logs of the web server";

/// What a file is, if its beginning shows that it is no text with rows, and what to do.
fn no_rows(head: &[u8]) -> Option<&'static str> {
    let contains = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
    let text = String::from_utf8_lossy(head).trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    let begins = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    if head.starts_with(b"PK\x03\x04") {
        return Some(if contains(b"[Content_Types].xml") || contains(b"xl/") || contains(b"_rels/") {
            "this is an Excel workbook: save it as CSV UTF-8"
        } else if contains(b"goatcounter") || contains(b"info.json") || contains(b"paths.jsonl") {
            GOATCOUNTER_JSON
        } else if contains(b"imported_") {
            "this is the archive of Plausible's export: unpack it, and import imported_visitors_….csv and imported_pages_….csv"
        } else if contains(b"browser_versions.csv") || contains(b"utm_mediums.csv") {
            "this is the archive of Plausible's dashboard, which has only a part of the pages and no days for them: \
             export the data in the site settings, Imports & Exports"
        } else if contains(b"events.csv") {
            "this seems to be Umami's export: it counts visitors and not views, of one period without days; \
             export views by a query on its database (see docs/import-export.md)"
        } else {
            "this is a ZIP archive: unpack it, and import the files that it has"
        });
    }
    if text.starts_with('{') && (contains(b"\"path_id\"") || contains(b"\"goatcounter_version\"")) {
        return Some(GOATCOUNTER_JSON);
    }
    if head.starts_with(b"\xd0\xcf\x11\xe0") {
        return Some("this is an old Excel workbook: save it as CSV UTF-8");
    }
    if head.starts_with(b"SQLite format 3\0") {
        return Some("this is a database of SQLite: truycap restore takes a backup of truycap; of others, export rows as CSV");
    }
    if begins(&["<!doctype html", "<html", "<head", "<?xml", "<table"]) {
        return Some("this is a page (HTML or XML), perhaps of a login that was needed: download the file again");
    }
    if begins(&["-- ", "--\n", "--\r", "/*", "insert into", "create table", "drop table", "set names", "set sql_mode", "pgdmp"]) {
        return Some(
            "this is a dump of a database (SQL): load it into a database, and export rows with the columns site,article,period,views",
        );
    }
    if begins(&["%pdf-"]) {
        return Some("this is a PDF file: export CSV instead");
    }
    head.contains(&0).then_some("this is no text, or text in UTF-16 without a byte order mark: save it as CSV UTF-8")
}
