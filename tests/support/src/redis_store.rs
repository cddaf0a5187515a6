//! Stores on real servers.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use chrono::{DateTime, Utc};
use truycap::{
    domain::retention::Retention,
    store::redis::{RedisStore, RedisStoreConfig},
};

pub use crate::redis_server::Server;

pub type Clock = fn() -> DateTime<Utc>;

/// The server that tests share; each test uses its own prefix.
pub fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[]))
}

/// A prefix that no other test uses.
pub fn new_prefix() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Opens a store with default settings and the real clock.
pub fn open(url: &str, prefix: &str) -> RedisStore {
    let clock: Clock = Utc::now;
    open_by(url, prefix, clock)
}

/// Opens a store with another clock.
pub fn open_by(url: &str, prefix: &str, clock: Clock) -> RedisStore {
    RedisStore::open(RedisStoreConfig { url: url.parse().unwrap(), prefix: prefix.parse().unwrap() }, Retention::default(), clock)
}

impl Server {
    /// The URL of its port.
    pub fn tcp_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A store on this server.
    pub fn store(&self, prefix: &str) -> RedisStore {
        open(&self.url(), prefix)
    }
}
