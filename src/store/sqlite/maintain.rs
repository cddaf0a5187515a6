//! Makes the sections of a site those of the configuration, builds their lists, and lists that lack articles, and deletes lists past
//! their retention and changes that are not kept any more. Each step is one transaction and bounded, so that no apply waits for long
//! and a crash can come between any two.

use std::collections::HashMap;

use rusqlite::Connection;

use super::{
    apply::next_revision,
    audit,
    errors::ReadError,
    lists::{Change, Lists},
    reader::{StoredSection, article, read_buckets, sections},
    site::SiteRow,
};
use crate::domain::{
    article::{ArticleId, Section},
    period::Bucket,
    retention::{Retention, TrustedTime},
    site::SiteId,
};

/// The most articles that one step merges.
const ARTICLES: u32 = 1000;

/// The most rows of lists that one step deletes.
const ROWS: u32 = 5000;

/// One step. Returns whether there is more to do. See [`Store::maintain`](crate::store::Store::maintain).
pub(super) fn step(
    conn: &Connection,
    site: &SiteId,
    wanted: &[Section],
    retention: Retention,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<bool, ReadError> {
    let Some(mut row) = SiteRow::read(conn, site)? else {
        return if wanted.is_empty() { Ok(false) } else { register_first(conn, site, wanted).map(|()| false) };
    };
    if let Some(time) = row.time.and_then(|time| time.pass(now)) {
        row.time = Some(time);
        row.write(conn)?;
    }
    let stored = sections(conn, row.id)?;
    let today = TrustedTime::day(row.time, now);
    let (changed, more) = if let Some(gone) = stored.iter().find(|section| !wanted.contains(&section.name)) {
        (true, remove(conn, row.id, gone)?)
    } else if let Some(new) = wanted.iter().find(|name| !stored.iter().any(|section| section.name == **name)) {
        (true, register(conn, row.id, new, false)?)
    } else if let Some(building) = stored.iter().find(|section| section.built.is_some()) {
        (true, build(conn, row.id, building, |bucket| retention.expired(bucket, today))?)
    } else if let Some(lacking) = Lacking::read(conn, row.id)? {
        (true, lacking.build(conn, row.id, &stored, |bucket| retention.expired(bucket, today))?)
    } else {
        let deleted = delete_expired(conn, row.id, |bucket| retention.expired(bucket, today))?;
        let more = audit::delete_changes(conn, row.id)?;
        (deleted > 0, more || deleted >= ROWS as usize)
    };
    if changed {
        // What this and other processes remember of the lists is not valid any more.
        row.revision = next_revision(row.revision, b"maintain");
        row.write(conn)?;
    }
    Ok(more)
}

/// A site without articles has nothing to build.
fn register_first(conn: &Connection, site: &SiteId, wanted: &[Section]) -> Result<(), ReadError> {
    let row = SiteRow::read_or_make(conn, site)?;
    for section in wanted {
        register(conn, row.id, section, true)?;
    }
    Ok(())
}

fn register(conn: &Connection, site: i64, section: &Section, whole: bool) -> rusqlite::Result<bool> {
    let built = if whole { None } else { Some("") };
    conn.execute("INSERT INTO sections(site, name, built) VALUES (?1, ?2, ?3)", (site, section.as_str(), built))?;
    Ok(true)
}

/// Deletes some rows of a section's lists, and in the end the section.
fn remove(conn: &Connection, site: i64, section: &StoredSection) -> rusqlite::Result<bool> {
    let deleted = conn.execute(
        "DELETE FROM top WHERE (site, section, bucket, less, article) IN
             (SELECT site, section, bucket, less, article FROM top WHERE site = ?1 AND section = ?2 LIMIT ?3)",
        (site, section.id, ROWS),
    )?;
    if deleted < ROWS as usize {
        conn.execute("DELETE FROM sections WHERE id = ?1", [section.id])?;
        conn.execute("DELETE FROM lacking WHERE site = ?1 AND section = ?2", (site, section.id))?;
    } else {
        // If it is wanted again now, it lacks rows.
        conn.execute("UPDATE sections SET built = '' WHERE id = ?1", [section.id])?;
    }
    Ok(true)
}

/// Merges the next articles into the section's lists.
fn build(conn: &Connection, site: i64, section: &StoredSection, is_expired: impl Fn(Bucket) -> bool) -> Result<bool, ReadError> {
    let prefix = section.name.as_str();
    let after = section.built.as_deref().unwrap_or_default();
    let mut lists = Lists::default();
    let mut last = None;
    let mut query = conn.prepare_cached(
        "SELECT articles.article, record, past FROM articles LEFT JOIN past USING (site, article)
         WHERE site = ?1 AND articles.article > ?2 AND articles.article >= ?3 ORDER BY articles.article LIMIT ?4",
    )?;
    let mut rows = query.query((site, after, prefix, ARTICLES))?;
    let mut merged = 0;
    while let Some(row) = rows.next()? {
        let text = row.get_ref(0)?.as_str()?;
        // Articles are in the order of their bytes, so those of the section follow each other.
        let article = ArticleId::parse(text).ok().filter(|article| section.name.contains(article));
        let Some(article) = article else { break };
        for (name, bucket, views) in read_buckets(&article, row)? {
            if !is_expired(bucket) {
                lists.update(conn, site, &(section.id, name), Change { article: article.as_str(), before: 0, after: views })?;
            }
        }
        last = Some(article);
        merged += 1;
    }
    let built = last.filter(|_| merged == ARTICLES);
    conn.execute("UPDATE sections SET built = ?2 WHERE id = ?1", (section.id, built.as_ref().map(ArticleId::as_str)))?;
    Ok(true)
}

/// Lists that lack articles, and into which the same ones were merged so far.
struct Lacking {
    /// The sections of the lists of a bucket; 0 for the whole site.
    lists: HashMap<String, Vec<i64>>,
    /// The last article that was merged.
    built: String,
}

impl Lacking {
    /// The lists of a site that are furthest behind.
    fn read(conn: &Connection, site: i64) -> rusqlite::Result<Option<Self>> {
        let built = conn.prepare_cached("SELECT min(built) FROM lacking WHERE site = ?1")?.query_row([site], |row| row.get(0))?;
        let Some(built) = built else { return Ok(None) };
        let mut lacking = Self { lists: HashMap::new(), built };
        let mut query = conn.prepare_cached("SELECT bucket, section FROM lacking WHERE site = ?1 AND built = ?2")?;
        let mut rows = query.query((site, &lacking.built))?;
        while let Some(row) = rows.next()? {
            lacking.lists.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        Ok(Some(lacking))
    }

    /// Merges the next articles into the lists.
    fn build(
        self,
        conn: &Connection,
        site: i64,
        sections: &[StoredSection],
        is_expired: impl Fn(Bucket) -> bool,
    ) -> Result<bool, ReadError> {
        let mut query = conn.prepare_cached(
            "SELECT articles.article, record, past FROM articles LEFT JOIN past USING (site, article)
             WHERE site = ?1 AND articles.article > ?2 ORDER BY articles.article LIMIT ?3",
        )?;
        let mut rows = query.query((site, &self.built, ARTICLES))?;
        let (mut lists, mut last, mut merged) = (Lists::default(), None, 0);
        while let Some(row) = rows.next()? {
            let article = article(row, 0)?;
            let is_of = |id: i64| id == 0 || sections.iter().any(|section| section.id == id && section.name.contains(&article));
            for (name, bucket, views) in read_buckets(&article, row)? {
                let lacking = self.lists.get(&name).filter(|_| !is_expired(bucket)).into_iter().flatten();
                for id in lacking.copied().filter(|id| is_of(*id)) {
                    lists.update(conn, site, &(id, name.clone()), Change { article: article.as_str(), before: 0, after: views })?;
                }
            }
            (last, merged) = (Some(article), merged + 1);
        }
        match last.filter(|_| merged == ARTICLES) {
            Some(last) => {
                conn.execute("UPDATE lacking SET built = ?3 WHERE site = ?1 AND built = ?2", (site, &self.built, last.as_str()))?
            }
            None => conn.execute("DELETE FROM lacking WHERE site = ?1 AND built = ?2", (site, &self.built))?,
        };
        Ok(true)
    }
}

/// Deletes lists of expired buckets, of all sections. Returns how many rows.
fn delete_expired(conn: &Connection, site: i64, is_expired: impl Fn(Bucket) -> bool) -> Result<usize, ReadError> {
    let mut deleted = 0;
    let mut at = (-1, String::new());
    while deleted < ROWS as usize {
        let next = conn
            .prepare_cached(
                "SELECT section, bucket FROM top WHERE site = ?1 AND (section, bucket) > (?2, ?3) ORDER BY section, bucket LIMIT 1",
            )?
            .query_row((site, at.0, &at.1), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
        at = match next {
            Err(rusqlite::Error::QueryReturnedNoRows) => break,
            next => next?,
        };
        if at.1.parse().is_ok_and(&is_expired) {
            deleted += conn.execute("DELETE FROM top WHERE site = ?1 AND section = ?2 AND bucket = ?3", (site, at.0, &at.1))?;
        }
    }
    Ok(deleted)
}
