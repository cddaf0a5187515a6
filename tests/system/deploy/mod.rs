//! The files for operators in `deploy/`, tested with the programs that read them.
//!
//! `prometheus` runs a real server that scrapes instances, and `proxies` real proxies in front of them; the other modules
//! are tests.

mod alerts;
mod dashboard;
mod prometheus;
mod proxies;
mod rolling;
mod rules;
mod sets;
mod settings;
mod units;

use truycap_test_support::{counts, gate, load, on_redis, process, redis_server, sentinel_set, sites};

use std::path::PathBuf;

/// A file of the repository.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}
