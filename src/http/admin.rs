//! The admin listener's resources: `GET /healthz`, `GET /readyz`, `GET /metrics` and `GET /-/journal`.

use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::{
    http::response::{Body, Caching, Problem, content, json},
    recorder::{Handle, Health},
    telemetry::metrics::CONTENT_TYPE,
};

/// The process is running.
pub(super) fn health() -> Response<Body> {
    content("text/plain; charset=utf-8", Caching::Never, "ok")
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    journal: &'static str,
    store: &'static str,
}

/// Whether the service accepts views. It does while the store is unreachable. While it stops, it still accepts them for a
/// moment, but further clients must go elsewhere.
pub(super) fn ready(health: &Health, stopping: bool) -> Response<Body> {
    let ready = Ready {
        ready: health.journal_ok && !stopping,
        reason: stopping.then_some("stopping"),
        journal: if health.journal_ok { "ok" } else { "full" },
        store: if health.store_ok { "ok" } else { "down" },
    };
    let mut response = json(Caching::Never, &ready);
    if !ready.ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// What the store lacks, for `truycap journal status`.
pub(super) fn journal(handle: &Handle) -> Response<Body> {
    json(Caching::Never, &handle.backlog())
}

/// All metrics, for Prometheus.
pub(super) fn metrics(handle: &Handle) -> Result<Response<Body>, Problem> {
    let text = handle.metrics_text().map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(content(CONTENT_TYPE, Caching::Never, text))
}
