//! Exports all counters of a site: the site's own, then article by article.

use std::collections::BTreeSet;

use redis::Cmd;
use tokio::sync::mpsc;

use super::{
    keys::{Keys, parse_views_field},
    read::{ReadTransaction, SiteState, View, article, count, counts_of_article, decode},
    topology::{Link, Session},
};
use crate::{
    domain::{
        article::ArticleId,
        counts::{Kind, Subject},
        record::{Past, Record},
    },
    store::{Row, StoreError},
};

/// How many articles Redis examines or returns in one step, so that other clients do not wait long.
const STEP: usize = 1000;

/// How often the names of articles are scanned before an export fails.
const MAX_SCANS: usize = 3;

/// See [`Store::export`](crate::store::Store::export).
pub(super) async fn export(link: Link<'_>, keys: &Keys, view: View, rows: &mpsc::Sender<Row>) -> Result<(), StoreError> {
    let mut read = ReadTransaction::new();
    read.add_site(keys);
    read.add("HGETALL", keys.views(), None::<&str>);
    let mut replies = read.run(link).await?;
    let site = replies.site(keys)?;
    for row in site_counts(replies.next()?, keys)? {
        if rows.send(row).await.is_err() {
            return Ok(());
        }
    }
    let names: Vec<ArticleId> = names(link, keys).await?.into_iter().collect();
    for names in names.chunks(STEP) {
        for row in articles(link, keys, site, view, names).await? {
            if rows.send(row).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The site's own counts: its views, then the others; each ordered by the bucket's text. Kinds of a newer program are left out.
fn site_counts(fields: Vec<(String, u64)>, keys: &Keys) -> Result<Vec<Row>, StoreError> {
    let row = |(field, views): (String, u64)| {
        let not_one = || StoreError::Corrupt(format!("{}: {field:?} is not a bucket", keys.views()));
        let (subject, bucket) = parse_views_field(&field).ok_or_else(not_one)?;
        Ok((bucket, subject, count(views, &keys.views())?))
    };
    let is_known = |field: &str| field.split_once(':').is_none_or(|(kind, _)| kind.parse::<Kind>().is_ok());
    let fields = fields.into_iter().filter(|(field, views)| *views > 0 && is_known(field));
    let mut rows = fields.map(row).collect::<Result<Vec<Row>, StoreError>>()?;
    rows.sort_by_cached_key(|(bucket, subject, _)| (subject.clone(), bucket.to_string()));
    Ok(rows)
}

/// The names of all articles.
async fn names(link: Link<'_>, keys: &Keys) -> Result<BTreeSet<ArticleId>, StoreError> {
    for _scan in 0..MAX_SCANS {
        if let Some(names) = scan(link, keys).await? {
            return Ok(names);
        }
    }
    let key = keys.articles();
    Err(StoreError::NotApplied(format!("{key} lost articles, or moved to another server, each time while they were read: repeat it")))
}

/// `HSCAN` returns each article that is present throughout at least once, if one process answers all of its steps: the cursors of
/// another one mean other places. Returns `None` if the process changed, or if there are fewer articles than at the beginning, because
/// corrections can have deleted some.
async fn scan(link: Link<'_>, keys: &Keys) -> Result<Option<BTreeSet<ArticleId>>, StoreError> {
    let key = keys.articles();
    let session = session(link).await?;
    let at_least: usize = query(link, redis::cmd("HLEN").arg(&key), &key).await?;
    let (mut names, mut cursor) = (BTreeSet::new(), Some(0_u64));
    while let Some(at) = cursor {
        let mut scan = redis::cmd("HSCAN");
        scan.arg(&key).arg(at).arg("COUNT").arg(STEP);
        let (next, found): (u64, Vec<(String, String)>) = query(link, &scan, &key).await?;
        if self::session(link).await? != session {
            return Ok(None);
        }
        for (id, _) in found {
            names.insert(article(&id, &key)?);
        }
        cursor = (next != 0).then_some(next);
    }
    Ok((names.len() >= at_least).then_some(names))
}

async fn session(link: Link<'_>) -> Result<Session, StoreError> {
    link.session().await.map_err(|error| error.into_read_error(&[]))
}

/// The rows of some articles, as of one moment.
async fn articles(link: Link<'_>, keys: &Keys, site: SiteState, view: View, names: &[ArticleId]) -> Result<Vec<Row>, StoreError> {
    let ids: Vec<&str> = names.iter().map(ArticleId::as_str).collect();
    let mut read = ReadTransaction::new();
    read.add("HMGET", keys.articles(), &ids);
    read.add("HMGET", keys.past(), &ids);
    let mut replies = read.run(link).await?;
    let (records, pasts) = (replies.parsed::<Record>(names)?, replies.parsed::<Past>(names)?);
    let mut rows = Vec::new();
    for ((name, record), past) in names.iter().zip(records).zip(pasts) {
        let gone = || {
            StoreError::NotApplied(format!("article {:?} of {} is gone since the export began: repeat it", name.as_str(), keys.articles()))
        };
        let (record, past) = (record.ok_or_else(gone)?, past.unwrap_or_default());
        let buckets = counts_of_article(&record, &past).filter(|(bucket, _)| !site.is_expired(view, *bucket));
        let mut buckets: Vec<_> = buckets.map(|(bucket, views)| (bucket.to_string(), bucket, views)).collect();
        buckets.sort();
        rows.extend(buckets.into_iter().map(|(_, bucket, views)| (bucket, Subject::Article(name.clone()), views)));
    }
    Ok(rows)
}

async fn query<T: redis::FromRedisValue>(link: Link<'_>, cmd: &Cmd, key: &str) -> Result<T, StoreError> {
    let value = link.run(cmd).await.map_err(|error| error.into_read_error(&[key.into()]))?;
    decode(value, key)
}
