//! Waits until writes are safe outside the memory of one server: on replicas, on disks, or both.
//!
//! Replicas and the append-only file take writes in order. So if they have one write of ours, they have all earlier ones,
//! of any site and connection. Callers that arrive during a wait share the next one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::{connection::Connection, errors::RequestError, keys::Keys, url::Url};
use crate::store::StoreError;

/// How long Redis waits, in milliseconds: longer than an append-only file takes that is written every second, and shorter
/// than the limit of a reply.
const TIMEOUT: u32 = 1500;

/// What an apply waits for before it is confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// How many replicas must have it.
    pub replicas: u8,
    /// Whether it must be in the append-only files on the disks of the server and of these replicas.
    pub aof: bool,
}

/// Makes each caller wait until all writes before its call are safe.
pub(super) struct Barrier {
    wait: Wait,
    /// Used for nothing else: Redis answers no other request on a connection while it waits.
    connection: Connection,
    /// How many callers there were.
    callers: AtomicU64,
    /// How many of them the last wait covered, and its result.
    last_wait: Mutex<(u64, Result<(), String>)>,
    /// Whether there may be a write that is not known to be safe. True at the start.
    unconfirmed: AtomicBool,
}

impl Barrier {
    /// `None` if there is nothing to wait for.
    pub(super) fn new(wait: Wait, url: &Url) -> Option<Self> {
        (wait != Wait::default()).then(|| Self {
            wait,
            connection: Connection::new(url),
            callers: AtomicU64::new(0),
            last_wait: Mutex::new((0, Ok(()))),
            unconfirmed: AtomicBool::new(true),
        })
    }

    pub(super) fn close(&self) {
        self.connection.close();
    }

    /// Records that something was written, or may have been.
    pub(super) fn mark_unconfirmed(&self) {
        self.unconfirmed.store(true, Ordering::SeqCst);
    }

    /// Waits for a write that was just made.
    pub(super) async fn after_write(&self, keys: &Keys) -> Result<(), StoreError> {
        self.mark_unconfirmed();
        self.wait_for_writes(keys).await.map_err(StoreError::PerhapsApplied)
    }

    /// Waits for an earlier write that is unconfirmed, if any: no answer may include it before it is safe.
    pub(super) async fn before_answer(&self, keys: &Keys) -> Result<(), StoreError> {
        if !self.unconfirmed.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.wait_for_writes(keys).await.map_err(StoreError::NotApplied)
    }

    async fn wait_for_writes(&self, keys: &Keys) -> Result<(), String> {
        let number = self.callers.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last_wait = self.last_wait.lock().await;
        if last_wait.0 >= number {
            return last_wait.1.clone();
        }
        let for_all = self.callers.load(Ordering::SeqCst);
        // A later write sets it again.
        let unconfirmed = self.unconfirmed.swap(false, Ordering::SeqCst);
        let result = self.request(keys).await.and_then(|(aof, replicas)| self.check(aof, replicas));
        if result.is_err() {
            self.unconfirmed.fetch_or(unconfirmed, Ordering::SeqCst);
        }
        *last_wait = (for_all, result.clone());
        result
    }

    /// Returns how many of the server's own append-only files (0 or 1) have the write, and how many replicas.
    async fn request(&self, keys: &Keys) -> Result<(u32, u32), String> {
        // Redis waits for the last write of the connection, so there has to be one.
        let mut pipeline = redis::pipe();
        pipeline.cmd("SET").arg(keys.barrier()).arg("").arg("EX").arg(60);
        let Wait { replicas, aof } = self.wait;
        if aof {
            pipeline.cmd("WAITAOF").arg(1).arg(replicas).arg(TIMEOUT);
        } else {
            pipeline.cmd("WAIT").arg(replicas).arg(TIMEOUT);
        }
        let replies = self.connection.run(&pipeline).await.map_err(|error: RequestError| error.message())?;
        let unexpected = || format!("Redis sent an unexpected reply: {replies:?}");
        let waited = replies.get(1).cloned().ok_or_else(unexpected)?;
        if aof {
            return redis::from_redis_value(waited).map_err(|_| unexpected());
        }
        Ok((0, redis::from_redis_value(waited).map_err(|_| unexpected())?))
    }

    fn check(&self, aof: u32, replicas: u32) -> Result<(), String> {
        if self.wait.aof && aof == 0 {
            return Err(format!("Redis has not written it to its disk after {TIMEOUT} ms (store.wait_aof)"));
        }
        if replicas < u32::from(self.wait.replicas) {
            return Err(format!("{replicas} of {} replicas have it after {TIMEOUT} ms (store.wait_replicas)", self.wait.replicas));
        }
        Ok(())
    }
}
