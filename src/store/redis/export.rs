//! Exports all counters of a site, bucket by bucket.

use std::collections::{BTreeMap, BTreeSet};

use redis::Cmd;
use tokio::sync::mpsc;

use super::{
    connection::Connection,
    keys::Keys,
    read::{article, count, decode},
};
use crate::{
    domain::{article::ArticleId, period::Bucket, retention::Expiry},
    store::{Row, StoreError},
};

/// How many keys or articles Redis examines in one step, so that other clients do not wait long.
const STEP: usize = 1000;

/// See [`Store::export`](crate::store::Store::export).
pub(super) async fn export(connection: &Connection, keys: &Keys, expiry: Expiry, rows: &mpsc::Sender<Row>) -> Result<(), StoreError> {
    let views = keys.views();
    let mut hash = redis::cmd("HGETALL");
    hash.arg(&views);
    let of_site: Vec<(String, u64)> = query(connection, &hash, &views).await?;
    let mut buckets: BTreeMap<String, (Bucket, u64)> = BTreeMap::new();
    for (name, views) in of_site {
        let bucket = name.parse().map_err(|_| StoreError::Corrupt(format!("{}: {name:?} is not a bucket", keys.views())))?;
        buckets.insert(name, (bucket, count(views, &keys.views())?));
    }
    for bucket in with_articles(connection, keys).await?.into_iter().filter(|bucket| !expiry.is_expired(*bucket)) {
        buckets.entry(bucket.to_string()).or_insert((bucket, 0));
    }
    for (bucket, views) in buckets.into_values() {
        // Read completely before sending: Redis returns articles unordered, and must not wait for the receiver.
        let articles = if expiry.is_expired(bucket) { BTreeMap::new() } else { articles(connection, keys, bucket).await? };
        let site = std::iter::once((None, views));
        for (article, views) in site.chain(articles.into_iter().map(|(article, views)| (Some(article), views))) {
            if views > 0 && rows.send((bucket, article, views)).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The buckets that have articles.
async fn with_articles(connection: &Connection, keys: &Keys) -> Result<BTreeSet<Bucket>, StoreError> {
    let (pattern, mut buckets, mut cursor) = (keys.all_articles(), BTreeSet::new(), 0_u64);
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(STEP);
        let (next, found): (u64, Vec<String>) = query(connection, &scan, &pattern).await?;
        for key in found {
            buckets.insert(keys.bucket(&key).ok_or_else(|| StoreError::Corrupt(format!("{key} does not end with a bucket")))?);
        }
        if next == 0 {
            return Ok(buckets);
        }
        cursor = next;
    }
}

/// The articles of a bucket. `ZSCAN` returns an article that is present throughout at least once; the map holds it once.
async fn articles(connection: &Connection, keys: &Keys, bucket: Bucket) -> Result<BTreeMap<ArticleId, u64>, StoreError> {
    let (key, mut articles, mut cursor) = (keys.articles(bucket), BTreeMap::new(), 0_u64);
    loop {
        let mut scan = redis::cmd("ZSCAN");
        scan.arg(&key).arg(cursor).arg("COUNT").arg(STEP);
        let (next, found): (u64, Vec<(String, u64)>) = query(connection, &scan, &key).await?;
        for (id, views) in found {
            articles.insert(article(&id, &key)?, count(views, &key)?);
        }
        if next == 0 {
            return Ok(articles);
        }
        cursor = next;
    }
}

async fn query<T: redis::FromRedisValue>(connection: &Connection, cmd: &Cmd, key: &str) -> Result<T, StoreError> {
    let value = connection.run(cmd).await.map_err(|error| error.into_read_error(&[key.into()]))?;
    decode(value, key)
}
