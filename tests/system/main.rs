//! The real binary, as a process: alone, on Redis, with the programs beside it, and what it takes of memory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "clippy.toml allows it in tests, but not in their helpers")]
#![allow(clippy::print_stdout, reason = "what was measured is told with --nocapture or --show-output")]

mod counting;
mod deploy;
mod memory;
mod redis;
mod service;
