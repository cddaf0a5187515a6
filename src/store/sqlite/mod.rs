//! The embedded store: one SQLite file, which other processes (an import, say) may use at the same time.
//!
//! - `file`: making and recognising the file; `schema.sql` beside it
//! - `worker`: a thread with a queue
//! - `writer`: the thread of all applies, which are committed together
//! - `pruning`: deleting what has expired
//! - `reader`: the thread of all questions, so that a long one never holds up an apply
//!
//! An export has a connection of its own: it lasts as long as its receiver likes.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use chrono::NaiveDate;
use rusqlite::{Connection, Error as SqlError, ErrorCode};
use tokio::sync::{mpsc, oneshot};

use self::{worker::Worker, writer::Apply};
use super::{Applied, Row, Snapshot, Store, StoreError};
use crate::domain::{
    article::ArticleId,
    clock::Clock,
    counts::Deltas,
    period::Bucket,
    producer::{ProducerId, Seq},
    retention::{Expiry, Retention},
    site::SiteId,
};

mod file;
mod pruning;
mod reader;
mod worker;
mod writer;

pub use file::OpenError;

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file. It is made, with the directories above it, where it does not exist.
    pub path: PathBuf,
}

/// One question for the reader; it sends its answer itself.
type Question = Box<dyn FnOnce(&mut Connection) + Send>;

/// A store in an SQLite file.
pub struct SqliteStore {
    config: Config,
    retention: Retention,
    clock: Clock,
    writer: Worker<Apply>,
    reader: Worker<Question>,
}

impl SqliteStore {
    /// Opens the file and starts the store's two threads. `clock` tells the instant by which buckets of articles expire.
    ///
    /// Blocks for up to 10 seconds where another process holds the file.
    ///
    /// # Errors
    /// Where the file cannot be made or opened, or is not a store of truycap; then it is left as it was.
    pub fn open(config: Config, retention: Retention, clock: impl Into<Clock>) -> Result<Self, OpenError> {
        let error = |reason: String| OpenError { path: config.path.clone(), reason };
        let conn = file::open(&config.path)?;
        let mut reading = file::open_reader(&config.path).map_err(|e| error(e.to_string()))?;
        let writer = Worker::start("store-writer", |queue| writer::run(conn, queue)).map_err(|e| error(e.to_string()))?;
        let reader = Worker::start("store-reader", move |mut queue: mpsc::Receiver<Question>| {
            while let Some(question) = queue.blocking_recv() {
                question(&mut reading);
            }
        });
        let reader = reader.map_err(|e| error(e.to_string()))?;
        Ok(Self { config, retention, clock: clock.into(), writer, reader })
    }

    fn expiry(&self) -> Expiry {
        Expiry { retention: self.retention, today: self.clock.now().date_naive() }
    }

    /// Has the reader answer a question.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Question = Box::new(move |conn| {
            if !answer.is_closed() {
                let _gone = answer.send(question(conn));
            }
        });
        if !self.reader.send(job).await {
            return Err(closed());
        }
        answered.await.map_err(|_| closed())?.map_err(sql_error)
    }
}

/// Nothing was changed, as far as one statement or a transaction before its commit is concerned.
fn sql_error(e: SqlError) -> StoreError {
    match e {
        SqlError::FromSqlConversionFailure(..)
        | SqlError::IntegralValueOutOfRange(..)
        | SqlError::InvalidColumnType(..)
        | SqlError::Utf8Error(..) => StoreError::Corrupt(e.to_string()),
        _ if matches!(e.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) => {
            StoreError::Corrupt(e.to_string())
        }
        _ => StoreError::NotApplied(e.to_string()),
    }
}

fn closed() -> StoreError {
    StoreError::NotApplied("it is closed".into())
}

#[async_trait]
impl Store for SqliteStore {
    async fn apply(&self, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, deltas: Arc<Deltas>) -> Result<Applied, StoreError> {
        let (answer, answered) = oneshot::channel();
        let apply = Apply { site: site.clone(), producer, from, to, deltas, expiry: self.expiry(), answer };
        if !self.writer.send(apply).await {
            return Err(closed());
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::PerhapsApplied("its writer ended without an answer".into())))
    }

    async fn figures(&self, site: &SiteId, producer: ProducerId, today: NaiveDate, articles: &[ArticleId]) -> Result<Snapshot, StoreError> {
        let (site, articles, expiry) = (site.clone(), articles.to_vec(), self.expiry());
        self.ask(move |conn| reader::figures(conn, &site, producer, today, &articles, expiry)).await
    }

    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Seq, StoreError> {
        let (site, producer) = (site.clone(), producer.to_string());
        self.ask(move |conn| reader::offset(conn, &site, &producer)).await
    }

    async fn top(&self, site: &SiteId, bucket: Bucket, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        if self.expiry().gone(bucket) {
            return Ok(Vec::new());
        }
        let site = site.clone();
        self.ask(move |conn| reader::top(conn, &site, bucket, limit)).await
    }

    async fn history(&self, site: &SiteId, article: Option<&ArticleId>, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        let (site, article, buckets, expiry) = (site.clone(), article.cloned(), buckets.to_vec(), self.expiry());
        self.ask(move |conn| reader::history(conn, &site, article.as_ref(), &buckets, expiry)).await
    }

    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        let (site, path, expiry) = (site.clone(), self.config.path.clone(), self.expiry());
        let export = move || reader::export(&file::open_reader(&path)?, &site, expiry, &rows);
        let done = tokio::task::spawn_blocking(export).await;
        done.map_err(|e| StoreError::NotApplied(e.to_string()))?.map_err(sql_error)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.ask(|conn| reader::ping(conn)).await
    }

    async fn verify(&self) -> Result<(), StoreError> {
        self.ask(|conn| reader::verify(conn)).await?.map_err(StoreError::Corrupt)
    }

    /// A store that is dropped ends its threads as well, but does not wait for them.
    async fn close(&self) {
        self.writer.close().await;
        self.reader.close().await;
    }
}
