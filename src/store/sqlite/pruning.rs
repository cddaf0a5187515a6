//! Deleting the article buckets whose time is over, a little with each commit.
//!
//! Readers do not see such rows anyhow, so it is not urgent, and no commit is held up by it: one commit looks at, or
//! deletes, a bounded number of rows. Each site is gone through once in a UTC day.

use std::collections::HashMap;

use chrono::NaiveDate;
use rusqlite::{Connection, OptionalExtension};

use super::Expiry;
use crate::domain::{period::Bucket, site::SiteId};

/// The most rows that one commit looks at or deletes.
const PORTION: usize = 5000;

/// How far each site has been gone through.
#[derive(Debug, Default)]
pub(super) struct Pruning(HashMap<SiteId, Progress>);

/// Where the next portion of a site goes on.
#[derive(Debug)]
struct Progress {
    day: NaiveDate,
    /// Buckets up to this one are done; they are gone through in the order of their text.
    after: String,
    done: bool,
}

impl Pruning {
    /// Deletes a portion of what has expired in these sites.
    ///
    /// Where the transaction is rolled back after all, the rows stay until the site's next day: nobody sees them.
    pub(super) fn prune<'a>(&mut self, conn: &Connection, sites: impl Iterator<Item = (&'a SiteId, Expiry)>) -> rusqlite::Result<()> {
        let mut budget = PORTION;
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
                // Done unless told otherwise: what fails is not tried with every commit.
                progress.done = true;
                let (cost, done) = step(conn, expiry, site, &mut progress.after, budget)?;
                (budget, progress.done) = (budget - cost, done);
            }
        }
        Ok(())
    }
}

/// Looks at the site's next bucket, and where it has expired deletes up to `budget` rows of it.
///
/// Answers with its cost, 1 to `budget`, and whether the site is done.
fn step(conn: &Connection, expiry: Expiry, site: &SiteId, after: &mut String, budget: usize) -> rusqlite::Result<(usize, bool)> {
    let next: Option<String> = conn
        .prepare_cached("SELECT bucket FROM views WHERE site = ?1 AND bucket > ?2 ORDER BY bucket LIMIT 1")?
        .query_row((site.as_str(), after.as_str()), |row| row.get(0))
        .optional()?;
    let Some(name) = next else { return Ok((1, true)) };
    let expired = name.parse().is_ok_and(|bucket: Bucket| expiry.gone(bucket));
    let deleted = if expired { delete(conn, site, &name, budget)? } else { 0 };
    // Where the budget was used up, more rows may be left in this bucket.
    if deleted < budget {
        *after = name;
    }
    Ok((deleted.max(1), false))
}

/// Deletes rows of articles; the site's own row, whose article is '', stays.
fn delete(conn: &Connection, site: &SiteId, bucket: &str, limit: usize) -> rusqlite::Result<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    conn.prepare_cached(
        "DELETE FROM views WHERE site = ?1 AND bucket = ?2 AND article IN
             (SELECT article FROM views WHERE site = ?1 AND bucket = ?2 AND article > '' ORDER BY article LIMIT ?3)",
    )?
    .execute((site.as_str(), bucket, limit))
}
