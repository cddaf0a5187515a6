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

use truycap_test_support::{counts, disk, kill, load, on_redis, process, redis_server, sites, together, traces, views};
