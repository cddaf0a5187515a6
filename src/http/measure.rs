//! What a listener measures of its requests and connections.
//!
//! Everything is looked up by its labels once. A request then costs a few additions, and nothing is allocated for it.

use std::sync::OnceLock;

use hyper::{Method, Response, http::request::Parts};
use prometheus::{Histogram, IntCounter, IntGauge};
use tokio::time::Instant;

use super::{failure, respond::Body};
use crate::telemetry::metrics::{GaugeGuard, Http};

/// The methods that are told apart, and all others.
const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "OPTIONS", "other"];

/// What answers come with, all others, and requests whose client went away before there was an answer.
const STATUSES: [&str; 16] =
    ["200", "204", "304", "400", "403", "404", "405", "408", "413", "415", "429", "431", "500", "503", "other", "aborted"];
const OTHER: usize = STATUSES.len() - 2;
const ABORTED: usize = STATUSES.len() - 1;

/// Where nothing is found.
pub(super) const NONE: &str = "none";

/// What one listener measures.
#[derive(Debug)]
pub(super) struct Measures {
    http: Http,
    routes: Vec<Route>,
    in_flight: IntGauge,
    connections: IntGauge,
}

#[derive(Debug)]
struct Route {
    name: &'static str,
    seconds: Histogram,
    /// By method and status; made when there is something to count, or there would be hundreds of zeros.
    requests: [[OnceLock<IntCounter>; STATUSES.len()]; METHODS.len()],
}

impl Measures {
    /// The measures of a listener with these routes, beside [`NONE`].
    pub(super) fn new(http: &Http, listener: &str, routes: impl IntoIterator<Item = &'static str>) -> Self {
        let route = |name| Route { name, seconds: http.seconds.with_label_values(&[name]), requests: Default::default() };
        Self {
            http: http.clone(),
            routes: [NONE].into_iter().chain(routes).map(route).collect(),
            in_flight: http.in_flight.with_label_values(&[listener]),
            connections: http.connections.with_label_values(&[listener]),
        }
    }

    /// A connection was opened.
    pub(super) fn opened(&self) -> GaugeGuard {
        GaugeGuard::new(&self.connections)
    }

    /// The head of a request has been read.
    pub(super) fn begin(&self, route: &str, method: &Method) -> Measured<'_> {
        let route = self.routes.iter().find(|known| known.name == route).unwrap_or(&self.routes[0]);
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
        Measured { http: &self.http, route, method, status: ABORTED, begun: Instant::now(), _in_flight: GaugeGuard::new(&self.in_flight) }
    }
}

/// A request under way. It is counted when it is dropped: as aborted, where nobody said before how it ended.
#[derive(Debug)]
pub(super) struct Measured<'a> {
    http: &'a Http,
    route: &'a Route,
    method: usize,
    status: usize,
    begun: Instant,
    _in_flight: GaugeGuard,
}

impl Measured<'_> {
    /// There is an answer; the log is told where it is an error.
    pub(super) fn end(mut self, head: &Parts, mut response: Response<Body>) -> Response<Body> {
        failure::tell(self.route.name, METHODS[self.method], &head.headers, self.begun, &mut response);
        self.status = STATUSES.iter().position(|known| *known == response.status().as_str()).unwrap_or(OTHER);
        response
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let resolve = || self.http.requests.with_label_values(&[self.route.name, METHODS[self.method], STATUSES[self.status]]);
        self.route.requests[self.method][self.status].get_or_init(resolve).inc();
        self.route.seconds.observe(self.begun.elapsed().as_secs_f64());
    }
}
