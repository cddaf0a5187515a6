//! Waits until what was written is safe on more than the memory of one server.
//!
//! Replicas and the append-only file take writes in their order. So one write of ours that they have tells of all before
//! it, of whatever site and connection, and callers that come meanwhile share the next one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::{connection::Connection, errors::Failure, keys::Keys, url::Url};
use crate::store::StoreError;

/// How long Redis waits, in milliseconds: longer than an append-only file that is written each second takes, and shorter
/// than an answer may take.
const TIMEOUT: u32 = 1500;

/// What an apply waits for before it counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// How many replicas have it.
    pub replicas: u8,
    /// Whether it is in the append-only files on the disks, of the server and of these replicas.
    pub aof: bool,
}

/// Lets callers through when all that was written before they came is safe.
pub(super) struct Barrier {
    wait: Wait,
    /// Of its own: Redis answers nothing else on it while it waits.
    connection: Connection,
    /// How many callers came.
    came: AtomicU64,
    /// How many of them the last wait was for, and what became of it.
    passed: Mutex<(u64, Result<(), String>)>,
    /// Whether something was written of which it is not known that it is safe. So it is at the start.
    owing: AtomicBool,
}

impl Barrier {
    /// `None` where there is nothing to wait for.
    pub(super) fn new(wait: Wait, url: &Url) -> Option<Self> {
        (wait != Wait::default()).then(|| Self {
            wait,
            connection: Connection::new(url),
            came: AtomicU64::new(0),
            passed: Mutex::new((0, Ok(()))),
            owing: AtomicBool::new(true),
        })
    }

    pub(super) fn close(&self) {
        self.connection.close();
    }

    /// Something was written, or may have been.
    pub(super) fn owe(&self) {
        self.owing.store(true, Ordering::SeqCst);
    }

    /// Waits for what was just written.
    pub(super) async fn after_write(&self, keys: &Keys) -> Result<(), StoreError> {
        self.owe();
        self.pass(keys).await.map_err(StoreError::PerhapsApplied)
    }

    /// Waits for what a write that was not waited for left behind: no answer may tell of it before it is safe.
    pub(super) async fn before_answer(&self, keys: &Keys) -> Result<(), StoreError> {
        if !self.owing.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.pass(keys).await.map_err(StoreError::NotApplied)
    }

    async fn pass(&self, keys: &Keys) -> Result<(), String> {
        let number = self.came.fetch_add(1, Ordering::SeqCst) + 1;
        let mut passed = self.passed.lock().await;
        if passed.0 >= number {
            return passed.1.clone();
        }
        let for_all = self.came.load(Ordering::SeqCst);
        // Whoever writes from here on owes again.
        let owed = self.owing.swap(false, Ordering::SeqCst);
        let result = self.ask(keys).await.and_then(|(aof, replicas)| self.enough(aof, replicas));
        if result.is_err() {
            self.owing.fetch_or(owed, Ordering::SeqCst);
        }
        *passed = (for_all, result.clone());
        result
    }

    /// How many files of its own the server has it in, and how many replicas have it.
    async fn ask(&self, keys: &Keys) -> Result<(u32, u32), String> {
        // Redis waits for the connection's last write, so there has to be one.
        let mut pipeline = redis::pipe();
        pipeline.cmd("SET").arg(keys.barrier()).arg("").arg("EX").arg(60);
        let Wait { replicas, aof } = self.wait;
        if aof {
            pipeline.cmd("WAITAOF").arg(1).arg(replicas).arg(TIMEOUT);
        } else {
            pipeline.cmd("WAIT").arg(replicas).arg(TIMEOUT);
        }
        let answers = self.connection.run(&pipeline).await.map_err(|failure: Failure| failure.sentence())?;
        let unknown = || format!("Redis gave an answer that is not understood: {answers:?}");
        let waited = answers.get(1).cloned().ok_or_else(unknown)?;
        if aof {
            return redis::from_redis_value(waited).map_err(|_| unknown());
        }
        Ok((0, redis::from_redis_value(waited).map_err(|_| unknown())?))
    }

    fn enough(&self, aof: u32, replicas: u32) -> Result<(), String> {
        if self.wait.aof && aof == 0 {
            return Err(format!("Redis has not got it on its disk after {TIMEOUT} ms (store.wait_aof)"));
        }
        if replicas < u32::from(self.wait.replicas) {
            return Err(format!("{replicas} of {} replicas have it after {TIMEOUT} ms (store.wait_replicas)", self.wait.replicas));
        }
        Ok(())
    }
}
