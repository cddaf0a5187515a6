//! Readers of a site, as estimates: HyperLogLogs, which count different hashes and do not hold them.
//!
//! Nothing here is a counter, and all of it expires.

use chrono::{DateTime, NaiveDate, Utc};
use redis::Pipeline;

use super::{RedisStore, reading::Reading};
use crate::{domain::site::SiteId, store::StoreError};

/// How many minutes before this one belong to those in which a reader is online.
const ONLINE: i64 = 5;

/// For how many seconds the key and the readers of a day are kept: into the night after it, on every instance's clock.
const KEEP_DAY: i64 = 26 * 60 * 60;

/// For how many seconds the readers of a minute are kept.
const KEEP_MINUTE: i64 = 10 * 60;

/// How many readers there are, of all instances together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderCounts {
    /// In this minute and the five before.
    pub online: u64,
    /// On the day.
    pub today: u64,
}

impl<C: Fn() -> DateTime<Utc> + Send + Sync + 'static> RedisStore<C> {
    /// The random key by which readers of a site's day are hashed: that of whoever came first, else `offer`.
    ///
    /// # Errors
    /// Where Redis is away, or has something else under that name.
    pub async fn readers_key(&self, site: &SiteId, day: NaiveDate, offer: [u8; 16]) -> Result<[u8; 16], StoreError> {
        let key = self.keys(site).readers_key(day);
        let mut reading = Reading::new();
        reading.ask("SET", key.clone(), (&offer[..], "NX", "EX", KEEP_DAY));
        reading.ask("GET", key.clone(), None::<&str>);
        let mut answers = reading.run(&self.connection).await?;
        let _was_first: Option<String> = answers.next()?;
        let bytes: Vec<u8> = answers.next()?;
        bytes.try_into().map_err(|_| super::errors::wrong_type(&key))
    }

    /// Adds readers, by their hashes, to those of a day and of a minute (since 1970), and counts them.
    ///
    /// # Errors
    /// Where Redis is away, or has something else under these names. The readers may then be counted or not.
    pub async fn count_readers(
        &self,
        site: &SiteId,
        day: NaiveDate,
        minute: i64,
        readers: &[[u8; 16]],
    ) -> Result<ReaderCounts, StoreError> {
        let keys = self.keys(site);
        let mut pipeline = Pipeline::new();
        if !readers.is_empty() {
            for (key, keep) in [(keys.readers(day), KEEP_DAY), (keys.readers_online(minute), KEEP_MINUTE)] {
                pipeline.cmd("PFADD").arg(&key);
                for reader in readers {
                    pipeline.arg(&reader[..]);
                }
                pipeline.ignore().cmd("EXPIRE").arg(&key).arg(keep).ignore();
            }
        }
        let minutes: Vec<_> = (minute - ONLINE..=minute).map(|minute| keys.readers_online(minute)).collect();
        pipeline.cmd("PFCOUNT").arg(&minutes).cmd("PFCOUNT").arg(keys.readers(day));
        let values = self.connection.run(&pipeline).await.map_err(|failure| failure.of_read(&minutes))?;
        let count = |from_end: usize| {
            let value = values.len().checked_sub(from_end).and_then(|place| values.get(place)).cloned();
            super::reading::decode(value.unwrap_or(redis::Value::Nil), &minutes[0])
        };
        Ok(ReaderCounts { online: count(2)?, today: count(1)? })
    }
}
