//! Commits all waiting calls in one transaction.
//!
//! A commit costs one fsync, however much it holds, so with many sites the number of commits has to stay small. A call that
//! fails changes nothing and does not affect the others of its commit.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{
    apply::{Apply, Memory, apply},
    correct::{Correct, correct},
    errors::{commit_error, store_error},
    file::Identity,
    maintain,
};
use crate::{
    domain::{article::Section, retention::Retention, site::SiteId},
    store::{Applied, Corrected, StoreError},
};

/// The most calls in one commit.
const BATCH: usize = 256;

/// A call that writes.
#[derive(Debug)]
pub(super) enum Call {
    Apply(Apply),
    Correct(Correct),
    Maintain { site: SiteId, sections: Vec<Section>, now: DateTime<Utc> },
}

/// The result of a call of the same name.
#[derive(Debug)]
pub(super) enum Outcome {
    Applied(Applied),
    Corrected(Corrected),
    /// Whether there is more to do.
    Maintained(bool),
}

type CallResult = Result<Outcome, StoreError>;

/// A call, and where its result goes.
#[derive(Debug)]
pub(super) struct WriteJob {
    pub(super) call: Call,
    pub(super) result: oneshot::Sender<CallResult>,
}

/// The thread's state.
pub(super) struct Writer {
    pub(super) conn: Connection,
    pub(super) file: Identity,
    pub(super) retention: Retention,
    pub(super) memory: Memory,
}

impl Writer {
    /// Works through the queue until it ends.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<WriteJob>) {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
            let outcomes = self.commit(&batch).unwrap_or_else(|error| {
                let error = self.file.explain(error);
                self.memory.clear();
                batch.iter().map(|_| Err(error.clone())).collect()
            });
            for (job, outcome) in batch.drain(..).zip(outcomes) {
                // A caller that no longer waits learns the result from the offset.
                let _gone = job.result.send(outcome);
            }
        }
    }

    /// Executes all calls and commits them. An error applies to the whole batch.
    ///
    /// If one call fails, all are executed again, each in its own savepoint. Savepoints are not used the first time,
    /// because SQLite copies every page before a change while a savepoint is open, and almost no call fails.
    fn commit(&mut self, batch: &[WriteJob]) -> Result<Vec<CallResult>, StoreError> {
        self.file.check()?;
        let Self { conn, retention, memory, .. } = self;
        let mut tx = begin(conn)?;
        let done: Result<Vec<_>, _> = batch.iter().map(|job| execute(&tx, *retention, memory, job)).collect();
        let outcomes = match done {
            Ok(done) => done.into_iter().map(Ok).collect(),
            // After some errors SQLite has already rolled back everything. They concern the file, not this call.
            Err(error) if tx.is_autocommit() => return Err(error),
            Err(_) => {
                memory.clear();
                tx.rollback().map_err(store_error)?;
                tx = begin(conn)?;
                batch.iter().map(|job| in_savepoint(&mut tx, *retention, memory, job)).collect::<Result<_, _>>()?
            }
        };
        tx.commit().map_err(commit_error)?;
        Ok(outcomes)
    }
}

fn begin(conn: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)
}

fn execute(conn: &Connection, retention: Retention, memory: &mut Memory, job: &WriteJob) -> CallResult {
    match &job.call {
        Call::Apply(call) => apply(conn, retention, memory, call).map(Outcome::Applied),
        Call::Correct(call) => correct(conn, retention, memory, call).map(Outcome::Corrected).map_err(|error| error.0),
        Call::Maintain { site, sections, now } => {
            let more = maintain::step(conn, site, sections, retention, *now).map_err(|error| error.0)?;
            Ok(Outcome::Maintained(more))
        }
    }
}

/// Executes a call and, if it fails, undoes only that. The outer error means that the whole transaction was lost.
fn in_savepoint(tx: &mut Transaction<'_>, retention: Retention, memory: &mut Memory, job: &WriteJob) -> Result<CallResult, StoreError> {
    let savepoint = tx.savepoint().map_err(store_error)?;
    let result = execute(&savepoint, retention, memory, job);
    match result {
        Ok(_) => savepoint.commit().map_err(store_error)?,
        // The transaction is over: further statements would be committed one by one.
        Err(error) if savepoint.is_autocommit() => return Err(error),
        Err(_) => {
            memory.clear();
            savepoint.finish().map_err(store_error)?;
        }
    }
    Ok(result)
}
