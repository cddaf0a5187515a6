//! `GET /healthz` and `GET /readyz`, for whoever watches over the process.

use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::{
    http::respond::{Body, Caching, content, json},
    recorder::Health,
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
