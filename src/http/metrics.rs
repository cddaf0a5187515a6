//! The metrics of a listener's requests and connections.
//!
//! Each metric is resolved by its labels once. A request then costs a few additions and no allocation.

use std::sync::OnceLock;

use hyper::{Method, Response, http::request::Parts};
use prometheus::{Histogram, IntCounter, IntGauge};
use tokio::time::Instant;

use super::{error_log::log_error, response::Body};
use crate::telemetry::metrics::{GaugeGuard, Http};

/// The methods with a label of their own, and all others.
const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "OPTIONS", "other"];

/// The statuses of responses, all others, and requests whose client left before there was a response.
const STATUSES: [&str; 17] =
    ["200", "204", "304", "400", "403", "404", "405", "408", "413", "415", "422", "429", "431", "500", "503", "other", "aborted"];
const OTHER: usize = STATUSES.len() - 2;
const ABORTED: usize = STATUSES.len() - 1;

/// The route of paths that do not exist.
pub(super) const NO_ROUTE: &str = "none";

/// The metrics of one listener.
#[derive(Debug)]
pub(super) struct ListenerMetrics {
    http: Http,
    routes: Vec<Route>,
    in_flight: IntGauge,
    connections: IntGauge,
}

#[derive(Debug)]
struct Route {
    name: &'static str,
    seconds: Histogram,
    /// By method and status; created with the first request, because there would be hundreds of zeros otherwise.
    requests: [[OnceLock<IntCounter>; STATUSES.len()]; METHODS.len()],
}

impl ListenerMetrics {
    /// The metrics of a listener with routes of these names and [`NO_ROUTE`]; routes next to each other can share a name.
    pub(super) fn new(http: &Http, listener: &str, names: impl IntoIterator<Item = &'static str>) -> Self {
        let route = |name| Route { name, seconds: http.seconds.with_label_values(&[name]), requests: Default::default() };
        let mut names: Vec<_> = [NO_ROUTE].into_iter().chain(names).collect();
        names.dedup();
        Self {
            http: http.clone(),
            routes: names.into_iter().map(route).collect(),
            in_flight: http.in_flight.with_label_values(&[listener]),
            connections: http.connections.with_label_values(&[listener]),
        }
    }

    /// Counts an open connection.
    pub(super) fn connection(&self) -> GaugeGuard {
        GaugeGuard::new(&self.connections)
    }

    /// Starts to time a request, whose head has been read.
    pub(super) fn start(&self, route: &str, method: &Method) -> RequestTimer<'_> {
        let route = self.routes.iter().find(|known| known.name == route).unwrap_or(&self.routes[0]);
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
        RequestTimer {
            http: &self.http,
            route,
            method,
            status: ABORTED,
            started: Instant::now(),
            _in_flight: GaugeGuard::new(&self.in_flight),
        }
    }
}

/// A request in progress. It is counted when this is dropped: as aborted unless [`Self::end`] was called.
#[derive(Debug)]
pub(super) struct RequestTimer<'a> {
    http: &'a Http,
    route: &'a Route,
    method: usize,
    status: usize,
    started: Instant,
    _in_flight: GaugeGuard,
}

impl RequestTimer<'_> {
    /// Ends with this response, and logs it if it is an error.
    pub(super) fn end(mut self, head: &Parts, mut response: Response<Body>) -> Response<Body> {
        log_error(self.route.name, METHODS[self.method], &head.headers, self.started, &mut response);
        self.status = STATUSES.iter().position(|known| *known == response.status().as_str()).unwrap_or(OTHER);
        response
    }
}

impl Drop for RequestTimer<'_> {
    fn drop(&mut self) {
        let resolve = || self.http.requests.with_label_values(&[self.route.name, METHODS[self.method], STATUSES[self.status]]);
        self.route.requests[self.method][self.status].get_or_init(resolve).inc();
        self.route.seconds.observe(self.started.elapsed().as_secs_f64());
    }
}
