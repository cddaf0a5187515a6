//! What is delivered for those who run the service (`deploy/`), tried on the programs that it is for.
//!
//! - `process`, `sites`, `views`, `load`, `redis_server`: as in the other targets
//! - `prometheus`: a real server that scrapes instances
//! - the others: the promises

mod alerts;
mod dashboard;
mod prometheus;
mod rules;
mod settings;

use truycap_test_support::{load, process, redis_server, sites};

use std::path::PathBuf;

/// A file of the repository.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}
