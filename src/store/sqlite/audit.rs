//! The audit list of a site, and the changes that are kept of the latest corrections.

use rusqlite::{Connection, OptionalExtension, Row, types::Type};

use super::{
    errors::ReadError,
    site::{SiteRow, number},
};
use crate::{
    domain::{
        correction::{AuditEntry, Change, KEPT_CHANGES, decode, totals},
        producer::{ProducerId, Seq},
        site::SiteId,
    },
    store::{Step, StoreError},
};

const ENTRY: &str = "number, producer, note, steps, site_views, article_views, undone_by";

/// The most steps whose changes are deleted at once. Each has up to about 20 KiB.
const STEPS: u64 = 100;

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let note = serde_json::from_str(row.get_ref(2)?.as_str()?);
    Ok(AuditEntry {
        number: number(row, 0)?,
        producer: ProducerId(u128::from_be_bytes(row.get(1)?)),
        note: note.map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, Type::Text, Box::new(error)))?,
        steps: number(row, 3)?,
        site_views: row.get(4)?,
        article_views: row.get(5)?,
        undone_by: row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned),
    })
}

/// See [`Store::audit`](crate::store::Store::audit).
pub(super) fn audit(conn: &Connection, site: &SiteId, after: u64) -> Result<Vec<AuditEntry>, ReadError> {
    let tx = conn.unchecked_transaction()?;
    let Some(row) = SiteRow::read(&tx, site)? else { return Ok(Vec::new()) };
    Ok(entries(&tx, row.id, after)?)
}

/// The same by the id of the site.
pub(super) fn entries(conn: &Connection, site: i64, after: u64) -> rusqlite::Result<Vec<AuditEntry>> {
    let sql = format!("SELECT {ENTRY} FROM corrections WHERE site = ?1 AND number > ?2 ORDER BY number");
    conn.prepare_cached(&sql)?.query_map((site, after.try_into().unwrap_or(i64::MAX)), entry)?.collect()
}

/// The number of the latest correction of a site; 0 if there is none.
fn latest(conn: &Connection, site: i64) -> rusqlite::Result<u64> {
    conn.prepare_cached("SELECT ifnull(max(number), 0) FROM corrections WHERE site = ?1")?.query_row([site], |row| number(row, 0))
}

/// See [`Store::changes`](crate::store::Store::changes).
pub(super) fn changes(conn: &Connection, site: &SiteId, correction: u64, step: Seq) -> Result<Option<Vec<Change>>, ReadError> {
    let tx = conn.unchecked_transaction()?;
    let Some(row) = SiteRow::read(&tx, site)? else { return Ok(None) };
    if correction.saturating_add(KEPT_CHANGES) <= latest(&tx, row.id)? {
        return Ok(None);
    }
    let mut query = tx.prepare_cached("SELECT changes FROM changes WHERE site = ?1 AND number = ?2 AND step = ?3")?;
    let mut found = query.query((row.id, correction.cast_signed(), step.cast_signed()))?;
    let Some(next) = found.next()? else { return Ok(None) };
    Ok(Some(kept(site, correction, step, next.get_ref(0)?.as_blob()?)?))
}

/// Reads the changes of a step.
fn kept(site: &SiteId, correction: u64, step: Seq, bytes: &[u8]) -> Result<Vec<Change>, StoreError> {
    let error = |error| StoreError::Corrupt(format!("step {step} of correction {correction} of site {site}: {error}"));
    decode(bytes).map_err(error)
}

/// The correction of a producer.
#[derive(Debug)]
pub(super) struct Own {
    number: u64,
    entry: Option<AuditEntry>,
}

impl Own {
    /// The correction that a step belongs to. It has no entry yet if this is its first step.
    pub(super) fn read(conn: &Connection, site: i64, step: &Step) -> rusqlite::Result<Self> {
        let sql = format!("SELECT {ENTRY} FROM corrections WHERE site = ?1 AND producer = ?2");
        let entry = conn.prepare_cached(&sql)?.query_row((site, step.producer.0.to_be_bytes()), entry).optional()?;
        let number = entry.as_ref().map_or_else(|| Ok(latest(conn, site)? + 1), |entry| Ok::<_, rusqlite::Error>(entry.number))?;
        Ok(Self { number, entry })
    }

    /// The correction that the step takes back. Only an earlier one can be.
    fn target(&self, step: &Step) -> Option<u64> {
        step.note.undoes.filter(|target| *target < self.number)
    }

    /// Adds the step to the audit list, and keeps its changes. Returns the number of the correction.
    pub(super) fn write(self, conn: &Connection, site: i64, step: &Step, kept: &[u8]) -> Result<u64, ReadError> {
        let (site_views, article_views) = totals(&step.changes);
        let id = self.number.cast_signed();
        let steps = if let Some(entry) = &self.entry {
            let sums = (entry.site_views.saturating_add(site_views), entry.article_views.saturating_add(article_views));
            let steps = entry.steps.saturating_add(1);
            conn.prepare_cached("UPDATE corrections SET steps = ?3, site_views = ?4, article_views = ?5 WHERE site = ?1 AND number = ?2")?
                .execute((site, id, steps.cast_signed(), sums.0, sums.1))?;
            steps
        } else {
            let producer = step.producer;
            let entry =
                AuditEntry { number: self.number, producer, note: step.note.clone(), steps: 1, site_views, article_views, undone_by: None };
            insert(conn, site, &entry)?;
            1
        };
        insert_changes(conn, site, self.number, steps, kept)?;
        if let Some(target) = self.target(step) {
            conn.prepare_cached("UPDATE corrections SET undone_by = ?3 WHERE site = ?1 AND number = ?2")?.execute((
                site,
                target.cast_signed(),
                id,
            ))?;
        }
        Ok(self.number)
    }
}

/// Adds an entry to the audit list.
pub(super) fn insert(conn: &Connection, site: i64, entry: &AuditEntry) -> Result<(), ReadError> {
    let note = serde_json::to_string(&entry.note).map_err(|error| StoreError::NotApplied(error.to_string()))?;
    conn.prepare_cached("INSERT OR REPLACE INTO corrections VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute((
        site,
        entry.number.cast_signed(),
        entry.producer.0.to_be_bytes(),
        note,
        entry.steps.cast_signed(),
        entry.site_views,
        entry.article_views,
        entry.undone_by.map(u64::cast_signed),
    ))?;
    Ok(())
}

/// Keeps the changes of a step.
pub(super) fn insert_changes(conn: &Connection, site: i64, correction: u64, step: Seq, kept: &[u8]) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO changes VALUES (?1, ?2, ?3, ?4)")?
        .execute((site, correction.cast_signed(), step.cast_signed(), kept))
        .map(drop)
}

/// The number of the correction that has taken back the one of a step, or the one that the step would take back.
pub(super) fn undone_by(conn: &Connection, site: i64, own: &Own, step: &Step) -> rusqlite::Result<Option<u64>> {
    if let Some(by) = own.entry.as_ref().and_then(|entry| entry.undone_by) {
        return Ok(Some(by));
    }
    let Some(target) = own.target(step) else { return Ok(None) };
    let by = conn
        .prepare_cached("SELECT undone_by FROM corrections WHERE site = ?1 AND number = ?2 AND undone_by IS NOT NULL")?
        .query_row((site, target.cast_signed()), |row| number(row, 0))
        .optional()?;
    Ok(by.filter(|by| *by != own.number))
}

/// Deletes changes that are not kept any more. Returns whether there are more.
pub(super) fn delete_changes(conn: &Connection, site: i64) -> rusqlite::Result<bool> {
    let Some(upto) = latest(conn, site)?.checked_sub(KEPT_CHANGES) else { return Ok(false) };
    let deleted = conn
        .prepare_cached(
            "DELETE FROM changes WHERE rowid IN (SELECT rowid FROM changes WHERE site = ?1 AND number <= ?2 ORDER BY number LIMIT ?3)",
        )?
        .execute((site, upto.cast_signed(), STEPS.cast_signed()))?;
    Ok(deleted as u64 == STEPS)
}

/// Compares the audit list with the changes that are kept, and with the offsets.
pub(super) fn verify(conn: &Connection, site: &SiteId, id: i64) -> Result<(), ReadError> {
    let entries = entries(conn, id, 0)?;
    let corrupt = |what: String| ReadError::from(StoreError::Corrupt(format!("the audit list of site {site} {what}")));
    let mut sums = conn.prepare("SELECT step, changes FROM changes WHERE site = ?1 AND number = ?2 ORDER BY step")?;
    let mut offset = conn.prepare("SELECT 1 FROM offsets WHERE site = ?1 AND producer = ?2")?;
    for (entry, number) in entries.iter().zip(1..) {
        if entry.number != number {
            return Err(corrupt(format!("has no correction {number}")));
        }
        if !offset.exists((id, entry.producer.0.to_be_bytes()))? {
            return Err(corrupt(format!("has the correction {number}, whose producer has no offset")));
        }
        if number + KEPT_CHANGES <= entries.len() as u64 {
            continue;
        }
        let (mut steps, mut site_views, mut article_views) = (0, 0_i64, 0_i64);
        let mut rows = sums.query((id, number.cast_signed()))?;
        while let Some(row) = rows.next()? {
            steps += 1;
            let changes = kept(site, number, steps, row.get_ref(1)?.as_blob()?)?;
            let (of_site, of_articles) = totals(&changes);
            (site_views, article_views) = (site_views.saturating_add(of_site), article_views.saturating_add(of_articles));
        }
        // An operator can have deleted what Redis kept of a correction, whose backup this is.
        if steps > 0 && (steps, site_views, article_views) != (entry.steps, entry.site_views, entry.article_views) {
            return Err(corrupt(format!("has other sums of correction {number} than its changes")));
        }
    }
    Ok(())
}
