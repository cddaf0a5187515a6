//! The HTTP interface, over real sockets, with a real recorder behind it.

mod connections;
mod counting;
mod reading;
mod refusals;
// Clippy knows by this that it is no less a test than the others.
#[cfg(test)]
mod server;
mod sharing;
