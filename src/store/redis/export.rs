//! Exports all counters of a site: the site's own, then article by article.

use std::collections::BTreeSet;

use redis::Cmd;
use tokio::sync::mpsc;

use super::{
    connection::Connection,
    keys::Keys,
    read::{ReadTransaction, SiteState, View, article, count, decode},
};
use crate::{
    domain::{
        article::ArticleId,
        period::Bucket,
        record::{Past, Record},
    },
    store::{Row, StoreError},
};

/// How many articles Redis examines or returns in one step, so that other clients do not wait long.
const STEP: usize = 1000;

/// See [`Store::export`](crate::store::Store::export).
pub(super) async fn export(connection: &Connection, keys: &Keys, view: View, rows: &mpsc::Sender<Row>) -> Result<(), StoreError> {
    let mut read = ReadTransaction::new();
    read.add_site(keys);
    read.add("HGETALL", keys.views(), None::<&str>);
    let mut replies = read.run(connection).await?;
    let site = replies.site(keys)?;
    for (bucket, views) in site_views(replies.next()?, keys)? {
        if rows.send((bucket, None, views)).await.is_err() {
            return Ok(());
        }
    }
    let names: Vec<ArticleId> = names(connection, keys).await?.into_iter().collect();
    for names in names.chunks(STEP) {
        for row in articles(connection, keys, site, view, names).await? {
            if rows.send(row).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The site's own views, ordered by the bucket's text. Other kinds of counts are left out.
fn site_views(fields: Vec<(String, u64)>, keys: &Keys) -> Result<Vec<(Bucket, u64)>, StoreError> {
    let mut fields: Vec<_> = fields.into_iter().filter(|(name, views)| *views > 0 && !name.contains(':')).collect();
    fields.sort();
    let bucket = |name: &str| name.parse().map_err(|_| StoreError::Corrupt(format!("{}: {name:?} is not a bucket", keys.views())));
    fields.into_iter().map(|(name, views)| Ok((bucket(&name)?, count(views, &keys.views())?))).collect()
}

/// The names of all articles. `HSCAN` returns each that is present throughout at least once.
async fn names(connection: &Connection, keys: &Keys) -> Result<BTreeSet<ArticleId>, StoreError> {
    let key = keys.articles();
    let at_least: usize = query(connection, redis::cmd("HLEN").arg(&key), &key).await?;
    let (mut names, mut cursor) = (BTreeSet::new(), 0_u64);
    loop {
        let mut scan = redis::cmd("HSCAN");
        scan.arg(&key).arg(cursor).arg("COUNT").arg(STEP);
        let (next, found): (u64, Vec<(String, String)>) = query(connection, &scan, &key).await?;
        for (id, _) in found {
            names.insert(article(&id, &key)?);
        }
        if next == 0 {
            break;
        }
        cursor = next;
    }
    // Articles are never deleted.
    if names.len() < at_least {
        return Err(StoreError::Corrupt(format!("{key} has {at_least} articles, but {} can be read", names.len())));
    }
    Ok(names)
}

/// The rows of some articles, as of one moment.
async fn articles(connection: &Connection, keys: &Keys, site: SiteState, view: View, names: &[ArticleId]) -> Result<Vec<Row>, StoreError> {
    let ids: Vec<&str> = names.iter().map(ArticleId::as_str).collect();
    let mut read = ReadTransaction::new();
    read.add("HMGET", keys.articles(), &ids);
    read.add("HMGET", keys.past(), &ids);
    let mut replies = read.run(connection).await?;
    let (records, pasts) = (replies.parsed::<Record>(names)?, replies.parsed::<Past>(names)?);
    let mut rows = Vec::new();
    for ((name, record), past) in names.iter().zip(records).zip(pasts) {
        let gone = || StoreError::Corrupt(format!("article {:?} of {} has no record any more", name.as_str(), keys.articles()));
        let (record, past) = (record.ok_or_else(gone)?, past.unwrap_or_default());
        let periods = record.periods().chain(past.periods());
        let periods = periods.filter_map(|(period, (number, views))| Some((period.numbered(number)?, views)));
        let total = (record.total > 0).then_some((Bucket::Total, record.total));
        let buckets = periods.chain(total).filter(|(bucket, _)| !site.is_expired(view, *bucket));
        let mut buckets: Vec<_> = buckets.map(|(bucket, views)| (bucket.to_string(), bucket, views)).collect();
        buckets.sort();
        rows.extend(buckets.into_iter().map(|(_, bucket, views)| (bucket, Some(name.clone()), views)));
    }
    Ok(rows)
}

async fn query<T: redis::FromRedisValue>(connection: &Connection, cmd: &Cmd, key: &str) -> Result<T, StoreError> {
    let value = connection.run(cmd).await.map_err(|error| error.into_read_error(&[key.into()]))?;
    decode(value, key)
}
