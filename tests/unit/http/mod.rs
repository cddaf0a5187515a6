//! The HTTP interface, over real sockets, with a real recorder and journal behind it.

mod addresses;
mod answers;
mod assets;
mod audience;
mod connections;
mod counting;
mod limits;
mod metrics;
mod openapi;
mod reading;
mod refusals;
mod reports;
mod rules;
mod server;
mod sharing;
mod showing;
mod vanishing;
mod visitors;
mod wire;
