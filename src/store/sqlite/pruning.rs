//! Deletes expired article buckets, a few rows with each commit.
//!
//! Deleting is not urgent, because reads skip expired rows. So that no commit waits for it, one commit examines or
//! deletes a bounded number of rows. Each site is scanned once per UTC day.

use std::collections::HashMap;

use chrono::NaiveDate;
use rusqlite::{Connection, OptionalExtension};

use crate::domain::{period::Bucket, retention::Expiry, site::SiteId};

/// The most rows that one commit examines or deletes.
const ROWS_PER_COMMIT: usize = 5000;

/// How far each site has been scanned.
#[derive(Debug, Default)]
pub(super) struct Pruner(HashMap<SiteId, Progress>);

/// Where the next scan of a site continues.
#[derive(Debug)]
struct Progress {
    day: NaiveDate,
    /// Buckets up to and including this one are done. Buckets are scanned in the order of their text.
    after: String,
    done: bool,
}

impl Pruner {
    /// Deletes some of the expired rows of these sites.
    ///
    /// If the transaction is rolled back afterwards, the rows stay until the site's next day. Reads skip them meanwhile.
    pub(super) fn prune<'a>(&mut self, conn: &Connection, sites: impl Iterator<Item = (&'a SiteId, Expiry)>) -> rusqlite::Result<()> {
        let mut budget = ROWS_PER_COMMIT;
        for (site, expiry) in sites {
            let start = || Progress { day: expiry.today, after: String::new(), done: false };
            let progress = match self.0.get_mut(site) {
                Some(progress) => progress,
                None => self.0.entry(site.clone()).or_insert_with(start),
            };
            if progress.day != expiry.today {
                *progress = start();
            }
            while !progress.done && budget > 0 {
                // Set before the step, so that a step that fails is not repeated with every commit.
                progress.done = true;
                let (cost, done) = step(conn, expiry, site, &mut progress.after, budget)?;
                (budget, progress.done) = (budget - cost, done);
            }
        }
        Ok(())
    }
}

/// Examines the site's next bucket and, if it has expired, deletes up to `budget` rows of it.
///
/// Returns its cost, 1 to `budget`, and whether the site is done.
fn step(conn: &Connection, expiry: Expiry, site: &SiteId, after: &mut String, budget: usize) -> rusqlite::Result<(usize, bool)> {
    let next: Option<String> = conn
        .prepare_cached("SELECT bucket FROM views WHERE site = ?1 AND bucket > ?2 ORDER BY bucket LIMIT 1")?
        .query_row((site.as_str(), after.as_str()), |row| row.get(0))
        .optional()?;
    let Some(name) = next else { return Ok((1, true)) };
    let expired = name.parse().is_ok_and(|bucket: Bucket| expiry.is_expired(bucket));
    let deleted = if expired { delete(conn, site, &name, budget)? } else { 0 };
    // If the budget is used up, this bucket can have more rows.
    if deleted < budget {
        *after = name;
    }
    Ok((deleted.max(1), false))
}

/// Deletes rows of articles. The site's own row, whose article is '', stays.
fn delete(conn: &Connection, site: &SiteId, bucket: &str, limit: usize) -> rusqlite::Result<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    conn.prepare_cached(
        "DELETE FROM views WHERE site = ?1 AND bucket = ?2 AND article IN
             (SELECT article FROM views WHERE site = ?1 AND bucket = ?2 AND article > '' ORDER BY article LIMIT ?3)",
    )?
    .execute((site.as_str(), bucket, limit))
}
