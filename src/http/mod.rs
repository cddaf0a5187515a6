//! The HTTP interface: a public listener that counts and answers, and an admin listener beside it.
//!
//! - [`serve()`]: accepts connections, holds their limits, drains them; the same for both listeners
//! - `route`: every path and method, and what all answers have in common
//! - `address`: whom a request comes from, behind proxies
//! - `bots`: which agents are machines
//! - `client`: what a request says of its sender: origin, prefetch, privacy
//! - `audience`: who is a reader, and whether a view by one counts
//! - `query`, `body`: what a request asks for
//! - `language`: words and numbers for readers
//! - `respond`: how an answer is written: JSON, problems, files
//! - `rates`: how often clients may ask, and how often a site counts
//! - `places`: which client holds how many connections
//! - `seldom`: what is logged once in a while
//! - `assets`: the files that pages load, compressed
//! - `framing`: heads that can be understood in two ways
//! - `failure`: what the log is told of a request that failed
//! - `measure`: what is counted of requests and connections
//! - `handlers`: one file per resource
//!
//! Handlers are generic over the body they read, so nothing here but [`serve()`] needs a socket.

use std::{net::IpAddr, time::Duration};

use hyper::{Request, Response, body::Bytes};

use crate::telemetry::metrics::GaugeGuard;

mod address;
mod assets;
mod audience;
mod body;
mod bots;
mod client;
mod failure;
mod framing;
mod handlers;
mod language;
mod measure;
mod places;
mod query;
mod rates;
mod respond;
mod route;
mod seldom;
mod serve;

pub use address::{Address, Clients, ProxyHeader};
pub use audience::Audience;
pub use bots::{BotRules, Bots, BotsError};
pub use rates::{MAX_CLIENTS, Rates, Ticks, TooMany};
pub use respond::Body;
pub use route::{Admin, Public};
pub use serve::serve;

/// What one client may take of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the opening of a connection, or the end of an answer on it, to the end of the next request's head. So it is
    /// also how long a connection may be idle.
    pub header_read: Duration,
    /// From the end of a request's head to the end of its body.
    pub body_read: Duration,
    /// From the end of a request's head to its answer, the reading of the body included.
    pub request: Duration,
    /// How long a client may leave an answer waiting without taking a byte of it.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(10),
            body_read: Duration::from_secs(10),
            request: Duration::from_secs(30),
            write: Duration::from_secs(10),
        }
    }
}

/// A body that a request may come with: hyper's, or one made up by a test.
pub trait RequestBody: hyper::body::Body<Data = Bytes, Error: Send> + Send + Unpin {}

impl<B: hyper::body::Body<Data = Bytes, Error: Send> + Send + Unpin> RequestBody for B {}

/// What answers the requests of a listener.
pub trait Responder: Send + Sync + 'static {
    /// Answers a request over a connection from `peer`; a mistake of any kind is an answer too.
    fn respond<B: RequestBody>(&self, peer: IpAddr, request: Request<B>) -> impl Future<Output = Response<Body>> + Send;

    /// A connection was opened. What is answered is kept for as long as it is open; with `None` it is closed at once.
    fn opened(&self, _peer: IpAddr) -> Option<Opened> {
        Some(Opened::default())
    }
}

/// What an open connection holds: it goes down in a gauge, and gives back its client's place, on every way out.
#[derive(Debug, Default)]
pub struct Opened {
    _gauge: Option<GaugeGuard>,
    _place: Option<places::Place>,
}
