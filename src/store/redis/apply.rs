//! Encodes increments as the arguments of `apply.lua`, and decodes its reply.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use redis::{Cmd, Value};

use super::{
    errors::unexpected_value,
    keys::{Keys, list_name, views_field},
};
use crate::{
    domain::{
        MAX_COUNT,
        article::ArticleId,
        counts::Deltas,
        period::{BucketSet, Period},
        producer::{Position, ProducerId, Seq},
        retention::Retention,
    },
    store::{Applied, Done, Revision, StoreError},
};

/// The arguments of one call of [`Store::apply_after`](crate::store::Store::apply_after).
pub(super) struct Apply<'a> {
    pub(super) earlier: Option<(ProducerId, Seq)>,
    pub(super) producer: ProducerId,
    pub(super) from: Position,
    pub(super) to: Position,
    pub(super) deltas: &'a Deltas,
    pub(super) now: DateTime<Utc>,
    pub(super) retention: Retention,
}

impl Apply<'_> {
    /// Adds keys and arguments to a call, in the order that the head of the script specifies.
    pub(super) fn fill(&self, cmd: &mut Cmd, keys: &Keys) {
        let keys = keys.of_scripts();
        cmd.arg(keys.len()).arg(&keys).arg(self.producer.to_string()).arg(self.from.to_string()).arg(self.to.to_string());
        match self.earlier {
            Some((producer, seq)) => cmd.arg(producer.to_string()).arg(seq),
            None => cmd.arg("").arg(""),
        };
        cmd.arg(self.now.timestamp());
        for oldest in oldest(self.retention, self.now.date_naive()) {
            cmd.arg(oldest);
        }
        let (views, kinds) = (self.deltas.of_site(), self.deltas.of_kinds());
        cmd.arg(views.len() + kinds.len());
        for (bucket, views) in views {
            cmd.arg(bucket.to_string()).arg(clamped(views));
        }
        for ((kind, bucket), count) in kinds {
            cmd.arg(views_field(Some(kind), bucket)).arg(clamped(count));
        }
        self.fill_articles(cmd);
    }

    fn fill_articles(&self, cmd: &mut Cmd) {
        let sets = &self.deltas.0;
        fill_sets(cmd, sets.keys());
        // Usually there is one set.
        if let (1, Some(views)) = (sets.len(), sets.values().next()) {
            for (article, &views) in views.articles.iter().filter(|(_, views)| **views > 0) {
                cmd.arg(article.as_str()).arg(clamped(views));
            }
            return;
        }
        let mut articles: HashMap<&ArticleId, String> = HashMap::new();
        for (set, views) in sets.values().enumerate() {
            for (article, &views) in views.articles.iter().filter(|(_, views)| **views > 0) {
                let increments = articles.entry(article).or_default();
                increments.push_str(&format!("{}:{},", set + 1, clamped(views)));
            }
        }
        for (article, increments) in articles {
            cmd.arg(article.as_str()).arg(increments);
        }
    }
}

/// Adds sets of buckets, in the form that `read_sets` of `common.lua` specifies.
pub(super) fn fill_sets<'a>(cmd: &mut Cmd, sets: impl ExactSizeIterator<Item = &'a BucketSet>) {
    cmd.arg(sets.len());
    for set in sets {
        for number in set.periods {
            match number {
                Some(number) => cmd.arg(number),
                None => cmd.arg(""),
            };
        }
        cmd.arg(if set.total { "1" } else { "" });
        let mut names: [String; 5] = Default::default();
        for bucket in set.buckets() {
            names[bucket.period().map_or(4, |period| period as usize)] = list_name(None, bucket);
        }
        cmd.arg(&names);
    }
}

/// The oldest period of each kind that is kept on a day.
pub(super) fn oldest(retention: Retention, today: NaiveDate) -> [i32; 4] {
    Period::ALL.map(|period| retention.oldest(period, today))
}

/// Limits an increment to one more than [`MAX_COUNT`], which the numbers of Lua hold exactly.
fn clamped(views: u64) -> u64 {
    views.min(MAX_COUNT + 1)
}

/// Decodes the reply of `apply.lua`.
pub(super) fn decode_reply(value: &Value, keys: &Keys) -> Result<Applied, StoreError> {
    let unexpected = || StoreError::PerhapsApplied(format!("Redis sent an unexpected reply: {value:?}"));
    let Value::Array(parts) = value else { return Err(unexpected()) };
    match &parts[..] {
        [Value::Int(1), done @ ..] => decode_done(done).map(Applied::Done).ok_or_else(unexpected),
        [Value::Int(0), offset] => {
            let offset = text(offset).ok_or_else(unexpected)?;
            offset.parse().map(Applied::Refused).map_err(|_| unexpected_value(&keys.offsets()))
        }
        _ => Err(decode_failure(parts).unwrap_or_else(unexpected)),
    }
}

/// Decodes what follows the 1 in the reply of a script that has made its changes.
pub(super) fn decode_done(parts: &[Value]) -> Option<Done> {
    let [before, after, Value::Int(saturated), Value::Int(jumped)] = parts else { return None };
    let revision = |part| parse_revision(&text(part)?);
    Some(Done { before: revision(before)?, after: revision(after)?, saturated: *saturated == 1, jumped: *jumped == 1 })
}

/// What a script returns if it changed nothing because of what the store holds.
pub(super) fn decode_failure(parts: &[Value]) -> Option<StoreError> {
    match parts {
        [Value::Int(3), key, rest @ ..] => {
            let article = rest.first().and_then(text).filter(|article| !article.is_empty());
            let key = text(key)?;
            Some(match article {
                Some(article) => StoreError::Corrupt(format!("article {article:?} of {key} has a record that truycap did not write")),
                None => unexpected_value(&key),
            })
        }
        [Value::Int(5), key] => Some(missing_key(&text(key)?)),
        [Value::Int(4), version] => Some(StoreError::Version { found: text(version)?.parse().unwrap_or(u32::MAX) }),
        _ => None,
    }
}

/// The error for a key that someone has deleted, because the others of its site are there.
pub(super) fn missing_key(key: &str) -> StoreError {
    StoreError::Corrupt(format!("{key} is missing, and other keys of the site are there: restore them together from a backup"))
}

pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

/// Parses `number:digest`.
pub(super) fn parse_revision(text: &str) -> Option<Revision> {
    // It has the form of a position.
    let Position { seq, digest } = text.parse().ok()?;
    Some(Revision { number: seq, digest })
}
