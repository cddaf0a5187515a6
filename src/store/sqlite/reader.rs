//! Reads counters and offsets. Each function returns the state of one moment.

use std::error::Error;

use chrono::NaiveDate;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row as SqlRow, types::Type};
use tokio::sync::mpsc;

use crate::{
    domain::{
        article::ArticleId,
        figures::{Figure, Figures},
        period::Bucket,
        producer::{ProducerId, Seq},
        retention::Expiry,
        site::SiteId,
    },
    store::{Row, Snapshot},
};

/// Reads a number that is never negative.
fn number(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    number.try_into().map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

fn article(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<ArticleId> {
    ArticleId::parse(row.get_ref(column)?.as_str()?).map_err(|e| unreadable(column, e))
}

/// The error for a text that no version of truycap writes.
fn unreadable(column: usize, error: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

/// A producer's offset; 0 if it never applied.
pub(super) fn offset(conn: &Connection, site: &SiteId, producer: &str) -> rusqlite::Result<Seq> {
    let mut query = conn.prepare_cached("SELECT offset FROM offsets WHERE site = ?1 AND producer = ?2")?;
    Ok(query.query_row((site.as_str(), producer), |row| number(row, 0)).optional()?.unwrap_or_default())
}

/// The sum of all other producers' offsets.
pub(super) fn others(conn: &Connection, site: &SiteId, producer: &str) -> rusqlite::Result<u64> {
    conn.prepare_cached("SELECT coalesce(sum(offset), 0) FROM offsets WHERE site = ?1 AND producer <> ?2")?
        .query_row((site.as_str(), producer), |row| number(row, 0))
}

/// Looks up single counters of a site.
struct CounterLookup<'a> {
    query: CachedStatement<'a>,
    site: &'a SiteId,
    expiry: Expiry,
}

impl<'a> CounterLookup<'a> {
    fn new(conn: &'a Connection, site: &'a SiteId, expiry: Expiry) -> rusqlite::Result<Self> {
        let query = conn.prepare_cached("SELECT views FROM views WHERE site = ?1 AND bucket = ?2 AND article = ?3")?;
        Ok(Self { query, site, expiry })
    }

    /// Returns one counter. `name` is the text of `bucket`, passed in because many look-ups share it.
    fn get(&mut self, bucket: Bucket, name: &str, article: Option<&ArticleId>) -> rusqlite::Result<u64> {
        if article.is_some() && self.expiry.is_expired(bucket) {
            return Ok(0);
        }
        let article = article.map_or("", ArticleId::as_str);
        let views = self.query.query_row((self.site.as_str(), name, article), |row| number(row, 0)).optional()?;
        Ok(views.unwrap_or_default())
    }
}

/// See [`Store::figures`](crate::store::Store::figures).
pub(super) fn figures(
    conn: &mut Connection,
    site: &SiteId,
    producer: ProducerId,
    today: NaiveDate,
    articles: &[ArticleId],
    expiry: Expiry,
) -> rusqlite::Result<Snapshot> {
    let tx = conn.transaction()?;
    let producer = producer.to_string();
    let offset = offset(&tx, site, &producer)?;
    let others = others(&tx, site, &producer)?;
    let mut counters = CounterLookup::new(&tx, site, expiry)?;
    let buckets = Figure::buckets(today).map(|bucket| (bucket, bucket.to_string()));
    let mut figures = |article: Option<&ArticleId>| {
        let mut counts = [0; 9];
        for (count, (bucket, name)) in counts.iter_mut().zip(&buckets) {
            *count = counters.get(*bucket, name, article)?;
        }
        Ok::<_, rusqlite::Error>(Figures::new(counts))
    };
    let own = figures(None)?;
    let articles = articles.iter().map(|article| figures(Some(article))).collect::<Result<_, _>>()?;
    Ok(Snapshot { offset, others, site: own, articles })
}

/// See [`Store::top`](crate::store::Store::top).
pub(super) fn top(conn: &Connection, site: &SiteId, bucket: Bucket, limit: usize) -> rusqlite::Result<Vec<(ArticleId, u64)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    conn.prepare_cached(
        "SELECT article, views FROM views WHERE site = ?1 AND bucket = ?2 AND article > '' AND views > 0
         ORDER BY views DESC, article LIMIT ?3",
    )?
    .query_map((site.as_str(), bucket.to_string(), limit), |row| Ok((article(row, 0)?, number(row, 1)?)))?
    .collect()
}

/// See [`Store::history`](crate::store::Store::history).
pub(super) fn history(
    conn: &mut Connection,
    site: &SiteId,
    article: Option<&ArticleId>,
    buckets: &[Bucket],
    expiry: Expiry,
) -> rusqlite::Result<Vec<u64>> {
    let tx = conn.transaction()?;
    let mut counters = CounterLookup::new(&tx, site, expiry)?;
    buckets.iter().map(|&bucket| counters.get(bucket, &bucket.to_string(), article)).collect()
}

/// See [`Store::export`](crate::store::Store::export). It is one statement, so the rows are those of one moment.
pub(super) fn export(conn: &Connection, site: &SiteId, expiry: Expiry, rows: &mpsc::Sender<Row>) -> rusqlite::Result<()> {
    let mut query = conn.prepare("SELECT bucket, article, views FROM views WHERE site = ?1 AND views > 0 ORDER BY bucket, article")?;
    let mut found = query.query((site.as_str(),))?;
    while let Some(row) = found.next()? {
        let bucket: Bucket = row.get_ref(0)?.as_str()?.parse().map_err(|e| unreadable(0, e))?;
        let article = if row.get_ref(1)?.as_str()?.is_empty() { None } else { Some(article(row, 1)?) };
        if article.is_some() && expiry.is_expired(bucket) {
            continue;
        }
        if rows.blocking_send((bucket, article, number(row, 2)?)).is_err() {
            break;
        }
    }
    Ok(())
}

/// See [`Store::ping`](crate::store::Store::ping).
pub(super) fn ping(conn: &Connection) -> rusqlite::Result<()> {
    conn.prepare_cached("SELECT 1 FROM offsets LIMIT 1")?.exists(()).map(drop)
}

/// The inner error is the first damage that SQLite finds in the file.
pub(super) fn verify(conn: &Connection) -> rusqlite::Result<Result<(), String>> {
    let found: String = conn.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    Ok(if found == "ok" { Ok(()) } else { Err(found) })
}
