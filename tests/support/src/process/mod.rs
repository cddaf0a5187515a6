//! The real binary, as tests start it and talk to it; a test target takes this folder in by its path.
//!
//! - `wait`: asking again and again, up to a deadline
//! - `place`: a directory of its own, and how the program is run in it
//! - `child`: a process that does not outlive the test, and what it wrote
//! - `client`: a connection, and complete answers
//! - `service`: a process that serves, and its figures
//!
//! Beside this module lie those that not every target needs, each to be taken in by its own path: `views` sends views,
//! `clock` steps the time that a place has, `redis_server` starts servers, `disk` mounts a small one, `traces`
//! looks for what is left of visitors. For tests with
//! faults: `sites` are what is counted, `load` sends many views, `counts` compares, `kill` and `together` do what is
//! done on every store.

pub mod child;
pub mod client;
pub mod place;
pub mod service;
pub mod wait;

pub use self::{place::Place, service::Service, wait::eventually};
