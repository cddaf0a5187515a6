//! Tests that need no other process: the domain, the configuration, the detection of bots, the recorder on fakes, the
//! transfer of counters, the HTTP interface over real sockets, and the rules for imports between modules.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "clippy.toml allows it in tests, but not in their helpers")]
#![allow(clippy::print_stdout, reason = "measurements are shown with --nocapture")]

mod bots;
mod circles;
mod config;
mod documents;
mod domain;
mod events;
mod floors;
mod http;
mod log_throttle;
mod primaries;
mod recorder;
mod report;
mod report_page;
mod titles;
mod transfer;
