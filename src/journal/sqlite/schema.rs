//! The format of the file, and how values are kept in SQLite's columns.

use rusqlite::{Row, types::Type};

use crate::{
    domain::{
        correction::Note,
        producer::{Digest, Position, ProducerId, Seq},
    },
    journal::Confirmed,
};

/// The tables of an empty journal.
pub(super) const TABLES: &str = include_str!("schema.sql");
/// The latest corrections that the store had, by site and number; `note` is JSON. A file of an earlier program gets this table when
/// it is opened. That program does without it, so the format is the same.
pub(super) const CORRECTIONS: &str = "CREATE TABLE IF NOT EXISTS corrections (
    site TEXT, number INTEGER, producer TEXT NOT NULL, note TEXT NOT NULL, steps INTEGER NOT NULL, PRIMARY KEY (site, number)) STRICT, WITHOUT ROWID";
/// The version of these tables, in the file's `user_version`.
pub(super) const FORMAT: i64 = 2;
/// "trcj", which distinguishes this file from other SQLite databases.
pub(super) const APPLICATION_ID: i32 = i32::from_be_bytes(*b"trcj");
/// The size of a page of the file.
pub(super) const PAGE_BYTES: u32 = 4096;

/// Reads an entry's number from a column. A number out of range was not written by this program.
pub(super) fn read_seq(row: &Row<'_>, column: usize) -> rusqlite::Result<Seq> {
    let value = row.get::<_, i64>(column)?;
    Seq::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// An entry's number as a column holds it. Numbers of entries always fit; a caller can pass any number.
pub(super) fn seq_value(seq: Seq) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Reads a digest. SQLite's integers are signed, so a column holds the same 64 bits as a signed number.
pub(super) fn read_digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    Ok(Digest(row.get::<_, i64>(column)?.cast_unsigned()))
}

/// A digest as a column holds it.
pub(super) fn digest_value(digest: Digest) -> i64 {
    digest.0.cast_signed()
}

/// Reads the position of an entry from two columns.
pub(super) fn read_position(row: &Row<'_>, seq: usize, digest: usize) -> rusqlite::Result<Position> {
    Ok(Position { seq: read_seq(row, seq)?, digest: read_digest(row, digest)? })
}

/// Reads a producer's id, which a column holds as text.
pub(super) fn read_producer(row: &Row<'_>, column: usize) -> rusqlite::Result<ProducerId> {
    let text = row.get::<_, String>(column)?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// Reads what is kept of a correction.
pub(super) fn read_note(row: &Row<'_>, column: usize) -> rusqlite::Result<Note> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// Reads a producer and the last of its entries that the store includes, from two columns.
pub(super) fn read_confirmed(row: &Row<'_>, producer: usize, seq: usize) -> rusqlite::Result<Confirmed> {
    Ok(Confirmed { producer: read_producer(row, producer)?, seq: read_seq(row, seq)? })
}
