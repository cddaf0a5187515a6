//! From deltas to the arguments of `apply.lua`, and from its answer to ours.

use redis::{Cmd, FromRedisValue, Value};

use super::{errors::wrong_type, expire_at, keys::Keys, reading::sum};
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

/// The increments of one call.
pub(super) struct Increments<'a> {
    site: Vec<(Bucket, u64)>,
    groups: Vec<Group<'a>>,
}

/// Buckets that take the same increments: the five of a day, as a rule. They are sent and read once for all of them.
struct Group<'a> {
    /// With the instant (Unix time in seconds) from which on they are gone, or 0.
    buckets: Vec<(Bucket, i64)>,
    articles: Vec<(&'a ArticleId, u64)>,
}

impl<'a> Increments<'a> {
    pub(super) fn new(deltas: &'a Deltas, expiry: Expiry) -> Self {
        let mut increments = Self { site: Vec::new(), groups: Vec::new() };
        let mut before = None;
        for (&bucket, increment) in &deltas.0 {
            if increment.views > 0 {
                increments.site.push((bucket, sendable(increment.views)));
            }
            if expiry.gone(bucket) {
                continue;
            }
            let at = expire_at(expiry, bucket);
            match increments.groups.last_mut() {
                Some(group) if before == Some(&increment.articles) => group.buckets.push((bucket, at)),
                _ => {
                    let articles = increment.articles.iter().filter(|(_, views)| **views > 0);
                    let articles = articles.map(|(article, &views)| (article, sendable(views))).collect();
                    increments.groups.push(Group { buckets: vec![(bucket, at)], articles });
                }
            }
            before = Some(&increment.articles);
        }
        increments.groups.retain(|group| !group.articles.is_empty());
        increments
    }

    /// Adds keys and arguments to a call, in the order that the script's head states.
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

/// One more than the greatest count is refused like any larger number, and a script's numbers hold it exactly.
fn sendable(views: u64) -> u64 {
    views.min(MAX_COUNT + 1)
}

/// What the script's answer means.
pub(super) fn answer(value: &Value, keys: &Keys, site: &SiteId) -> Result<Applied, StoreError> {
    let unknown = || StoreError::PerhapsApplied(format!("Redis gave an answer that is not understood: {value:?}"));
    let Value::Array(parts) = value else { return Err(unknown()) };
    let (kind, text) = match &parts[..] {
        [Value::Int(1), others @ Value::Array(_)] => {
            return Vec::from_redis_value_ref(others).map(|others| Applied::Done(sum(others))).map_err(|_| unknown());
        }
        [Value::Int(kind), Value::BulkString(text)] => (kind, String::from_utf8_lossy(text)),
        _ => return Err(unknown()),
    };
    match kind {
        0 => text.parse().map(Applied::Refused).map_err(|_| wrong_type(&keys.offsets())),
        2 => {
            let bucket = text.parse().ok().or_else(|| keys.bucket(&text)).ok_or_else(unknown)?;
            Err(StoreError::TooMany { site: site.clone(), bucket })
        }
        3 => Err(wrong_type(&text)),
        _ => Err(unknown()),
    }
}
