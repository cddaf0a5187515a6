//! Commits all waiting applies in one transaction.
//!
//! A commit costs one fsync, however much it holds, so with many sites the number of commits has to stay small. An apply
//! that fails changes nothing and does not affect the others of its commit.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{
    errors::{commit_error, store_error},
    pruning::Pruner,
    reader,
};
use crate::{
    domain::{
        counts::Deltas,
        period::Bucket,
        producer::{ProducerId, Seq},
        retention::Expiry,
        site::SiteId,
    },
    store::{Applied, StoreError},
};

/// The most applies in one commit.
const BATCH: usize = 256;

type ApplyResult = Result<Applied, StoreError>;

/// One call of [`Store::apply`](crate::store::Store::apply), and where its result goes.
#[derive(Debug)]
pub(super) struct ApplyJob {
    pub(super) site: SiteId,
    pub(super) producer: ProducerId,
    pub(super) from: Seq,
    pub(super) to: Seq,
    pub(super) deltas: Arc<Deltas>,
    pub(super) expiry: Expiry,
    pub(super) result: oneshot::Sender<ApplyResult>,
}

/// Works through the queue until it ends.
pub(super) fn run(mut conn: Connection, mut queue: mpsc::Receiver<ApplyJob>) {
    let mut pruner = Pruner::default();
    let mut batch = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        let results = commit(&mut conn, &mut pruner, &batch).unwrap_or_else(|error| vec![Err(error); batch.len()]);
        for (job, result) in batch.drain(..).zip(results) {
            // A caller that no longer waits learns the result from the offset.
            let _gone = job.result.send(result);
        }
    }
}

/// Executes all applies and commits them. An error applies to the whole batch.
///
/// If one apply fails, all are executed again, each in its own savepoint. Savepoints are not used the first time,
/// because SQLite copies every page before a change while a savepoint is open, and almost no apply fails.
fn commit(conn: &mut Connection, pruner: &mut Pruner, batch: &[ApplyJob]) -> Result<Vec<ApplyResult>, StoreError> {
    let mut tx = begin(conn)?;
    let applied: Result<Vec<_>, _> = batch.iter().map(|job| apply(&tx, job)).collect();
    let results = match applied {
        Ok(applied) => applied.into_iter().map(Ok).collect(),
        // After some errors SQLite has already rolled back everything. They concern the file, not this apply.
        Err(error) if tx.is_autocommit() => return Err(error),
        Err(_) => {
            tx.rollback().map_err(store_error)?;
            tx = begin(conn)?;
            batch.iter().map(|job| in_savepoint(&mut tx, |conn| apply(conn, job))).collect::<Result<_, _>>()?
        }
    };
    let sites = batch.iter().map(|job| (&job.site, job.expiry));
    if let Err(error) = in_savepoint(&mut tx, |conn| pruner.prune(conn, sites).map_err(store_error))? {
        tracing::warn!(%error, "expired article counters could not be deleted; trying again tomorrow");
    }
    tx.commit().map_err(commit_error)?;
    Ok(results)
}

fn begin(conn: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)
}

/// Runs `work` and, if it fails, undoes only this work. The outer error means that the whole transaction was lost.
fn in_savepoint<T>(
    tx: &mut Transaction<'_>,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<Result<T, StoreError>, StoreError> {
    let savepoint = tx.savepoint().map_err(store_error)?;
    let result = work(&savepoint);
    match result {
        Ok(_) => savepoint.commit().map_err(store_error)?,
        // The transaction is over: further statements would be committed one by one.
        Err(error) if savepoint.is_autocommit() => return Err(error),
        Err(_) => savepoint.finish().map_err(store_error)?,
    }
    Ok(result)
}

fn apply(conn: &Connection, job: &ApplyJob) -> ApplyResult {
    let producer = job.producer.to_string();
    let stored = reader::offset(conn, &job.site, &producer).map_err(store_error)?;
    if stored != job.from {
        return Ok(Applied::Refused(stored));
    }
    for (&bucket, increment) in &job.deltas.0 {
        let dropped = job.expiry.is_expired(bucket);
        let articles = increment.articles.iter().filter(|_| !dropped).map(|(article, &views)| (article.as_str(), views));
        add(conn, &job.site, bucket, std::iter::once(("", increment.views)).chain(articles))?;
    }
    let to = i64::try_from(job.to).map_err(|_| StoreError::NotApplied(format!("{} is too large for the number of an entry", job.to)))?;
    conn.prepare_cached("INSERT INTO offsets VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET offset = excluded.offset")
        .and_then(|mut set| set.execute((job.site.as_str(), &producer, to)))
        .map_err(store_error)?;
    reader::others(conn, &job.site, &producer).map(Applied::Done).map_err(store_error)
}

/// Adds views to the counters of one bucket, by article.
fn add<'a>(conn: &Connection, site: &SiteId, bucket: Bucket, increments: impl Iterator<Item = (&'a str, u64)>) -> Result<(), StoreError> {
    let name = bucket.to_string();
    let mut upsert = conn
        .prepare_cached("INSERT INTO views VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET views = views + excluded.views")
        .map_err(store_error)?;
    for (article, views) in increments.filter(|(_, views)| *views > 0) {
        let views = i64::try_from(views).unwrap_or(i64::MAX);
        upsert.execute((site.as_str(), &name, article, views)).map_err(|e| match e.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => StoreError::TooMany { site: site.clone(), bucket },
            _ => store_error(e),
        })?;
    }
    Ok(())
}
