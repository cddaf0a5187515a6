//! What the service promises as a process: killed, told to stop, out of disk, beside others, with damaged or restored files.
//!
//! - `process`, `views`: the program, started in a directory of its own, and views that are sent to it
//! - `sites`, `place`: how it is set up for these tests
//! - `load`: many views, with a tally of what was acknowledged
//! - `counts`: what the store holds in the end, and whether it fits the tally
//! - `kill`, `together`: what is done to a service on any store
//! - `disk`: a small file system that can be filled
//! - the others: the promises

mod burst;
mod commands;
mod damage;
mod full;
mod killing;
mod locked;
mod logging;
mod metrics;
mod readers;
mod reloading;
mod restoring;
mod sharing;
mod stopping;

use truycap_test_support::{counts, disk, files, kill, load, process, sites, together, traces, views};
