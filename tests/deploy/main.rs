//! What is delivered for those who run the service (`deploy/`), tried on the programs that it is for.
//!
//! - `process`, `sites`, `views`, `load`, `redis_server`: as in the other targets
//! - `prometheus`: a real server that scrapes instances
//! - the others: the promises
#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but not in their helpers")]
#![allow(clippy::print_stdout, reason = "how an alert came and went is told with --show-output")]
#![allow(dead_code, reason = "the shared helpers can do more than is needed here")]

#[path = "../process/load.rs"]
mod load;
#[path = "../process/mod.rs"]
mod process;
#[path = "../process/redis_server.rs"]
mod redis_server;
#[path = "../process/sites.rs"]
mod sites;
#[path = "../process/views.rs"]
mod views;

mod alerts;
mod dashboard;
mod prometheus;
mod rules;
mod settings;

use std::path::PathBuf;

/// A file of the repository.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}
