//! What the service says of itself.
//!
//! - [`logging`]: messages for people, on standard error

pub mod logging;
