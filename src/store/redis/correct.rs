//! Encodes a step of a correction as the arguments of `correct.lua`, and decodes its reply.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use redis::{Cmd, Value};

use super::{
    apply::{decode_done, decode_failure, fill_sets, oldest, text},
    audit::BILLION,
    errors::{RequestError, unexpected_value},
    keys::Keys,
    script::Script,
    topology::Link,
};
use crate::{
    domain::{
        MAX_COUNT,
        correction::{BelowZero, Change, KEPT_CHANGES, encode, totals},
        counts::Subject,
        period::{Bucket, BucketSet},
        retention::Retention,
    },
    store::{Corrected, Step, StoreError},
};

/// One call of [`Store::correct`](crate::store::Store::correct).
pub(super) async fn correct(
    link: Link<'_>,
    script: &Script,
    keys: &Keys,
    step: &Step,
    retention: Retention,
    now: DateTime<Utc>,
) -> Result<Corrected, StoreError> {
    let note = serde_json::to_string(&step.note).map_err(|error| StoreError::NotApplied(error.to_string()))?;
    let changes = encode(&step.changes).map_err(|error| StoreError::NotApplied(error.to_string()))?;
    let reply = script.run(link, |cmd| {
        cmd.arg(10).arg(&keys.of_scripts()).arg(&keys.of_corrections());
        cmd.arg(step.producer.to_string()).arg(step.from.to_string()).arg(step.to.to_string());
        cmd.arg(now.timestamp()).arg(&oldest(retention, now.date_naive()));
        cmd.arg(step.note.undoes.map_or_else(String::new, |number| number.to_string())).arg(&note).arg(&changes);
        let (site, articles) = totals(&step.changes);
        for sum in [site, articles] {
            cmd.arg(sum.div_euclid(BILLION)).arg(sum.rem_euclid(BILLION));
        }
        cmd.arg(KEPT_CHANGES);
        fill_changes(cmd, &step.changes);
    });
    reply.await.map_err(RequestError::into_apply_error).and_then(|value| decode_reply(&value, keys, &step.changes))
}

fn fill_changes(cmd: &mut Cmd, changes: &[Change]) {
    let mut sets: BTreeMap<BucketSet, usize> = changes.iter().map(|change| (change.buckets, 0)).collect();
    for (at, number) in sets.values_mut().enumerate() {
        *number = at + 1;
    }
    fill_sets(cmd, sets.keys());
    for change in changes {
        match &change.subject {
            Subject::Site => cmd.arg("").arg(""),
            Subject::Kind(kind) => cmd.arg("").arg(format!("{kind}:")),
            Subject::Article(article) => cmd.arg(article.as_str()).arg(""),
        };
        // One more than the largest count, which the numbers of Lua hold exactly.
        let most = MAX_COUNT.cast_signed() + 1;
        cmd.arg(sets[&change.buckets]).arg(change.views.clamp(-most, most));
    }
}

/// Decodes the reply of `correct.lua`.
fn decode_reply(value: &Value, keys: &Keys, changes: &[Change]) -> Result<Corrected, StoreError> {
    let unexpected = || StoreError::PerhapsApplied(format!("Redis sent an unexpected reply: {value:?}"));
    let Value::Array(parts) = value else { return Err(unexpected()) };
    let decoded = match &parts[..] {
        [Value::Int(1), done @ .., Value::Int(number)] => {
            decode_done(done).map(|done| Corrected::Done { done, number: number.cast_unsigned() })
        }
        [Value::Int(0), offset] => {
            let offset = text(offset).ok_or_else(unexpected)?;
            return offset.parse().map(Corrected::Refused).map_err(|_| unexpected_value(&keys.offsets()));
        }
        [Value::Int(2), Value::Int(change), Value::Int(kind), has] => below_zero(changes, *change, *kind, has).map(Corrected::BelowZero),
        [Value::Int(6), Value::Int(by)] => Some(Corrected::Undone(by.cast_unsigned())),
        _ => return Err(decode_failure(parts).unwrap_or_else(unexpected)),
    };
    decoded.ok_or_else(unexpected)
}

/// The counter of a change, by the numbers (from 1) of the change and of the kind of bucket.
fn below_zero(changes: &[Change], change: i64, kind: i64, has: &Value) -> Option<BelowZero> {
    let change = changes.get(usize::try_from(change).ok()?.checked_sub(1)?)?;
    let kind_of = |bucket: &Bucket| bucket.period().map_or(5, |period| period as i64 + 1);
    let bucket = change.buckets.buckets().find(|bucket| kind_of(bucket) == kind)?;
    // Redis returns a number below 1e14 as an integer.
    let has = match has {
        Value::Int(has) => u64::try_from(*has).ok()?,
        has => text(has)?.parse().ok()?,
    };
    Some(BelowZero { subject: change.subject.clone(), bucket, has })
}
