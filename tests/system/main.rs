//! The real binary as a process: on its own, on Redis, with Prometheus, with other systems' databases, and its memory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "clippy.toml allows it in tests, but not in their helpers")]
#![allow(clippy::print_stdout, reason = "measurements are shown with --nocapture or --show-output")]

mod cluster;
mod cms;
mod corrections;
mod counting;
mod deploy;
mod memory;
mod redis;
mod sentinel;
mod service;
