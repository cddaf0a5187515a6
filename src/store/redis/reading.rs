//! Questions: several commands that are answered as of one moment, and what their answers mean.

use std::vec;

use redis::{FromRedisValue, Pipeline, ToRedisArgs, Value};

use super::{connection::Connection, errors::wrong_type};
use crate::{
    domain::{MAX_COUNT, article::ArticleId, producer::Seq},
    store::StoreError,
};

/// Commands of one transaction, each on one key.
pub(super) struct Reading {
    pipeline: Pipeline,
    keys: Vec<String>,
}

impl Reading {
    pub(super) fn new() -> Self {
        let mut pipeline = Pipeline::new();
        pipeline.atomic();
        Self { pipeline, keys: Vec::new() }
    }

    pub(super) fn ask(&mut self, command: &str, key: String, arguments: impl ToRedisArgs) {
        self.pipeline.cmd(command).arg(&key).arg(arguments);
        self.keys.push(key);
    }

    pub(super) async fn run(self, connection: &Connection) -> Result<Answers, StoreError> {
        match connection.run(&self.pipeline).await {
            Ok(values) => Ok(Answers(values.into_iter().zip(self.keys).collect::<Vec<_>>().into_iter())),
            Err(failure) => Err(failure.of_read(&self.keys)),
        }
    }
}

/// The answers of a [`Reading`], in the order in which was asked.
pub(super) struct Answers(vec::IntoIter<(Value, String)>);

impl Answers {
    pub(super) fn next<T: FromRedisValue>(&mut self) -> Result<T, StoreError> {
        let (value, key) = self.take()?;
        decode(value, &key)
    }

    fn take(&mut self) -> Result<(Value, String), StoreError> {
        self.0.next().ok_or_else(|| StoreError::NotApplied("Redis left an answer out".into()))
    }

    /// As many counters as were asked for; 0 where there is none.
    pub(super) fn counts(&mut self, asked: usize) -> Result<Vec<u64>, StoreError> {
        let (value, key) = self.take()?;
        let counts: Vec<Option<u64>> = decode(value, &key)?;
        if counts.len() != asked {
            return Err(wrong_type(&key));
        }
        counts.into_iter().map(|views| count(views.unwrap_or_default(), &key)).collect()
    }

    /// One counter; 0 where there is none.
    pub(super) fn count(&mut self) -> Result<u64, StoreError> {
        let (value, key) = self.take()?;
        count(decode::<Option<u64>>(value, &key)?.unwrap_or_default(), &key)
    }

    /// The offsets of all producers, by their ids.
    pub(super) fn offsets(&mut self) -> Result<Vec<(String, Seq)>, StoreError> {
        self.next()
    }
}

/// The sum of offsets, of which nobody needs more than whether it stays the same.
pub(super) fn sum(offsets: impl IntoIterator<Item = Seq>) -> u64 {
    offsets.into_iter().fold(0, u64::wrapping_add)
}

/// A value that a key held.
pub(super) fn decode<T: FromRedisValue>(value: Value, key: &str) -> Result<T, StoreError> {
    redis::from_redis_value(value).map_err(|_| wrong_type(key))
}

/// A counter that a key held. None of ours is greater than [`MAX_COUNT`], and sums of such ones do not overflow.
pub(super) fn count(views: u64, key: &str) -> Result<u64, StoreError> {
    if views <= MAX_COUNT { Ok(views) } else { Err(wrong_type(key)) }
}

/// An article that a key held.
pub(super) fn article(id: &str, key: &str) -> Result<ArticleId, StoreError> {
    ArticleId::parse(id).map_err(|_| wrong_type(key))
}
