//! What the service reports about itself.
//!
//! - [`logging`]: messages for people, on standard error
//! - [`log_throttle`]: limits a line that could repeat with every request
//! - [`metrics`]: numbers for Prometheus

pub mod log_throttle;
pub mod logging;
pub mod metrics;
