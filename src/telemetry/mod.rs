//! What the service says of itself.
//!
//! - [`logging`]: messages for people, on standard error
//! - [`metrics`]: numbers for Prometheus

pub mod logging;
pub mod metrics;
