//! Encodes increments as the keys and arguments of `apply.lua`, and decodes its reply.

use chrono::NaiveTime;
use redis::{Cmd, FromRedisValue, Value};

use super::{errors::unexpected_value, keys::Keys, read::sum};
use crate::{
    domain::{
        MAX_COUNT,
        article::ArticleId,
        counts::Deltas,
        period::Bucket,
        producer::{ProducerId, Seq},
        retention::Expiry,
        site::SiteId,
    },
    store::{Applied, StoreError},
};

/// The increments of one apply.
pub(super) struct Increments<'a> {
    site: Vec<(Bucket, u64)>,
    groups: Vec<Group<'a>>,
}

/// Buckets with the same increments, usually the five of a day. The increments are sent and parsed once for all of them.
struct Group<'a> {
    /// Each with the Unix time in seconds at which it expires, or 0.
    buckets: Vec<(Bucket, i64)>,
    articles: Vec<(&'a ArticleId, u64)>,
}

impl<'a> Increments<'a> {
    pub(super) fn new(deltas: &'a Deltas, expiry: Expiry) -> Self {
        let mut increments = Self { site: Vec::new(), groups: Vec::new() };
        let mut before = None;
        for (&bucket, increment) in &deltas.0 {
            if increment.views > 0 {
                increments.site.push((bucket, clamped(increment.views)));
            }
            if expiry.is_expired(bucket) {
                continue;
            }
            let at = expire_at(expiry, bucket);
            match increments.groups.last_mut() {
                Some(group) if before == Some(&increment.articles) => group.buckets.push((bucket, at)),
                _ => {
                    let articles = increment.articles.iter().filter(|(_, views)| **views > 0);
                    let articles = articles.map(|(article, &views)| (article, clamped(views))).collect();
                    increments.groups.push(Group { buckets: vec![(bucket, at)], articles });
                }
            }
            before = Some(&increment.articles);
        }
        increments.groups.retain(|group| !group.articles.is_empty());
        increments
    }

    /// Adds keys and arguments to a call, in the order that the head of the script specifies.
    pub(super) fn fill(&self, cmd: &mut Cmd, keys: &Keys, producer: ProducerId, from: Seq, to: Seq) {
        let sets: usize = self.groups.iter().map(|group| group.buckets.len()).sum();
        cmd.arg(3 + sets).arg(keys.offsets()).arg(keys.views()).arg(keys.idle());
        for (bucket, _) in self.groups.iter().flat_map(|group| &group.buckets) {
            cmd.arg(keys.articles(*bucket));
        }
        cmd.arg(producer.to_string()).arg(from).arg(to).arg(self.site.len());
        for (bucket, views) in &self.site {
            cmd.arg(bucket.to_string()).arg(views);
        }
        for group in &self.groups {
            cmd.arg(group.buckets.len()).arg(group.articles.len());
            for (_, at) in &group.buckets {
                cmd.arg(at);
            }
            for (article, views) in &group.articles {
                cmd.arg(views).arg(article.as_str());
            }
        }
    }
}

/// Limits an increment to one more than [`MAX_COUNT`]. The script refuses it like any larger number, and the numbers of
/// Lua hold it exactly.
fn clamped(views: u64) -> u64 {
    views.min(MAX_COUNT + 1)
}

/// The Unix time in seconds at which a bucket expires; 0 for one that is kept forever.
fn expire_at(expiry: Expiry, bucket: Bucket) -> i64 {
    expiry.retention.expiry(bucket).map_or(0, |day| day.and_time(NaiveTime::MIN).and_utc().timestamp())
}

/// Decodes the reply of the script.
pub(super) fn decode_reply(value: &Value, keys: &Keys, site: &SiteId) -> Result<Applied, StoreError> {
    let unexpected = || StoreError::PerhapsApplied(format!("Redis sent an unexpected reply: {value:?}"));
    let Value::Array(parts) = value else { return Err(unexpected()) };
    let (kind, text) = match &parts[..] {
        [Value::Int(1), others @ Value::Array(_)] => {
            return Vec::from_redis_value_ref(others).map(|others| Applied::Done(sum(others))).map_err(|_| unexpected());
        }
        [Value::Int(kind), Value::BulkString(text)] => (kind, String::from_utf8_lossy(text)),
        _ => return Err(unexpected()),
    };
    match kind {
        0 => text.parse().map(Applied::Refused).map_err(|_| unexpected_value(&keys.offsets())),
        2 => {
            let bucket = text.parse().ok().or_else(|| keys.bucket(&text)).ok_or_else(unexpected)?;
            Err(StoreError::TooMany { site: site.clone(), bucket })
        }
        3 => Err(unexpected_value(&text)),
        _ => Err(unexpected()),
    }
}
