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
//! `schema.sql` and `corrections.sql` describe the tables: of an article there is one record of text, and one of its past if it has
//! one. An application id and a version mark the file. `file` creates it, refuses any other file, and notices if it is replaced.
//!
//! # Writing
//!
//! One `thread` runs `writer`, which commits all waiting calls together. A call that fails is undone alone. `apply` adds views,
//! `correct` makes the steps of corrections, which `audit` keeps, and both keep the most-read `lists`; `maintain` builds lists and
//! deletes old ones; `site` is the row of a site. `errors` distinguishes what was not applied, what was perhaps applied, and damage.
//!
//! # Backups
//!
//! A backup is a file of this store that no process has open. `contents` makes and reads one, also for the store in Redis;
//! `replace` puts one into the store's place.
//!
//! # Reading
//!
//! Two more threads run the functions of `reader`, each as of one moment: one for figures, one for lists and histories, so that
//! neither waits for the other. An export or a check of the whole file has its own connection and blocks a thread of its own,
//! because it lasts long. Reads skip expired buckets.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use chrono::NaiveDate;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use self::{
    apply::{Apply, Memory},
    correct::Correct,
    errors::{ReadError, closed},
    file::Identity,
    reader::View,
    thread::JobThread,
    writer::{Call, Outcome, WriteJob, Writer},
};
use super::{Applied, Corrected, Row, Snapshot, Step, Store, StoreError, TopList};
use crate::domain::{
    article::{ArticleId, Section},
    clock::Clock,
    correction::{AuditEntry, Change, encode},
    counts::{Deltas, Subject},
    period::Bucket,
    producer::{Position, ProducerId, Seq},
    retention::Retention,
    site::SiteId,
};

mod apply;
mod audit;
pub(in crate::store) mod contents;
mod correct;
mod errors;
mod file;
mod lists;
mod maintain;
mod reader;
mod replace;
pub(in crate::store) mod site;
mod thread;
mod writer;

pub use contents::{Backup, BackupError};
pub use file::OpenError;
pub use replace::{ReplaceError, Target};

/// One read for a reader thread; it sends its result itself.
type ReadJob = Box<dyn FnOnce(&mut Connection) + Send>;

/// A store in an SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    file: Identity,
    retention: Retention,
    clock: Clock,
    writer: JobThread<WriteJob>,
    figures: JobThread<ReadJob>,
    lists: JobThread<ReadJob>,
}

impl SqliteStore {
    /// Opens the file and starts the store's three threads. Creates the file, and the directories above it, if it does not
    /// exist. Article buckets expire by `clock`.
    ///
    /// Blocks for up to 10 seconds if another process has locked the file.
    ///
    /// # Errors
    /// If the file cannot be created or opened, or is not a store of truycap. Such a file is left unchanged.
    pub fn open(path: impl Into<PathBuf>, retention: Retention, clock: impl Into<Clock>) -> Result<Self, OpenError> {
        let path = path.into();
        let conn = file::open(&path)?;
        let error = |reason: String| OpenError { path: path.clone(), reason };
        let file = Identity::of(&path).map_err(|e| error(e.to_string()))?;
        let reader = |name| {
            let mut conn = file::open_reader(&path).map_err(|e| error(e.to_string()))?;
            let run = move |mut queue: mpsc::Receiver<ReadJob>| {
                while let Some(job) = queue.blocking_recv() {
                    job(&mut conn);
                }
            };
            JobThread::start(name, run).map_err(|e| error(e.to_string()))
        };
        let (figures, lists) = (reader("store-figures")?, reader("store-lists")?);
        let writer = Writer { conn, file: file.clone(), retention, memory: Memory::default() };
        let writer = JobThread::start("store-writer", |queue| writer.run(queue)).map_err(|e| error(e.to_string()))?;
        Ok(Self { path, file, retention, clock: clock.into(), writer, figures, lists })
    }

    fn view(&self) -> View {
        View { retention: self.retention, now: self.clock.now() }
    }

    async fn write(&self, call: Call) -> Result<Outcome, StoreError> {
        let (result, answer) = oneshot::channel();
        if !self.writer.send(WriteJob { call, result }).await {
            return Err(closed());
        }
        answer.await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// Runs `work` on a reader thread, unless the caller has stopped waiting before its turn.
    async fn read<T: Send + 'static, E: Into<ReadError>>(
        &self,
        thread: &JobThread<ReadJob>,
        work: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, result) = oneshot::channel();
        let file = self.file.clone();
        let job: ReadJob = Box::new(move |conn| {
            if !sender.is_closed() {
                let done = file.check().and_then(|()| work(conn).map_err(|error| file.explain(error.into().0)));
                let _gone = sender.send(done);
            }
        });
        if !thread.send(job).await {
            return Err(closed());
        }
        result.await.map_err(|_| closed())?
    }

    /// Copies everything, as of one moment, into an empty file, while other processes use the store.
    ///
    /// # Errors
    /// If the store cannot be read, is damaged, or the file cannot be written.
    pub async fn backup(&self, into: &Path) -> Result<(), StoreError> {
        let into = into.to_owned();
        self.read_long(move |conn| contents::copy(conn, &into)).await
    }

    /// Runs a long read on a connection and a thread of its own.
    async fn read_long(&self, work: impl FnOnce(&mut Connection) -> Result<(), ReadError> + Send + 'static) -> Result<(), StoreError> {
        self.file.check()?;
        let path = self.path.clone();
        let work = move || work(&mut file::open_reader(&path)?);
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|e| StoreError::NotApplied(e.to_string()))?.map_err(|error| error.0)
    }
}

/// The writer has ended, because of a bug.
fn unanswered() -> StoreError {
    StoreError::PerhapsApplied("the writer thread ended without an answer".into())
}

#[async_trait]
impl Store for SqliteStore {
    async fn apply_after(
        &self,
        site: &SiteId,
        earlier: Option<(ProducerId, Seq)>,
        producer: ProducerId,
        from: Position,
        to: Position,
        deltas: Arc<Deltas>,
    ) -> Result<Applied, StoreError> {
        let call = Apply { site: site.clone(), earlier, producer, from, to, deltas, now: self.clock.now() };
        match self.write(Call::Apply(call)).await? {
            Outcome::Applied(applied) => Ok(applied),
            _ => Err(unanswered()),
        }
    }

    async fn correct(&self, site: &SiteId, step: Arc<Step>) -> Result<Corrected, StoreError> {
        let kept = encode(&step.changes).map_err(|error| StoreError::NotApplied(error.to_string()))?;
        match self.write(Call::Correct(Correct { site: site.clone(), step, kept, now: self.clock.now() })).await? {
            Outcome::Corrected(corrected) => Ok(corrected),
            _ => Err(unanswered()),
        }
    }

    async fn audit(&self, site: &SiteId, after: u64) -> Result<Vec<AuditEntry>, StoreError> {
        let site = site.clone();
        self.read(&self.lists, move |conn| audit::audit(conn, &site, after)).await
    }

    async fn changes(&self, site: &SiteId, number: u64, step: Seq) -> Result<Option<Vec<Change>>, StoreError> {
        let site = site.clone();
        self.read(&self.lists, move |conn| audit::changes(conn, &site, number, step)).await
    }

    async fn counts(&self, site: &SiteId, subject: &Subject) -> Result<Vec<(Bucket, u64)>, StoreError> {
        let (site, subject, view) = (site.clone(), subject.clone(), self.view());
        self.read(&self.lists, move |conn| reader::counts(conn, &site, &subject, view)).await
    }

    async fn figures(
        &self,
        site: &SiteId,
        producers: &[ProducerId],
        today: NaiveDate,
        articles: &[ArticleId],
    ) -> Result<Snapshot, StoreError> {
        let (site, producers, articles, view) = (site.clone(), producers.to_vec(), articles.to_vec(), self.view());
        self.read(&self.figures, move |conn| reader::figures(conn, &site, &producers, today, &articles, view)).await
    }

    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Position, StoreError> {
        let site = site.clone();
        self.read(&self.figures, move |conn| reader::offset_of(conn, &site, producer)).await
    }

    async fn top(&self, site: &SiteId, section: Option<&Section>, bucket: Bucket, limit: usize) -> Result<TopList, StoreError> {
        let (site, section, view) = (site.clone(), section.cloned(), self.view());
        self.read(&self.lists, move |conn| reader::top(conn, &site, section.as_ref(), bucket, limit, view)).await
    }

    async fn history(&self, site: &SiteId, subject: &Subject, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        let (site, subject, buckets, view) = (site.clone(), subject.clone(), buckets.to_vec(), self.view());
        self.read(&self.lists, move |conn| reader::history(conn, &site, &subject, &buckets, view)).await
    }

    /// The rows are those of one moment.
    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        let (site, view) = (site.clone(), self.view());
        self.read_long(move |conn| reader::export(conn, &site, view, &rows)).await
    }

    async fn maintain(&self, site: &SiteId, sections: &[Section]) -> Result<bool, StoreError> {
        let call = Call::Maintain { site: site.clone(), sections: sections.to_vec(), now: self.clock.now() };
        match self.write(call).await? {
            Outcome::Maintained(more) => Ok(more),
            _ => Err(unanswered()),
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.read(&self.figures, |conn| reader::ping(conn)).await
    }

    async fn verify(&self, full: bool) -> Result<(), StoreError> {
        self.read_long(move |conn| reader::verify(conn, full)).await
    }

    /// Waits for the threads. If the store is dropped instead, they end too, but unwaited for.
    async fn close(&self) {
        self.writer.close().await;
        self.figures.close().await;
        self.lists.close().await;
    }
}
