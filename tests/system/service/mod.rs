//! The service as a process: killed, stopped, on a full disk, beside other instances, with damaged or restored files.

mod access;
mod backups;
mod burst;
mod checking;
mod commands;
mod damage;
mod forgetting;
mod full;
mod gone;
mod killing;
mod listening;
mod locked;
mod logging;
mod metrics;
mod notifying;
mod power_cuts;
mod reloading;
mod restoring;
mod sections;
mod sharing;
mod stalled_log;
mod stopping;
mod titles;
mod visitors;

use truycap_test_support::{counts, disk, files, forgetful_disk, hostile_portal, kill, load, process, sites, together, traces, views};
