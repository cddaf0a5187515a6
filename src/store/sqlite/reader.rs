//! Reads counters, offsets and lists. Each function returns the state of one moment.

use std::{collections::BTreeMap, error::Error};

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, types::Type};
use tokio::sync::mpsc;

use super::{
    audit,
    errors::{ReadError, store_error},
    lists,
    site::{SiteRow, number},
};
use crate::{
    domain::{
        article::{ArticleId, Section},
        counts::{Kind, Subject},
        figures::{Figure, Figures},
        period::Bucket,
        producer::{Digest, Position, ProducerId},
        record::{Past, Record},
        retention::{Retention, TrustedTime},
        site::SiteId,
    },
    store::{Row, Snapshot, StoreError, TopList},
};

/// Decides which buckets of articles a reader sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) retention: Retention,
    pub(super) now: DateTime<Utc>,
}

impl View {
    fn is_expired(self, site: Option<&SiteRow>, bucket: Bucket) -> bool {
        self.retention.expired(bucket, TrustedTime::day(site.and_then(|site| site.time), self.now))
    }
}

/// A section that the store has.
pub(super) struct StoredSection {
    pub(super) id: i64,
    pub(super) name: Section,
    /// The last article that was merged into its lists; `None` if they are whole.
    pub(super) built: Option<String>,
}

/// The error for a text that no version of truycap writes.
fn unreadable(column: usize, error: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

pub(super) fn article(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<ArticleId> {
    ArticleId::parse(row.get_ref(column)?.as_str()?).map_err(|e| unreadable(column, e))
}

/// A producer's offset; the start if it never applied.
pub(super) fn offset(conn: &Connection, site: i64, producer: ProducerId) -> rusqlite::Result<Position> {
    let mut query = conn.prepare_cached("SELECT seq, digest FROM offsets WHERE site = ?1 AND producer = ?2")?;
    let position = |row: &SqlRow<'_>| Ok(Position { seq: number(row, 0)?, digest: Digest(row.get::<_, i64>(1)?.cast_unsigned()) });
    Ok(query.query_row((site, producer.0.to_be_bytes()), position).optional()?.unwrap_or_default())
}

/// The same by the name of the site.
pub(super) fn offset_of(conn: &mut Connection, site: &SiteId, producer: ProducerId) -> rusqlite::Result<Position> {
    let tx = conn.transaction()?;
    SiteRow::read(&tx, site)?.map_or(Ok(Position::START), |row| offset(&tx, row.id, producer))
}

/// The name of a kind of the site's own counts: that of its views is empty.
pub(super) fn kind_name(kind: Option<Kind>) -> &'static str {
    kind.map_or("", Kind::name)
}

/// The site's own views, or another count, in a bucket.
pub(super) fn site_views(conn: &Connection, site: i64, kind: Option<Kind>, bucket: &str) -> rusqlite::Result<u64> {
    conn.prepare_cached("SELECT views FROM site_views WHERE site = ?1 AND kind = ?2 AND bucket = ?3")?
        .query_row((site, kind_name(kind), bucket), |row| number(row, 0))
        .optional()
        .map(Option::unwrap_or_default)
}

/// Reads a text that an article has, and parses it.
fn parsed<T: std::str::FromStr>(conn: &Connection, sql: &str, site: i64, article: &ArticleId) -> Result<Option<T>, StoreError> {
    let mut query = conn.prepare_cached(sql).map_err(store_error)?;
    let mut rows = query.query((site, article.as_str())).map_err(store_error)?;
    let Some(row) = rows.next().map_err(store_error)? else { return Ok(None) };
    let text = row.get_ref(0).and_then(|text| Ok(text.as_str()?)).map_err(store_error)?;
    text.parse().map(Some).map_err(|_| damaged(article, text))
}

/// The error that names the article of a text that does not parse.
fn damaged(article: &ArticleId, text: &str) -> StoreError {
    StoreError::Corrupt(format!("article {:?} has the record {text:?}", article.as_str()))
}

/// An article's record.
pub(super) fn record(conn: &Connection, site: i64, article: &ArticleId) -> Result<Option<Record>, StoreError> {
    parsed(conn, "SELECT record FROM articles WHERE site = ?1 AND article = ?2", site, article)
}

/// An article's earlier periods.
pub(super) fn past(conn: &Connection, site: i64, article: &ArticleId) -> Result<Option<Past>, StoreError> {
    parsed(conn, "SELECT past FROM past WHERE site = ?1 AND article = ?2", site, article)
}

/// The views of an article in buckets; 0 in those that have expired.
fn article_views(
    conn: &Connection,
    site: Option<&SiteRow>,
    article: &ArticleId,
    buckets: &[Bucket],
    view: View,
) -> Result<Vec<u64>, StoreError> {
    let record = site.map_or(Ok(None), |site| record(conn, site.id, article))?;
    let (Some(site), Some(record)) = (site, record) else { return Ok(vec![0; buckets.len()]) };
    let mut earlier = None;
    let mut count = |bucket: Bucket| match record.views(bucket) {
        _ if view.is_expired(Some(site), bucket) => Ok(0),
        Some(views) => Ok(views),
        None => {
            if earlier.is_none() {
                earlier = Some(past(conn, site.id, article)?.unwrap_or_default());
            }
            Ok(earlier.as_ref().map_or(0, |past| past.views(bucket)))
        }
    };
    buckets.iter().map(|&bucket| count(bucket)).collect()
}

/// See [`Store::figures`](crate::store::Store::figures).
pub(super) fn figures(
    conn: &mut Connection,
    site: &SiteId,
    producers: &[ProducerId],
    today: NaiveDate,
    articles: &[ArticleId],
    view: View,
) -> Result<Snapshot, StoreError> {
    let tx = conn.transaction().map_err(store_error)?;
    let row = SiteRow::read(&tx, site).map_err(store_error)?;
    let buckets = Figure::buckets(today);
    let offset = |producer: &ProducerId| row.map_or(Ok(Position::START), |row| offset(&tx, row.id, *producer));
    let of_site = |kind| {
        let mut counts = [0; 9];
        if let Some(row) = &row {
            for (count, bucket) in counts.iter_mut().zip(buckets) {
                *count = site_views(&tx, row.id, kind, &bucket.to_string()).map_err(store_error)?;
            }
        }
        Ok::<_, StoreError>(Figures::new(counts))
    };
    let figures = |article| {
        let views = article_views(&tx, row.as_ref(), article, &buckets, view)?;
        Ok::<_, StoreError>(Figures::new(std::array::from_fn(|place| views.get(place).copied().unwrap_or_default())))
    };
    Ok(Snapshot {
        offsets: producers.iter().map(offset).collect::<Result<_, _>>().map_err(store_error)?,
        revision: row.map(|row| row.revision).unwrap_or_default(),
        site: of_site(None)?,
        visits: of_site(Some(Kind::Visits))?,
        articles: articles.iter().map(figures).collect::<Result<_, _>>()?,
    })
}

/// The sections of a site, in the order of their ids.
pub(super) fn sections(conn: &Connection, site: i64) -> rusqlite::Result<Vec<StoredSection>> {
    conn.prepare_cached("SELECT id, name, built FROM sections WHERE site = ?1 ORDER BY id")?
        .query_map([site], |row| {
            let name = Section::parse(row.get_ref(1)?.as_str()?).map_err(|e| unreadable(1, e))?;
            Ok(StoredSection { id: row.get(0)?, name, built: row.get(2)? })
        })?
        .collect()
}

/// See [`Store::top`](crate::store::Store::top).
pub(super) fn top(
    conn: &mut Connection,
    site: &SiteId,
    section: Option<&Section>,
    bucket: Bucket,
    limit: usize,
    view: View,
) -> rusqlite::Result<TopList> {
    let tx = conn.transaction()?;
    let empty = |revision, whole| TopList { articles: Vec::new(), revision, whole };
    let Some(row) = SiteRow::read(&tx, site)? else { return Ok(empty(crate::store::Revision::default(), section.is_none())) };
    let (id, built) = match section {
        None => (0, true),
        Some(section) => match sections(&tx, row.id)?.into_iter().find(|stored| stored.name == *section) {
            Some(stored) => (stored.id, stored.built.is_none()),
            None => return Ok(empty(row.revision, false)),
        },
    };
    let whole = built && !lists::is_lacking(&tx, row.id, &(id, bucket.to_string()))?;
    if view.is_expired(Some(&row), bucket) {
        return Ok(empty(row.revision, whole));
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut query = tx.prepare_cached(
        "SELECT article, -less FROM top WHERE site = ?1 AND section = ?2 AND bucket = ?3 ORDER BY less, article LIMIT ?4",
    )?;
    let rows = query.query_map((row.id, id, bucket.to_string(), limit), |row| Ok((article(row, 0)?, number(row, 1)?)))?;
    Ok(TopList { articles: rows.collect::<Result<_, _>>()?, revision: row.revision, whole })
}

/// See [`Store::counts`](crate::store::Store::counts).
pub(super) fn counts(conn: &mut Connection, site: &SiteId, subject: &Subject, view: View) -> Result<Vec<(Bucket, u64)>, ReadError> {
    let tx = conn.transaction()?;
    let Some(row) = SiteRow::read(&tx, site)? else { return Ok(Vec::new()) };
    let kind = match subject {
        Subject::Site => None,
        Subject::Kind(kind) => Some(*kind),
        Subject::Article(article) => {
            let Some(record) = record(&tx, row.id, article)? else { return Ok(Vec::new()) };
            let mut counts = buckets(&record, &past(&tx, row.id, article)?.unwrap_or_default());
            counts.retain(|bucket, _| !view.is_expired(Some(&row), *bucket));
            return Ok(counts.into_iter().collect());
        }
    };
    let mut query = tx.prepare_cached("SELECT bucket, views FROM site_views WHERE site = ?1 AND kind = ?2 AND views > 0")?;
    let found = query.query_map((row.id, kind_name(kind)), |row| {
        let bucket: Bucket = row.get_ref(0)?.as_str()?.parse().map_err(|e| unreadable(0, e))?;
        Ok((bucket, number(row, 1)?))
    })?;
    let mut counts: Vec<_> = found.collect::<Result<_, _>>()?;
    counts.sort_unstable();
    Ok(counts)
}

/// The buckets of an article that have views.
pub(super) fn buckets(record: &Record, past: &Past) -> BTreeMap<Bucket, u64> {
    let periods = record.periods().chain(past.periods());
    let periods = periods.filter_map(|(period, (number, views))| Some((period.numbered(number)?, views)));
    let total = (record.total > 0).then_some((Bucket::Total, record.total));
    periods.chain(total).collect()
}

/// See [`Store::history`](crate::store::Store::history).
pub(super) fn history(
    conn: &mut Connection,
    site: &SiteId,
    subject: &Subject,
    buckets: &[Bucket],
    view: View,
) -> Result<Vec<u64>, StoreError> {
    let tx = conn.transaction().map_err(store_error)?;
    let row = SiteRow::read(&tx, site).map_err(store_error)?;
    let kind = match subject {
        Subject::Article(article) => return article_views(&tx, row.as_ref(), article, buckets, view),
        Subject::Site => None,
        Subject::Kind(kind) => Some(*kind),
    };
    let Some(row) = row else { return Ok(vec![0; buckets.len()]) };
    let views = buckets.iter().map(|bucket| site_views(&tx, row.id, kind, &bucket.to_string()));
    views.collect::<Result<_, _>>().map_err(store_error)
}

/// See [`Store::export`](crate::store::Store::export). It is one transaction, so the rows are those of one moment.
pub(super) fn export(conn: &mut Connection, site: &SiteId, view: View, rows: &mpsc::Sender<Row>) -> Result<(), ReadError> {
    let tx = conn.transaction()?;
    let Some(row) = SiteRow::read(&tx, site)? else { return Ok(()) };
    let mut own = site_counts(&tx, &row)?;
    own.sort();
    for (subject, _, bucket, count) in own {
        if rows.blocking_send((bucket, subject, count)).is_err() {
            return Ok(());
        }
    }
    each_article(&tx, site, &row, |article, mut buckets| {
        buckets.retain(|(_, bucket, _)| !view.is_expired(Some(&row), *bucket));
        buckets.sort();
        let mut send = |(_, bucket, views)| rows.blocking_send((bucket, Subject::Article(article.clone()), views)).is_ok();
        buckets.into_iter().all(&mut send)
    })
}

/// The site's own counts above 0, with the texts of their buckets. Kinds of a newer program are left out.
fn site_counts(conn: &Connection, row: &SiteRow) -> rusqlite::Result<Vec<(Subject, String, Bucket, u64)>> {
    let mut query = conn.prepare("SELECT kind, bucket, views FROM site_views WHERE site = ?1 AND views > 0")?;
    let counts = query.query_map([row.id], |row| {
        let subject = match row.get_ref(0)?.as_str()? {
            "" => Subject::Site,
            kind => match kind.parse() {
                Ok(kind) => Subject::Kind(kind),
                Err(_) => return Ok(None),
            },
        };
        let text: String = row.get(1)?;
        let bucket = text.parse().map_err(|e| unreadable(1, e))?;
        Ok(Some((subject, text, bucket, number(row, 2)?)))
    })?;
    counts.filter_map(Result::transpose).collect()
}

/// Reads all articles of a site in the order of their bytes, until `next` returns false.
///
/// # Errors
/// If the b-tree of the articles is damaged: it has fewer or more of them than the site should have, or not in their order.
fn each_article(
    conn: &Connection,
    site: &SiteId,
    row: &SiteRow,
    mut next: impl FnMut(&ArticleId, Vec<(String, Bucket, u64)>) -> bool,
) -> Result<(), ReadError> {
    let (mut articles, mut last) = (0, None);
    let mut query = conn.prepare(
        "SELECT articles.article, record, past FROM articles LEFT JOIN past USING (site, article)
         WHERE site = ?1 ORDER BY articles.article",
    )?;
    let mut found = query.query([row.id])?;
    while let Some(found) = found.next()? {
        articles += 1;
        let article = article(found, 0)?;
        if last.as_ref().is_some_and(|last| *last >= article) {
            return Err(StoreError::Corrupt(format!("article {:?} of site {site} is out of order", article.as_str())).into());
        }
        if !next(&article, read_buckets(&article, found)?) {
            return Ok(());
        }
        last = Some(article);
    }
    if articles != row.articles {
        let what = format!("site {site} has {} articles, but {articles} can be read", row.articles);
        return Err(StoreError::Corrupt(what).into());
    }
    Ok(())
}

/// The buckets of an article that have views, with their texts, from a row of article, record and past.
pub(super) fn read_buckets(article: &ArticleId, row: &SqlRow<'_>) -> Result<Vec<(String, Bucket, u64)>, ReadError> {
    let text = row.get_ref(1)?.as_str()?;
    let record: Record = text.parse().map_err(|_| damaged(article, text))?;
    let past = match row.get_ref(2)?.as_str_or_null()? {
        Some(text) => text.parse().map_err(|_| damaged(article, text))?,
        None => Past::default(),
    };
    Ok(buckets(&record, &past).into_iter().map(|(bucket, views)| (bucket.to_string(), bucket, views)).collect())
}

/// See [`Store::ping`](crate::store::Store::ping).
pub(super) fn ping(conn: &Connection) -> rusqlite::Result<()> {
    conn.prepare_cached("SELECT 1 FROM offsets LIMIT 1")?.exists(()).map(drop)
}

/// See [`Store::verify`](crate::store::Store::verify).
pub(super) fn verify(conn: &mut Connection, full: bool) -> Result<(), ReadError> {
    let check = if full { "PRAGMA integrity_check(1)" } else { "PRAGMA quick_check(1)" };
    let found: String = conn.query_row(check, (), |row| row.get(0))?;
    if found != "ok" {
        return Err(StoreError::Corrupt(found).into());
    }
    if !full {
        return Ok(());
    }
    let tx = conn.transaction()?;
    let names: Vec<String> =
        tx.prepare("SELECT name FROM sites ORDER BY id")?.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
    for name in names {
        let site = SiteId::parse(&name).map_err(|e| unreadable(0, e))?;
        if let Some(row) = SiteRow::read(&tx, &site)? {
            verify_site(&tx, &site, &row)?;
        }
    }
    Ok(())
}

/// Parses everything that a site has, and compares its parts.
fn verify_site(conn: &Connection, site: &SiteId, row: &SiteRow) -> Result<(), ReadError> {
    let mut query = conn.prepare("SELECT producer, seq FROM offsets WHERE site = ?1")?;
    let mut offsets = query.query([row.id])?;
    while let Some(next) = offsets.next()? {
        next.get::<_, [u8; 16]>(0)?;
        number(next, 1)?;
    }
    sections(conn, row.id)?;
    site_counts(conn, row)?;
    each_article(conn, site, row, |_, _| true)?;
    let of_none = "SELECT article FROM past WHERE site = ?1 AND article NOT IN (SELECT article FROM articles WHERE site = ?1) LIMIT 1";
    if let Some(article) = conn.query_row(of_none, [row.id], |row| row.get::<_, String>(0)).optional()? {
        return Err(StoreError::Corrupt(format!("article {article:?} of site {site} has earlier periods, but no record")).into());
    }
    audit::verify(conn, site, row.id)?;
    verify_lists(conn, site, row)
}

/// Compares the rows of most-read lists with the records.
fn verify_lists(conn: &Connection, site: &SiteId, row: &SiteRow) -> Result<(), ReadError> {
    let mut query = conn.prepare("SELECT article, bucket, -less FROM top WHERE site = ?1")?;
    let mut listed = query.query([row.id])?;
    while let Some(next) = listed.next()? {
        let (article, views) = (article(next, 0)?, number(next, 2)?);
        let bucket: Bucket = next.get_ref(1)?.as_str()?.parse().map_err(|e| unreadable(1, e))?;
        let record = record(conn, row.id, &article)?;
        let counted = match record.as_ref().map(|record| record.views(bucket)) {
            Some(Some(views)) => views,
            Some(None) => past(conn, row.id, &article)?.unwrap_or_default().views(bucket),
            None => 0,
        };
        // A count that has expired can be dropped before its list is, and an article can be deleted with it.
        if counted != views && (counted > 0 || bucket == Bucket::Total) {
            let article = article.as_str();
            let what = format!("article {article:?} of site {site} has {views} views in the list of {bucket}, but {counted} are counted");
            return Err(StoreError::Corrupt(what).into());
        }
    }
    Ok(())
}
