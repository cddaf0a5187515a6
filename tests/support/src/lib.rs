//! Shared code of the tests and benchmarks: processes, servers, load, tallies, faults.
//!
//! - `faulty`: decorators by which a store and a journal fail; `memory_journal`: the model of a journal
//! - `process`: the real binary as a process, and clients of it
//! - `views`, `demo`: views and pages as on portals
//! - `clock`: a fake clock; `disk`: a small file system that can be filled; `forgetful_disk`: one that loses what was not synced
//! - `redis_server`: servers; `gate`: the network in front of them; `sentinel_set`: a primary, replicas and sentinels; `cluster`: a cluster; `redis_store`: stores on them; `on_redis`: keys as an operator reads them
//! - `sites`, `files`: the setup of a service for tests with faults, and its files with the built-in store
//! - `ports`: free ports
//! - `load`: many views, with a tally of the answers; `counts`: the final counts, and whether they match the tally
//! - `kill`, `together`: scenarios for a service on any store
//! - `traces`: traces of visitors in files
//! - `hostile_portal`: a portal that answers as a test says
//! - `access_log`: access logs with known truth
//! - `reports`: reports of imagined portals

pub mod access_log;
pub mod clock;
pub mod cluster;
pub mod counts;
pub mod demo;
pub mod disk;
pub mod faulty;
pub mod files;
pub mod forgetful_disk;
pub mod gate;
pub mod hostile_portal;
pub mod kill;
pub mod load;
pub mod memory_journal;
pub mod on_redis;
pub mod ports;
pub mod process;
pub mod redis_server;
pub mod redis_store;
pub mod reports;
pub mod sentinel_set;
pub mod sites;
pub mod together;
pub mod traces;
pub mod views;
