//! What the service reports about itself.
//!
//! - [`logging`]: messages for people, on standard error
//! - `log_queue`: lets a thread of its own write them
//! - [`log_throttle`]: limits a line that could repeat with every request
//! - [`metrics`]: numbers for Prometheus

mod log_queue;
pub mod log_throttle;
pub mod logging;
pub mod metrics;
