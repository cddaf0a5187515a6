//! Entry numbers in SQLite's columns, which hold signed 64-bit integers.

use rusqlite::Row;

use crate::domain::producer::Seq;

/// Reads an entry's number from a column. A number out of range was not written by this program.
pub(super) fn read_seq(row: &Row<'_>, column: usize) -> rusqlite::Result<Seq> {
    let value = row.get::<_, i64>(column)?;
    Seq::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// An entry's number as a column holds it. Numbers of entries always fit; a store can report any number.
pub(super) fn seq_value(seq: Seq) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
