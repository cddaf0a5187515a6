//! The writer: all applies that wait, in one transaction.
//!
//! A commit costs an fsync, whatever it holds; so with many sites it is the number of commits that must stay small.
//! One that fails leaves no trace in the commit of the others.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{Expiry, pruning::Pruning, reader, sql_error};
use crate::{
    domain::{
        counts::Deltas,
        period::Bucket,
        producer::{ProducerId, Seq},
        site::SiteId,
    },
    store::{Applied, StoreError},
};

/// The most applies of one commit.
const BATCH: usize = 256;

type Answer = Result<Applied, StoreError>;

/// One call of `apply`.
#[derive(Debug)]
pub(super) struct Apply {
    pub(super) site: SiteId,
    pub(super) producer: ProducerId,
    pub(super) from: Seq,
    pub(super) to: Seq,
    pub(super) deltas: Arc<Deltas>,
    pub(super) expiry: Expiry,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// Works off the queue until it ends.
pub(super) fn run(mut conn: Connection, mut queue: mpsc::Receiver<Apply>) {
    let mut pruning = Pruning::default();
    let mut batch = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        let answers = commit(&mut conn, &mut pruning, &batch).unwrap_or_else(|error| vec![Err(error); batch.len()]);
        for (apply, answer) in batch.drain(..).zip(answers) {
            // Whoever does not wait any more learns it from the offset.
            let _gone = apply.answer.send(answer);
        }
    }
}

/// Carries out all applies and commits. An error is of all of them.
///
/// Where one fails, all are done once more, each in a savepoint of its own. Not at once: for as long as a savepoint is
/// open, SQLite copies every page before it changes it, and hardly any apply fails.
fn commit(conn: &mut Connection, pruning: &mut Pruning, batch: &[Apply]) -> Result<Vec<Answer>, StoreError> {
    let mut tx = begin(conn)?;
    let applied: Result<Vec<_>, _> = batch.iter().map(|job| apply(&tx, job)).collect();
    let answers = match applied {
        Ok(applied) => applied.into_iter().map(Ok).collect(),
        // On some errors SQLite has rolled back everything: they are of the file, and not of this apply.
        Err(error) if tx.is_autocommit() => return Err(error),
        Err(_) => {
            tx.rollback().map_err(sql_error)?;
            tx = begin(conn)?;
            batch.iter().map(|job| in_savepoint(&mut tx, |conn| apply(conn, job))).collect::<Result<_, _>>()?
        }
    };
    let sites = batch.iter().map(|job| (&job.site, job.expiry));
    if let Err(error) = in_savepoint(&mut tx, |conn| pruning.prune(conn, sites).map_err(sql_error))? {
        tracing::warn!(%error, "expired counters of articles could not be deleted; another try is made tomorrow");
    }
    // Once a commit was tried, an error may come after the data reached the disk.
    tx.commit().map_err(|e| match sql_error(e) {
        StoreError::NotApplied(reason) => StoreError::PerhapsApplied(reason),
        other => other,
    })?;
    Ok(answers)
}

fn begin(conn: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql_error)
}

/// What fails is undone, alone. The outer error is that the whole transaction was lost.
fn in_savepoint<T>(
    tx: &mut Transaction<'_>,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<Result<T, StoreError>, StoreError> {
    let savepoint = tx.savepoint().map_err(sql_error)?;
    let result = work(&savepoint);
    match result {
        Ok(_) => savepoint.commit().map_err(sql_error)?,
        // What followed would be committed piece by piece.
        Err(error) if savepoint.is_autocommit() => return Err(error),
        Err(_) => savepoint.finish().map_err(sql_error)?,
    }
    Ok(result)
}

fn apply(conn: &Connection, job: &Apply) -> Answer {
    let producer = job.producer.to_string();
    let stored = reader::offset(conn, &job.site, &producer).map_err(sql_error)?;
    if stored != job.from {
        return Ok(Applied::Refused(stored));
    }
    for (&bucket, increment) in &job.deltas.0 {
        let dropped = job.expiry.gone(bucket);
        let articles = increment.articles.iter().filter(|_| !dropped).map(|(article, &views)| (article.as_str(), views));
        add(conn, &job.site, bucket, std::iter::once(("", increment.views)).chain(articles))?;
    }
    let to = i64::try_from(job.to).map_err(|_| StoreError::NotApplied(format!("{} is no entry's number", job.to)))?;
    conn.prepare_cached("INSERT INTO offsets VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET offset = excluded.offset")
        .and_then(|mut set| set.execute((job.site.as_str(), &producer, to)))
        .map_err(sql_error)?;
    reader::others(conn, &job.site, &producer).map(Applied::Done).map_err(sql_error)
}

/// Adds to the counters of one bucket, by article.
fn add<'a>(conn: &Connection, site: &SiteId, bucket: Bucket, increments: impl Iterator<Item = (&'a str, u64)>) -> Result<(), StoreError> {
    let name = bucket.to_string();
    let mut upsert = conn
        .prepare_cached("INSERT INTO views VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET views = views + excluded.views")
        .map_err(sql_error)?;
    for (article, views) in increments.filter(|(_, views)| *views > 0) {
        let views = i64::try_from(views).unwrap_or(i64::MAX);
        upsert.execute((site.as_str(), &name, article, views)).map_err(|e| match e.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => StoreError::TooMany { site: site.clone(), bucket },
            _ => sql_error(e),
        })?;
    }
    Ok(())
}
