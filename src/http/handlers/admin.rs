//! `GET /healthz`, `GET /readyz` and `GET /metrics`, for whoever watches over the process.

use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::{
    http::respond::{Body, Caching, Problem, content, json},
    recorder::{Handle, Health},
    telemetry::metrics::CONTENT_TYPE,
};

/// The process works.
pub(in crate::http) fn health() -> Response<Body> {
    content("text/plain; charset=utf-8", Caching::Never, "ok")
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    journal: &'static str,
    store: &'static str,
}

/// Whether views are taken. A store that is away does not hinder that.
pub(in crate::http) fn ready(health: &Health) -> Response<Body> {
    let ready = Ready {
        ready: health.journal_ok,
        journal: if health.journal_ok { "ok" } else { "full" },
        store: if health.store_ok { "ok" } else { "away" },
    };
    let mut response = json(Caching::Never, &ready);
    if !ready.ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// What is measured, for Prometheus.
pub(in crate::http) fn metrics(handle: &Handle) -> Result<Response<Body>, Problem> {
    let text = handle.metrics_text().map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(content(CONTENT_TYPE, Caching::Never, text))
}
