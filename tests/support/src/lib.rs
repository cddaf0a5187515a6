//! What the tests and benchmarks share: processes, servers, load, tallies, faults.
//!
//! - `faulty`: decorators by which a store and a journal fail; `memory_journal`: the model of a journal
//! - `process`: the real binary, as tests start it and talk to it
//! - `views`, `demo`: views and pages, as portals have them
//! - `clock`: a clock that can be stepped; `disk`: a small file system that can be filled
//! - `redis_server`: servers; `redis_store`: stores on them; `on_redis`: what an operator finds there
//! - `sites`, `files`: how a service is set up for tests with faults, with the built-in store in files
//! - `load`: many views, with a tally of what was acknowledged; `counts`: what is held in the end, and whether it fits
//! - `kill`, `together`: what is done to a service on any store
//! - `traces`: what is left of visitors

pub mod clock;
pub mod counts;
pub mod demo;
pub mod disk;
pub mod faulty;
pub mod files;
pub mod kill;
pub mod load;
pub mod memory_journal;
pub mod on_redis;
pub mod process;
pub mod redis_server;
pub mod redis_store;
pub mod sites;
pub mod together;
pub mod traces;
pub mod views;
