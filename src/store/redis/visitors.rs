//! Readers of a site, as estimates: HyperLogLogs, which count different hashes and do not hold them.
//!
//! Nothing here is a counter, and all of it expires.

use async_trait::async_trait;
use chrono::NaiveDate;
use redis::Pipeline;

use super::{RedisStore, reading::Reading};
use crate::{
    domain::site::SiteId,
    store::{SharedVisitors, StoreError, VisitorCounts},
};

/// How many minutes before this one belong to those in which a reader is online.
const ONLINE: i64 = 5;

/// For how many seconds the key and the readers of a day are kept: into the night after it, on every instance's clock.
const KEEP_DAY: i64 = 26 * 60 * 60;

/// For how many seconds the readers of a minute are kept.
const KEEP_MINUTE: i64 = 10 * 60;

#[async_trait]
impl SharedVisitors for RedisStore {
    async fn key(&self, site: &SiteId, day: NaiveDate, offer: [u8; 16]) -> Result<[u8; 16], StoreError> {
        let key = self.keys(site).visitors_key(day);
        let mut reading = Reading::new();
        reading.ask("SET", key.clone(), (&offer[..], "NX", "EX", KEEP_DAY));
        reading.ask("GET", key.clone(), None::<&str>);
        let mut answers = reading.run(&self.connection).await?;
        let _was_first: Option<String> = answers.next()?;
        let bytes: Vec<u8> = answers.next()?;
        bytes.try_into().map_err(|_| super::errors::wrong_type(&key))
    }

    async fn count(&self, site: &SiteId, day: NaiveDate, minute: i64, hashes: &[[u8; 16]]) -> Result<VisitorCounts, StoreError> {
        let keys = self.keys(site);
        let mut pipeline = Pipeline::new();
        if !hashes.is_empty() {
            for (key, keep) in [(keys.visitors(day), KEEP_DAY), (keys.visitors_online(minute), KEEP_MINUTE)] {
                pipeline.cmd("PFADD").arg(&key);
                for hash in hashes {
                    pipeline.arg(&hash[..]);
                }
                pipeline.ignore().cmd("EXPIRE").arg(&key).arg(keep).ignore();
            }
        }
        let minutes: Vec<_> = (minute - ONLINE..=minute).map(|minute| keys.visitors_online(minute)).collect();
        pipeline.cmd("PFCOUNT").arg(&minutes).cmd("PFCOUNT").arg(keys.visitors(day));
        let values = self.connection.run(&pipeline).await.map_err(|failure| failure.of_read(&minutes))?;
        let count = |from_end: usize| {
            let value = values.len().checked_sub(from_end).and_then(|place| values.get(place)).cloned();
            super::reading::decode(value.unwrap_or(redis::Value::Nil), &minutes[0])
        };
        Ok(VisitorCounts { online: count(2)?, today: count(1)? })
    }
}
