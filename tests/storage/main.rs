//! The journal, every store, and the connection to Redis. Tests of Redis use a real server.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "clippy.toml allows it in tests, but not in their helpers")]

mod connection;
mod journal;
mod store;
