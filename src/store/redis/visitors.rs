//! Visitors of a site, as estimates: HyperLogLogs, which count distinct hashes without storing them.
//!
//! Nothing here is a counter, and all of it expires.

use chrono::NaiveDate;
use redis::{Pipeline, Value};

use super::{
    errors::unexpected_value,
    keys::Keys,
    read::{ReadTransaction, decode},
    topology::Link,
};
use crate::store::{StoreError, VisitorCounts};

/// How many minutes before the present one still count as online.
const ONLINE_MINUTES: i64 = 5;

/// How long the key and the visitors of a day are kept: into the night after it, on every instance's clock.
const KEEP_DAY_SECONDS: i64 = 26 * 60 * 60;

/// How long the visitors of a minute are kept.
const KEEP_MINUTE_SECONDS: i64 = 10 * 60;

/// See [`SharedVisitors::key`](crate::store::SharedVisitors::key).
pub(super) async fn key(link: Link<'_>, keys: &Keys, day: NaiveDate, offer: [u8; 16]) -> Result<[u8; 16], StoreError> {
    let key = keys.visitors_key(day);
    let mut read = ReadTransaction::new();
    read.add("SET", key.clone(), (&offer[..], "NX", "EX", KEEP_DAY_SECONDS));
    read.add("GET", key.clone(), None::<&str>);
    let mut replies = read.run(link).await?;
    let _was_first: Option<String> = replies.next()?;
    let bytes: Vec<u8> = replies.next()?;
    bytes.try_into().map_err(|_| unexpected_value(&key))
}

/// See [`SharedVisitors::count`](crate::store::SharedVisitors::count).
pub(super) async fn count(
    link: Link<'_>,
    keys: &Keys,
    day: NaiveDate,
    minute: i64,
    hashes: &[[u8; 16]],
) -> Result<VisitorCounts, StoreError> {
    let mut pipeline = Pipeline::new();
    if !hashes.is_empty() {
        for (key, keep) in [(keys.visitors(day), KEEP_DAY_SECONDS), (keys.visitors_online(minute), KEEP_MINUTE_SECONDS)] {
            pipeline.cmd("PFADD").arg(&key);
            for hash in hashes {
                pipeline.arg(&hash[..]);
            }
            pipeline.ignore().cmd("EXPIRE").arg(&key).arg(keep).ignore();
        }
    }
    let minutes: Vec<_> = (minute - ONLINE_MINUTES..=minute).map(|minute| keys.visitors_online(minute)).collect();
    pipeline.cmd("PFCOUNT").arg(&minutes).cmd("PFCOUNT").arg(keys.visitors(day));
    let values = link.run(&pipeline).await.map_err(|error| error.into_read_error(&minutes))?;
    let count = |from_end: usize| {
        let value = values.len().checked_sub(from_end).and_then(|place| values.get(place)).cloned();
        decode(value.unwrap_or(Value::Nil), &minutes[0])
    };
    Ok(VisitorCounts { online: count(2)?, today: count(1)? })
}
