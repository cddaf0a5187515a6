//! The most-read lists, as applies and builds keep them.
//!
//! A list is the exact top of its bucket: an article outside has fewer views than the last row, or as many and a greater id. A
//! count that grows keeps it so if the article enters whenever its new count beats the last row. If a count shrinks, articles
//! outside can be the next ones: such a list lacks articles until it is built again. Its rows always have the true counts.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use crate::store::{LIST_LEAST, LIST_MOST};

/// How many lists' ends are remembered for a site.
const MAX_ENDS: usize = 1000;

/// A list: the section's id, or 0 for the whole site, and the bucket's text.
pub(super) type ListKey = (i64, String);

/// The length of a list and its last row.
#[derive(Clone, Debug, Default)]
struct End {
    rows: usize,
    /// Views, below 0, and the article.
    last: Option<(i64, String)>,
}

/// The ends of a site's lists. They are valid only while nothing else writes to the lists.
#[derive(Debug, Default)]
pub(super) struct Lists(HashMap<ListKey, End>);

/// A change of one article's count in one bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) article: &'a str,
    pub(super) before: u64,
    pub(super) after: u64,
}

impl Lists {
    /// Takes a new count into a list, if it belongs there.
    pub(super) fn update(&mut self, conn: &Connection, site: i64, list: &ListKey, change: Change<'_>) -> rusqlite::Result<()> {
        if !self.0.contains_key(list) {
            if self.0.len() >= MAX_ENDS {
                self.0.clear();
            }
            self.0.insert(list.clone(), End::read(conn, site, list)?);
        }
        let Some(end) = self.0.get_mut(list) else { return Ok(()) };
        let (before, after) = (less(change.before), less(change.after));
        if !end.takes(after, change.article) {
            return Ok(());
        }
        let mut moved_last = false;
        if before < 0 && before != after {
            let deleted = conn
                .prepare_cached("DELETE FROM top WHERE site = ?1 AND section = ?2 AND bucket = ?3 AND less = ?4 AND article = ?5")?
                .execute((site, list.0, &list.1, before, change.article))?;
            end.rows -= deleted.min(end.rows);
            moved_last = deleted > 0 && end.last.as_ref().is_some_and(|(less, article)| *less == before && article == change.article);
        }
        end.rows += conn.prepare_cached("INSERT OR IGNORE INTO top VALUES (?1, ?2, ?3, ?4, ?5)")?.execute((
            site,
            list.0,
            &list.1,
            after,
            change.article,
        ))?;
        if end.rows > LIST_MOST {
            cut(conn, site, list)?;
            *end = End::read(conn, site, list)?;
        } else if moved_last {
            end.last = End::last(conn, site, list)?;
        } else if end.last.as_ref().is_none_or(|(less, article)| (after, change.article) > (*less, article.as_str())) {
            end.last = Some((after, change.article.into()));
        }
        Ok(())
    }
}

impl Lists {
    /// Takes a new count that is smaller than before into a list. Returns whether the list lacks articles now.
    pub(super) fn shrink(&mut self, conn: &Connection, site: i64, list: &ListKey, change: Change<'_>) -> rusqlite::Result<bool> {
        let deleted = conn
            .prepare_cached("DELETE FROM top WHERE site = ?1 AND section = ?2 AND bucket = ?3 AND less = ?4 AND article = ?5")?
            .execute((site, list.0, &list.1, less(change.before), change.article))?;
        if deleted == 0 {
            return Ok(false);
        }
        self.0.remove(list);
        let rest = End::read(conn, site, list)?;
        // It had all articles of its bucket, or the last row still has more views than all outside.
        let is_next = rest.rows + deleted < LIST_LEAST || rest.beats(less(change.after), change.article);
        let lacks = !is_next && rest.rows < LIST_LEAST;
        if change.after > 0 && (is_next || lacks) {
            conn.prepare_cached("INSERT INTO top VALUES (?1, ?2, ?3, ?4, ?5)")?.execute((
                site,
                list.0,
                &list.1,
                less(change.after),
                change.article,
            ))?;
        }
        Ok(lacks)
    }
}

/// Notes that a list lacks articles: all of its bucket must be merged into it, from the first one.
pub(super) fn mark_lacking(conn: &Connection, site: i64, list: &ListKey) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO lacking VALUES (?1, ?2, ?3, '')")?.execute((site, list.0, &list.1)).map(drop)
}

/// Whether a list lacks articles.
pub(super) fn is_lacking(conn: &Connection, site: i64, list: &ListKey) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM lacking WHERE site = ?1 AND section = ?2 AND bucket = ?3")?.exists((site, list.0, &list.1))
}

impl End {
    fn read(conn: &Connection, site: i64, list: &ListKey) -> rusqlite::Result<Self> {
        let rows = conn
            .prepare_cached("SELECT count(*) FROM top WHERE site = ?1 AND section = ?2 AND bucket = ?3")?
            .query_row((site, list.0, &list.1), |row| row.get::<_, u32>(0))?;
        Ok(Self { rows: rows as usize, last: Self::last(conn, site, list)? })
    }

    fn last(conn: &Connection, site: i64, list: &ListKey) -> rusqlite::Result<Option<(i64, String)>> {
        conn.prepare_cached(
            "SELECT less, article FROM top WHERE site = ?1 AND section = ?2 AND bucket = ?3 ORDER BY less DESC, article DESC LIMIT 1",
        )?
        .query_row((site, list.0, &list.1), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
    }

    /// Whether a count belongs into the list. A list with fewer rows than the least has all articles of its bucket.
    fn takes(&self, less: i64, article: &str) -> bool {
        self.rows < LIST_LEAST || self.beats(less, article)
    }

    fn beats(&self, less: i64, article: &str) -> bool {
        self.last.as_ref().is_none_or(|(last, id)| (less, article) <= (*last, id.as_str()))
    }
}

/// Cuts a list to [`LIST_LEAST`] rows.
fn cut(conn: &Connection, site: i64, list: &ListKey) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "DELETE FROM top WHERE site = ?1 AND section = ?2 AND bucket = ?3 AND (less, article) > (SELECT less, article FROM top
             WHERE site = ?1 AND section = ?2 AND bucket = ?3 ORDER BY less, article LIMIT 1 OFFSET ?4)",
    )?
    .execute((site, list.0, &list.1, u32::try_from(LIST_LEAST - 1).unwrap_or(u32::MAX)))
    .map(drop)
}

/// Views as the key has them. Counts are at most 2^53 − 1.
fn less(views: u64) -> i64 {
    -i64::try_from(views).unwrap_or(i64::MAX)
}
