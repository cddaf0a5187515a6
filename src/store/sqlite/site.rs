//! The row of a site: its revision, how many articles it has, and the time that the store trusts.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{
    domain::{producer::Digest, retention::TrustedTime, site::SiteId},
    store::Revision,
};

/// The row of a site.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct SiteRow {
    pub(in crate::store) id: i64,
    pub(in crate::store) revision: Revision,
    pub(in crate::store) articles: u64,
    pub(in crate::store) time: Option<TrustedTime>,
}

impl SiteRow {
    pub(super) fn read(conn: &Connection, site: &SiteId) -> rusqlite::Result<Option<Self>> {
        conn.prepare_cached("SELECT id, revision, digest, articles, latest, ahead_since, ahead_last FROM sites WHERE name = ?1")?
            .query_row([site.as_str()], Self::from_row)
            .optional()
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let time = match time(row, 4)? {
            Some(latest) => Some(TrustedTime { latest, ahead: time(row, 5)?.zip(time(row, 6)?) }),
            None => None,
        };
        let revision = Revision { number: number(row, 1)?, digest: Digest(row.get::<_, i64>(2)?.cast_unsigned()) };
        Ok(Self { id: row.get(0)?, revision, articles: number(row, 3)?, time })
    }

    /// The row of a site, which is made if it does not exist.
    pub(super) fn read_or_make(conn: &Connection, site: &SiteId) -> rusqlite::Result<Self> {
        if let Some(row) = Self::read(conn, site)? {
            return Ok(row);
        }
        conn.prepare_cached("INSERT INTO sites(name, revision, digest, articles) VALUES (?1, 0, 0, 0)")?.execute([site.as_str()])?;
        Ok(Self { id: conn.last_insert_rowid(), revision: Revision::default(), articles: 0, time: None })
    }

    pub(super) fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        let (latest, ahead) = (self.time.map(|time| time.latest.timestamp()), self.time.and_then(|time| time.ahead));
        conn.prepare_cached(
            "UPDATE sites SET revision = ?2, digest = ?3, articles = ?4, latest = ?5, ahead_since = ?6, ahead_last = ?7 WHERE id = ?1",
        )?
        .execute((
            self.id,
            self.revision.number.cast_signed(),
            self.revision.digest.0.cast_signed(),
            self.articles.cast_signed(),
            latest,
            ahead.map(|(since, _)| since.timestamp()),
            ahead.map(|(_, last)| last.timestamp()),
        ))
        .map(drop)
    }
}

/// Reads a number that is never negative.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    number.try_into().map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let Some(seconds) = row.get::<_, Option<i64>>(column)? else { return Ok(None) };
    DateTime::from_timestamp(seconds, 0).map(Some).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, seconds))
}
