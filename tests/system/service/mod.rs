//! The service as a process: killed, stopped, on a full disk, beside other instances, with damaged or restored files.

mod burst;
mod commands;
mod damage;
mod full;
mod killing;
mod locked;
mod logging;
mod metrics;
mod reloading;
mod restoring;
mod sharing;
mod stopping;
mod visitors;

use truycap_test_support::{counts, disk, files, kill, load, process, sites, together, traces, views};
