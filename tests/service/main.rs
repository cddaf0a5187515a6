//! What the service promises as a process: killed, told to stop, out of disk, beside others, with damaged or restored files.
//!
//! - `process`, `views`: the program, started in a directory of its own, and views that are sent to it
//! - `sites`, `place`: how it is set up for these tests
//! - `load`: many views, with a tally of what was acknowledged
//! - `counts`: what the store holds in the end, and whether it fits the tally
//! - `kill`, `together`: what is done to a service on any store
//! - `disk`: a small file system that can be filled
//! - the others: the promises
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "clippy.toml allows it in tests, but not in their helpers")]
#![allow(clippy::print_stdout, reason = "what was measured is told with --show-output")]

#[path = "../process/counts.rs"]
mod counts;
#[path = "../process/disk.rs"]
mod disk;
#[path = "../process/kill.rs"]
mod kill;
#[path = "../process/load.rs"]
mod load;
#[path = "../process/mod.rs"]
mod process;
#[path = "../process/sites.rs"]
mod sites;
#[path = "../process/together.rs"]
mod together;
#[path = "../process/traces.rs"]
mod traces;
#[path = "../process/views.rs"]
mod views;

mod burst;
mod commands;
mod damage;
mod full;
mod killing;
mod locked;
mod logging;
mod metrics;
mod place;
mod readers;
mod reloading;
mod restoring;
mod sharing;
mod stopping;
