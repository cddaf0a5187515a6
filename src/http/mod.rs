//! The HTTP interface: a public listener that counts and reads, and an admin listener.
//!
//! How a request arrives, for both listeners:
//!
//! - [`serve()`]: accepts connections, limits and drains them
//! - [`Acceptor`]: a listening socket
//! - `connection`: a connection's stream, with the limits on how long its client can take
//! - `connection_limit`: the connections of each client
//! - `router`: the table of routes, and what all responses have in common
//!
//! What a handler works with:
//!
//! - `request`: what a request contains: head, query, body, site
//! - `negotiation`: what a client accepts
//! - `response`: how a response is written: JSON, problems, files
//! - `metrics`, `error_log`, `refusal_log`: what is measured and logged about a request
//!
//! The handlers:
//!
//! - `ingest`: views
//! - `read`: figures, most-read lists, histories
//! - `report`: the owner's report, as a page and as a file
//! - `pages`: the box, the badge, the demo, and the files that pages load
//! - `admin`: health, metrics, reload
//!
//! Who counts is decided in [`audience`](crate::audience). Handlers are generic over the body that they read, so only
//! [`serve()`] needs a socket.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::telemetry::log_throttle::Sweep;

mod acceptor;
mod admin;
mod connection;
mod connection_limit;
mod error_log;
mod ingest;
mod metrics;
mod negotiation;
mod pages;
mod read;
mod refusal_log;
mod report;
mod request;
mod response;
mod router;
mod serve;

pub use acceptor::{Acceptor, LOCAL_PEER};
pub use admin::{AdminConfig, JournalAnswer, ReloadCall, ReloadRefused, Reloaded, SiteNames};
pub use connection::Limits;
pub use pages::box_page::box_policy_bytes;
pub use pages::labels::{Language, capitalise};
pub use report::{Scale, View, render, write_csv};
pub use request::RequestBody;
pub use response::Body;
pub use router::{Admin, Public};
pub use serve::{ConnectionGuard, Phase, Responder, serve};

/// Logs what was left out of the log, once a second, for ever.
pub async fn log_left_out(public: Arc<Public>) {
    loop {
        sleep(Duration::from_secs(1)).await;
        sweep_log(&public, Sweep::Due);
    }
}

/// Logs what was left out of the log and has no later line that accounts for it.
pub fn sweep_log(public: &Public, sweep: Sweep) {
    public.log_left_out(sweep);
    acceptor::log_left_out(sweep);
    connection::log_left_out(sweep);
    serve::log_left_out(sweep);
    error_log::log_left_out(sweep);
    refusal_log::log_left_out(sweep);
}
