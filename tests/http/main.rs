//! The HTTP interface, over real sockets, with a real recorder behind it.

mod connections;
mod counting;
mod reading;
mod refusals;
mod server;
mod sharing;
