//! `GET /v1/openapi.json`: the public interface, for programs.

use hyper::Response;

use crate::http::respond::{Body, Caching, content};

/// The description, in OpenAPI 3.1.
pub(in crate::http) fn document() -> Response<Body> {
    content("application/json", Caching::Check, include_str!("../../../web/openapi.json"))
}
