//! The HTTP interface, over real sockets, with a real recorder and journal behind it.

mod addresses;
mod answers;
mod assets;
mod audience;
mod connections;
mod counting;
mod limits;
mod measures;
mod openapi;
mod readers;
mod reading;
mod refusals;
mod rules;
mod server;
mod sharing;
mod showing;
mod vanishing;
mod wire;
