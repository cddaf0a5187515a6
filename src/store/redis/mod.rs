//! The store in Redis (6.2 or later) or Valkey, which several instances of the service may share.
//!
//! - `url`, `keys`: where things are
//! - `connection`: one connection, and when another one is made; `errors`: what its failures mean
//! - `script`: scripts; `apply.lua` and `top.lua` beside it
//! - `apply`: what goes into `apply.lua` and what comes out
//! - `barrier`: waiting for replicas and disks, where that is asked for
//! - `idle`: producers that are no longer in use; `idle.lua` beside it
//! - `visitors`: estimates of visitors
//! - `reading`, `export`: questions
//! - `advice`: what could be better about a server
//!
//! Buckets of articles expire by Redis's clock, at the instant that the retention gives when they are last added to.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{NaiveDate, NaiveTime};
use redis::{FromRedisValue, Value};
use tokio::sync::mpsc;

use self::{
    apply::Increments,
    barrier::Barrier,
    connection::Connection,
    errors::Failure,
    idle::Idle,
    keys::Keys,
    reading::{Reading, article, count, decode, sum},
    script::Script,
};
use super::{Applied, Row, SharedVisitors, Snapshot, Store, StoreError};
use crate::domain::{
    article::ArticleId,
    clock::Clock,
    counts::Deltas,
    figures::{Figure, Figures},
    period::Bucket,
    producer::{ProducerId, Seq},
    retention::{Expiry, Retention},
    site::SiteId,
};

mod advice;
mod apply;
mod barrier;
mod connection;
mod errors;
mod export;
mod idle;
mod keys;
mod reading;
mod script;
mod url;
mod visitors;

pub use advice::advice;
pub use barrier::Wait;
pub use keys::{Prefix, PrefixError};
pub use url::{Url, UrlError};

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The server.
    pub url: Url,
    /// What all keys begin with. Two services that share a server and not their counters have two of them.
    pub prefix: Prefix,
    /// What an apply waits for.
    pub wait: Wait,
}

/// The Unix time in seconds from which on a bucket is gone; 0 for one that is kept for ever.
fn expire_at(expiry: Expiry, bucket: Bucket) -> i64 {
    expiry.retention.expiry(bucket).map_or(0, |day| day.and_time(NaiveTime::MIN).and_utc().timestamp())
}

/// A store in Redis.
pub struct RedisStore {
    prefix: Prefix,
    retention: Retention,
    clock: Clock,
    connection: Connection,
    apply: Script,
    top: Script,
    idle: Idle,
    barrier: Option<Barrier>,
}

impl RedisStore {
    /// A store that connects when it is first asked: Redis may be away. `clock` tells the instant by which buckets of
    /// articles expire.
    pub fn open(config: Config, retention: Retention, clock: impl Into<Clock>) -> Self {
        let (connection, barrier) = (Connection::new(&config.url), Barrier::new(config.wait, &config.url));
        let (apply, top) = (Script::new(include_str!("apply.lua")), Script::new(include_str!("top.lua")));
        Self { prefix: config.prefix, retention, clock: clock.into(), connection, apply, top, idle: Idle::new(), barrier }
    }

    /// What a server says about itself; `None` where that is not for this user.
    async fn learn<T: FromRedisValue>(&self, question: &redis::Cmd) -> Result<Option<T>, StoreError> {
        match self.connection.run(question).await {
            Ok(value) => Ok(redis::from_redis_value(value).ok()),
            Err(Failure::Refused(refusal)) if refusal.forbids() => Ok(None),
            Err(failure) => Err(failure.of_read(&[])),
        }
    }

    fn keys(&self, site: &SiteId) -> Keys {
        Keys::new(&self.prefix, site)
    }

    fn expiry(&self) -> Expiry {
        Expiry { retention: self.retention, today: self.clock.now().date_naive() }
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn apply(&self, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, deltas: Arc<Deltas>) -> Result<Applied, StoreError> {
        let keys = self.keys(site);
        let increments = Increments::new(&deltas, self.expiry());
        let answer = self.apply.run(&self.connection, |cmd| increments.fill(cmd, &keys, producer, from, to)).await;
        let answer = answer.map_err(Failure::of_write).and_then(|value| apply::answer(&value, &keys, site));
        if let Some(barrier) = &self.barrier {
            match answer {
                Ok(Applied::Done(_)) => barrier.after_write(&keys).await?,
                Ok(Applied::Refused(_)) => barrier.before_answer(&keys).await?,
                Err(StoreError::PerhapsApplied(_)) => barrier.owe(),
                Err(_) => {}
            }
        }
        let applied = answer?;
        if matches!(applied, Applied::Done(_)) {
            self.idle.look(&self.connection, &keys, site, producer, self.clock.now()).await;
        }
        Ok(applied)
    }

    async fn figures(&self, site: &SiteId, producer: ProducerId, today: NaiveDate, articles: &[ArticleId]) -> Result<Snapshot, StoreError> {
        let (keys, expiry, buckets) = (self.keys(site), self.expiry(), Figure::buckets(today));
        if let Some(barrier) = &self.barrier {
            barrier.before_answer(&keys).await?;
        }
        let kept = |bucket: &Bucket| !articles.is_empty() && !expiry.gone(*bucket);
        let ids: Vec<&str> = articles.iter().map(ArticleId::as_str).collect();
        let mut reading = Reading::new();
        let producer = producer.to_string();
        reading.ask("HGETALL", keys.offsets(), None::<&str>);
        reading.ask("HGET", keys.idle(), &producer);
        reading.ask("HMGET", keys.views(), buckets.map(|bucket| bucket.to_string()).to_vec());
        for bucket in buckets.iter().filter(|bucket| kept(bucket)) {
            reading.ask("ZMSCORE", keys.articles(*bucket), &ids);
        }
        let mut answers = reading.run(&self.connection).await?;

        let (own, others): (Vec<_>, Vec<_>) = answers.offsets()?.into_iter().partition(|(id, _)| *id == producer);
        let idle = answers.next::<Option<Seq>>()?;
        let of_site = answers.counts(buckets.len())?;
        let mut of_articles = vec![[0; 9]; articles.len()];
        for (place, _) in buckets.iter().enumerate().filter(|(_, bucket)| kept(bucket)) {
            for (counts, views) in of_articles.iter_mut().zip(answers.counts(ids.len())?) {
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

    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Seq, StoreError> {
        let (keys, producer) = (self.keys(site), producer.to_string());
        if let Some(barrier) = &self.barrier {
            barrier.before_answer(&keys).await?;
        }
        let mut reading = Reading::new();
        reading.ask("HGET", keys.offsets(), &producer);
        reading.ask("HGET", keys.idle(), &producer);
        let mut answers = reading.run(&self.connection).await?;
        let (own, idle) = (answers.next::<Option<Seq>>()?, answers.next::<Option<Seq>>()?);
        Ok(own.or(idle).unwrap_or_default())
    }

    async fn top(&self, site: &SiteId, bucket: Bucket, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        if limit == 0 || self.expiry().gone(bucket) {
            return Ok(Vec::new());
        }
        let key = self.keys(site).articles(bucket);
        // Redis holds no more articles than this.
        let most = limit.min(u32::MAX as usize);
        let fill = |cmd: &mut redis::Cmd| {
            cmd.arg(1).arg(&key).arg(most);
        };
        let answer = self.top.run(&self.connection, fill).await;
        let value: Value = answer.map_err(|failure| failure.of_read(std::slice::from_ref(&key)))?;
        let found: Vec<(String, u64)> = decode(value, &key)?;
        let top = found.into_iter().map(|(id, views)| Ok((article(&id, &key)?, count(views, &key)?)));
        let mut top = top.collect::<Result<Vec<_>, StoreError>>()?;
        top.retain(|(_, views)| *views > 0);
        top.sort_by(|(a, a_views), (b, b_views)| b_views.cmp(a_views).then_with(|| a.cmp(b)));
        top.truncate(limit);
        Ok(top)
    }

    async fn history(&self, site: &SiteId, article: Option<&ArticleId>, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        let (keys, expiry) = (self.keys(site), self.expiry());
        let kept = |bucket: &Bucket| article.is_none() || !expiry.gone(*bucket);
        if !buckets.iter().any(kept) {
            return Ok(vec![0; buckets.len()]);
        }
        let mut reading = Reading::new();
        let Some(article) = article else {
            reading.ask("HMGET", keys.views(), buckets.iter().map(Bucket::to_string).collect::<Vec<_>>());
            return reading.run(&self.connection).await?.counts(buckets.len());
        };
        for bucket in buckets.iter().filter(|bucket| kept(bucket)) {
            reading.ask("ZSCORE", keys.articles(*bucket), article.as_str());
        }
        let mut answers = reading.run(&self.connection).await?;
        buckets.iter().map(|bucket| if kept(bucket) { answers.count() } else { Ok(0) }).collect()
    }

    /// Not of one moment while others write: each bucket is read when the export comes to it.
    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        export::export(&self.connection, &self.keys(site), self.expiry(), &rows).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.connection.run(&redis::cmd("PING")).await.map(drop).map_err(|failure| failure.of_read(&[]))
    }

    /// See [`advice()`].
    async fn advice(&self) -> Result<Vec<String>, StoreError> {
        // Hosted servers do not let everybody see how they are set up.
        let info: Option<String> = self.learn(&redis::cmd("INFO")).await?;
        let appendfsync: Option<Vec<String>> = self.learn(redis::cmd("CONFIG").arg("GET").arg("appendfsync")).await?;
        let mut advice = advice(&info.unwrap_or_default(), appendfsync.as_ref().and_then(|pair| pair.get(1)).map(String::as_str));
        // The first is refused in any case, where scripts may be run because nobody knows this one.
        for (name, script) in [("EVALSHA", "0000000000000000000000000000000000000000"), ("EVAL", "return 1")] {
            match self.connection.run(redis::cmd(name).arg(script).arg(0)).await {
                Err(Failure::Refused(refusal)) if refusal.forbids() => advice.push(format!(
                    "Redis runs no scripts for the user of store.url, and without them counts nothing: allow {name} ({})",
                    refusal.text
                )),
                _ => {}
            }
        }
        Ok(advice)
    }

    fn visitors(&self) -> Option<&dyn SharedVisitors> {
        Some(self)
    }

    async fn close(&self) {
        self.connection.close();
        if let Some(barrier) = &self.barrier {
            barrier.close();
        }
    }
}
