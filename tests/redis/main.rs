//! What the service promises on a Redis that is killed, frozen, emptied, set back, replaced, full or damaged.
//!
//! Every test has a server, a service, a directory of its own, and load while the fault lasts. In the end it compares what
//! was acknowledged with what the service shows, what it exports, and what an operator finds in Redis.
//!
//! - `setup`: a server for a service, and what is compared in the end
//! - the folder `process`: the program, servers, load, tallies
//! - the others: the promises
//!
//! With `TRUYCAP_SOAK=1` there are more kills, and outages last longer.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "clippy.toml allows it in tests, but not in their helpers")]
#![allow(clippy::print_stdout, reason = "what was measured is told with --show-output")]

#[path = "../process/clock.rs"]
mod clock;
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
#[path = "../process/redis_server.rs"]
mod redis_server;
#[path = "../process/sites.rs"]
mod sites;
#[path = "../process/together.rs"]
mod together;
#[path = "../process/traces.rs"]
mod traces;
#[path = "../process/views.rs"]
mod views;

mod away;
mod beyond;
mod damage;
mod frozen;
mod killing;
mod losing;
mod moving;
mod promoted;
mod readers;
mod refusing;
mod setup;
mod sharing;
mod starting;
