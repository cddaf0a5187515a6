//! The HTTP interface, over real sockets, with a real recorder and journal behind it.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails the test")]

mod connections;
mod counting;
mod measures;
mod reading;
mod refusals;
mod server;
mod sharing;
