//! The real binary as a process, and clients of it.
//!
//! - `wait`: polling up to a deadline
//! - `place`: a test's own directory and settings, and how the program is run in it
//! - `child`: a process that does not outlive the test, and its output
//! - `client`: a connection, and complete answers
//! - `service`: a serving process, and its figures

pub mod child;
pub mod client;
pub mod place;
pub mod service;
pub mod wait;

pub use self::{place::Place, service::Service, wait::eventually};
