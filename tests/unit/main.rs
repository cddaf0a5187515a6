//! What needs no process but its own: the domain, the configuration, who is taken for a machine, the recorder on fakes,
//! the transfer of counters, the HTTP interface over real sockets; and that the modules stand on their floors.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "clippy.toml allows it in tests, but not in their helpers")]
#![allow(clippy::print_stdout, reason = "what was measured is told with --nocapture")]

mod bots;
mod circles;
mod config;
mod domain;
mod floors;
mod http;
mod recorder;
mod transfer;
