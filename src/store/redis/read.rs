//! Reads counters and offsets. Several commands are one transaction, so that their replies are of one moment.

use std::vec;

use chrono::NaiveDate;
use redis::{Cmd, FromRedisValue, Pipeline, ToRedisArgs, Value};

use super::{connection::Connection, errors::unexpected_value, keys::Keys, script::Script};
use crate::{
    domain::{
        MAX_COUNT,
        article::ArticleId,
        figures::{Figure, Figures},
        period::Bucket,
        producer::{ProducerId, Seq},
        retention::Expiry,
    },
    store::{Snapshot, StoreError},
};

/// See [`Store::figures`](crate::store::Store::figures).
pub(super) async fn figures(
    connection: &Connection,
    keys: &Keys,
    expiry: Expiry,
    producer: ProducerId,
    today: NaiveDate,
    articles: &[ArticleId],
) -> Result<Snapshot, StoreError> {
    let buckets = Figure::buckets(today);
    let kept = |bucket: &Bucket| !articles.is_empty() && !expiry.is_expired(*bucket);
    let ids: Vec<&str> = articles.iter().map(ArticleId::as_str).collect();
    let producer = producer.to_string();
    let mut read = ReadTransaction::new();
    read.add("HGETALL", keys.offsets(), None::<&str>);
    read.add("HGET", keys.idle(), &producer);
    read.add("HMGET", keys.views(), buckets.map(|bucket| bucket.to_string()).to_vec());
    for bucket in buckets.iter().filter(|bucket| kept(bucket)) {
        read.add("ZMSCORE", keys.articles(*bucket), &ids);
    }
    let mut replies = read.run(connection).await?;

    let offsets: Vec<(String, Seq)> = replies.next()?;
    let (own, others): (Vec<_>, Vec<_>) = offsets.into_iter().partition(|(id, _)| *id == producer);
    let idle = replies.next::<Option<Seq>>()?;
    let of_site = replies.counts(buckets.len())?;
    let mut of_articles = vec![[0; 9]; articles.len()];
    for (place, _) in buckets.iter().enumerate().filter(|(_, bucket)| kept(bucket)) {
        for (counts, views) in of_articles.iter_mut().zip(replies.counts(ids.len())?) {
            counts[place] = views;
        }
    }
    Ok(Snapshot {
        offset: own.first().map(|(_, offset)| *offset).or(idle).unwrap_or_default(),
        others: sum(others.iter().map(|(_, offset)| *offset)),
        site: Figures::new(std::array::from_fn(|place| of_site.get(place).copied().unwrap_or_default())),
        articles: of_articles.into_iter().map(Figures::new).collect(),
    })
}

/// See [`Store::offset`](crate::store::Store::offset).
pub(super) async fn offset(connection: &Connection, keys: &Keys, producer: ProducerId) -> Result<Seq, StoreError> {
    let producer = producer.to_string();
    let mut read = ReadTransaction::new();
    read.add("HGET", keys.offsets(), &producer);
    read.add("HGET", keys.idle(), &producer);
    let mut replies = read.run(connection).await?;
    let (own, idle) = (replies.next::<Option<Seq>>()?, replies.next::<Option<Seq>>()?);
    Ok(own.or(idle).unwrap_or_default())
}

/// See [`Store::top`](crate::store::Store::top). `limit` is at least 1.
pub(super) async fn top(
    connection: &Connection,
    script: &Script,
    keys: &Keys,
    bucket: Bucket,
    limit: usize,
) -> Result<Vec<(ArticleId, u64)>, StoreError> {
    let key = keys.articles(bucket);
    // Redis cannot hold more articles than this.
    let most = limit.min(u32::MAX as usize);
    let fill = |cmd: &mut Cmd| {
        cmd.arg(1).arg(&key).arg(most);
    };
    let reply = script.run(connection, fill).await;
    let value = reply.map_err(|error| error.into_read_error(std::slice::from_ref(&key)))?;
    let found: Vec<(String, u64)> = decode(value, &key)?;
    let top = found.into_iter().map(|(id, views)| Ok((article(&id, &key)?, count(views, &key)?)));
    let mut top = top.collect::<Result<Vec<_>, StoreError>>()?;
    top.retain(|(_, views)| *views > 0);
    top.sort_by(|(a, a_views), (b, b_views)| b_views.cmp(a_views).then_with(|| a.cmp(b)));
    top.truncate(limit);
    Ok(top)
}

/// See [`Store::history`](crate::store::Store::history).
pub(super) async fn history(
    connection: &Connection,
    keys: &Keys,
    expiry: Expiry,
    article: Option<&ArticleId>,
    buckets: &[Bucket],
) -> Result<Vec<u64>, StoreError> {
    let kept = |bucket: &Bucket| article.is_none() || !expiry.is_expired(*bucket);
    if !buckets.iter().any(kept) {
        return Ok(vec![0; buckets.len()]);
    }
    let mut read = ReadTransaction::new();
    let Some(article) = article else {
        read.add("HMGET", keys.views(), buckets.iter().map(Bucket::to_string).collect::<Vec<_>>());
        return read.run(connection).await?.counts(buckets.len());
    };
    for bucket in buckets.iter().filter(|bucket| kept(bucket)) {
        read.add("ZSCORE", keys.articles(*bucket), article.as_str());
    }
    let mut replies = read.run(connection).await?;
    buckets.iter().map(|bucket| if kept(bucket) { replies.count() } else { Ok(0) }).collect()
}

/// The commands of one transaction, each on one key.
pub(super) struct ReadTransaction {
    pipeline: Pipeline,
    keys: Vec<String>,
}

impl ReadTransaction {
    pub(super) fn new() -> Self {
        let mut pipeline = Pipeline::new();
        pipeline.atomic();
        Self { pipeline, keys: Vec::new() }
    }

    pub(super) fn add(&mut self, command: &str, key: String, arguments: impl ToRedisArgs) {
        self.pipeline.cmd(command).arg(&key).arg(arguments);
        self.keys.push(key);
    }

    pub(super) async fn run(self, connection: &Connection) -> Result<Replies, StoreError> {
        match connection.run(&self.pipeline).await {
            Ok(values) => Ok(Replies(values.into_iter().zip(self.keys).collect::<Vec<_>>().into_iter())),
            Err(error) => Err(error.into_read_error(&self.keys)),
        }
    }
}

/// The replies to a [`ReadTransaction`], in the order of its commands.
pub(super) struct Replies(vec::IntoIter<(Value, String)>);

impl Replies {
    /// Decodes the next reply.
    pub(super) fn next<T: FromRedisValue>(&mut self) -> Result<T, StoreError> {
        let (value, key) = self.take()?;
        decode(value, &key)
    }

    fn take(&mut self) -> Result<(Value, String), StoreError> {
        self.0.next().ok_or_else(|| StoreError::NotApplied("Redis sent too few replies".into()))
    }

    /// Decodes the next reply as `expected` counters; 0 for one that does not exist.
    fn counts(&mut self, expected: usize) -> Result<Vec<u64>, StoreError> {
        let (value, key) = self.take()?;
        let counts: Vec<Option<u64>> = decode(value, &key)?;
        if counts.len() != expected {
            return Err(unexpected_value(&key));
        }
        counts.into_iter().map(|views| count(views.unwrap_or_default(), &key)).collect()
    }

    /// Decodes the next reply as one counter; 0 if it does not exist.
    fn count(&mut self) -> Result<u64, StoreError> {
        let (value, key) = self.take()?;
        count(decode::<Option<u64>>(value, &key)?.unwrap_or_default(), &key)
    }
}

/// The sum of offsets. It wraps, because callers only compare it with an earlier sum.
pub(super) fn sum(offsets: impl IntoIterator<Item = Seq>) -> u64 {
    offsets.into_iter().fold(0, u64::wrapping_add)
}

/// Decodes the value of a key.
pub(super) fn decode<T: FromRedisValue>(value: Value, key: &str) -> Result<T, StoreError> {
    redis::from_redis_value(value).map_err(|_| unexpected_value(key))
}

/// Checks a counter. No counter that truycap writes exceeds [`MAX_COUNT`], so sums of them do not overflow.
pub(super) fn count(views: u64, key: &str) -> Result<u64, StoreError> {
    if views <= MAX_COUNT { Ok(views) } else { Err(unexpected_value(key)) }
}

/// Parses the id of an article.
pub(super) fn article(id: &str, key: &str) -> Result<ArticleId, StoreError> {
    ArticleId::parse(id).map_err(|_| unexpected_value(key))
}
