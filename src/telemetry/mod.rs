//! What the service reports about itself.
//!
//! - [`logging`]: messages for people, on standard error
//! - [`metrics`]: numbers for Prometheus

pub mod logging;
pub mod metrics;
