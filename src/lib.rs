//! truycap counts page views for web portals and returns the figures of a "Thống kê truy cập" (visitor statistics) box.
//!
//! Each module has a floor and uses only modules on lower floors. `ARCHITECTURE.md` explains how a view passes through them.
//!
//! - 0 [`domain`]: what a view, a bucket and a box are; pure
//! - 0 [`file_access`]: why a file of SQLite cannot be used
//! - 1 [`telemetry`]: the log and the metrics
//! - 1 [`journal`]: the local log that every view is written to before it is acknowledged
//! - 1 [`store`]: where the counters are kept
//! - 2 [`audience`]: which hits are views, and of which article
//! - 2 [`recorder`]: from a view to a durable entry, from entries to counters, and back to figures
//! - 3 [`transfer`]: counters from and to CSV files, and the figures as text
//! - 3 [`report`]: the owner's report on a period of a site
//! - 3 [`titles`]: the titles of articles in most-read lists, from the portals
//! - 4 [`http`]: the public and the admin interface
//! - 5 [`config`]: one plain configuration per module, from a file and the environment
//! - 6 [`app`]: how the parts are put together, and in which order they stop
//! - 7 [`cli`]: the command line

pub mod app;
pub mod audience;
pub mod cli;
pub mod config;
pub mod domain;
pub mod file_access;
pub mod http;
pub mod journal;
pub mod recorder;
pub mod report;
pub mod store;
pub mod telemetry;
pub mod titles;
pub mod transfer;
