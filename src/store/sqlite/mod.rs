//! The embedded store: one SQLite file.
//!
//! # Constraints
//!
//! - A confirmed apply survives a crash and a power cut: the file is in WAL mode with `synchronous = full`.
//! - Other processes, such as an import, can use the file at the same time.
//! - The number of commits stays small with many sites, because each one costs an fsync.
//! - Neither a long read nor the deletion of expired counters holds up an apply.
//!
//! # Layout
//!
//! `schema.sql` has two tables. `views` holds one row per site, bucket and article; `offsets` holds one row per site and
//! producer. An application id and a schema version mark the file. `file` creates it, and refuses any other file.
//!
//! # Writing
//!
//! One `thread` runs `writer`, which commits all waiting applies together. An apply that fails is undone alone. `errors`
//! distinguishes what was not applied, what was perhaps applied, and damage.
//!
//! # Reading
//!
//! A second `thread` runs the functions of `reader`, one call at a time and each as of one moment. An export has its own
//! connection and blocks a thread of its own, because it lasts as long as its receiver takes. Reads skip expired buckets.
//!
//! # Deleting
//!
//! With each commit, `pruning` deletes a bounded number of expired rows. It scans each site once per UTC day.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use chrono::NaiveDate;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use self::{
    errors::{closed, store_error},
    thread::JobThread,
    writer::ApplyJob,
};
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

mod errors;
mod file;
mod pruning;
mod reader;
mod thread;
mod writer;

pub use file::OpenError;

/// One read for the reader thread; it sends its result itself.
type ReadJob = Box<dyn FnOnce(&mut Connection) + Send>;

/// A store in an SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    retention: Retention,
    clock: Clock,
    writer: JobThread<ApplyJob>,
    reader: JobThread<ReadJob>,
}

impl SqliteStore {
    /// Opens the file and starts the store's two threads. Creates the file, and the directories above it, if it does not
    /// exist. Article buckets expire by `clock`.
    ///
    /// Blocks for up to 10 seconds if another process has locked the file.
    ///
    /// # Errors
    /// If the file cannot be created or opened, or is not a store of truycap. Such a file is left unchanged.
    pub fn open(path: impl Into<PathBuf>, retention: Retention, clock: impl Into<Clock>) -> Result<Self, OpenError> {
        let path = path.into();
        let error = |reason: String| OpenError { path: path.clone(), reason };
        let conn = file::open(&path)?;
        let mut reader_conn = file::open_reader(&path).map_err(|e| error(e.to_string()))?;
        let writer = JobThread::start("store-writer", |queue| writer::run(conn, queue)).map_err(|e| error(e.to_string()))?;
        let reader = JobThread::start("store-reader", move |mut queue: mpsc::Receiver<ReadJob>| {
            while let Some(job) = queue.blocking_recv() {
                job(&mut reader_conn);
            }
        });
        let reader = reader.map_err(|e| error(e.to_string()))?;
        Ok(Self { path, retention, clock: clock.into(), writer, reader })
    }

    fn expiry(&self) -> Expiry {
        Expiry { retention: self.retention, today: self.clock.now().date_naive() }
    }

    /// Runs `work` on the reader thread, unless the caller has stopped waiting before its turn.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, result) = oneshot::channel();
        let job: ReadJob = Box::new(move |conn| {
            if !sender.is_closed() {
                let _gone = sender.send(work(conn));
            }
        });
        if !self.reader.send(job).await {
            return Err(closed());
        }
        result.await.map_err(|_| closed())?.map_err(store_error)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn apply(&self, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, deltas: Arc<Deltas>) -> Result<Applied, StoreError> {
        let (sender, result) = oneshot::channel();
        let job = ApplyJob { site: site.clone(), producer, from, to, deltas, expiry: self.expiry(), result: sender };
        if !self.writer.send(job).await {
            return Err(closed());
        }
        result.await.unwrap_or_else(|_| Err(StoreError::PerhapsApplied("the writer thread ended without an answer".into())))
    }

    async fn figures(&self, site: &SiteId, producer: ProducerId, today: NaiveDate, articles: &[ArticleId]) -> Result<Snapshot, StoreError> {
        let (site, articles, expiry) = (site.clone(), articles.to_vec(), self.expiry());
        self.read(move |conn| reader::figures(conn, &site, producer, today, &articles, expiry)).await
    }

    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Seq, StoreError> {
        let (site, producer) = (site.clone(), producer.to_string());
        self.read(move |conn| reader::offset(conn, &site, &producer)).await
    }

    async fn top(&self, site: &SiteId, bucket: Bucket, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        if self.expiry().is_expired(bucket) {
            return Ok(Vec::new());
        }
        let site = site.clone();
        self.read(move |conn| reader::top(conn, &site, bucket, limit)).await
    }

    async fn history(&self, site: &SiteId, article: Option<&ArticleId>, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        let (site, article, buckets, expiry) = (site.clone(), article.cloned(), buckets.to_vec(), self.expiry());
        self.read(move |conn| reader::history(conn, &site, article.as_ref(), &buckets, expiry)).await
    }

    /// The rows are those of one moment.
    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        let (site, path, expiry) = (site.clone(), self.path.clone(), self.expiry());
        let export = move || reader::export(&file::open_reader(&path)?, &site, expiry, &rows);
        let done = tokio::task::spawn_blocking(export).await;
        done.map_err(|e| StoreError::NotApplied(e.to_string()))?.map_err(store_error)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.read(|conn| reader::ping(conn)).await
    }

    async fn verify(&self) -> Result<(), StoreError> {
        self.read(|conn| reader::verify(conn)).await?.map_err(StoreError::Corrupt)
    }

    /// Waits for both threads. If the store is dropped instead, they end too, but unwaited for.
    async fn close(&self) {
        self.writer.close().await;
        self.reader.close().await;
    }
}
