//! The promises of the domain, checked against definitions that share no code with it.
//!
//! - `boxes`: the nine figures at any moment, checked against a scan over all views
//! - `model`: that scan, its time zones and the calendar boundaries
//! - `figures`: figures carried over to another day, and late views
//! - `buckets`: the names of buckets, their order, and which buckets contain which
//! - `article`, `site`: which texts are ids and origins
//! - `record`: the text of an article's counters
//! - `retention`: how long buckets of articles are kept
//! - `trusted_time`: which clock is believed before anything is dropped
//! - `backoff`: how long to wait between attempts

mod article;
mod backoff;
mod boxes;
mod buckets;
mod figures;
mod model;
mod record;
mod retention;
mod site;
mod trusted_time;
mod visible;

use proptest::test_runner::{Config, RngSeed};

/// Random cases that are the same in every run, so that a failure is reproducible without a persistence file.
fn cases(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(20_200_117), failure_persistence: None, ..Config::default() }
}
