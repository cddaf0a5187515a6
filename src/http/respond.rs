//! How an answer is written: JSON, problems, files.

use std::borrow::Cow;

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{
        ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use serde::Serialize;

use super::failure::Detail;

/// The body of every answer: it is made whole before it is sent.
pub type Body = Full<Bytes>;

/// How long an answer may be kept, as `Cache-Control` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caching {
    /// Not at all: the answer to a write, an error, or figures that are stale.
    Never,
    /// Asked about before each use.
    Check,
    /// A moment: figures.
    Second,
    /// A few moments: lists.
    TenSeconds,
    /// So long that a page rarely asks, and no longer than a mistake in a file may live.
    Hour,
}

impl Caching {
    fn value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Never => "no-store",
            Self::Check => "no-cache",
            Self::Second => "public, max-age=1",
            Self::TenSeconds => "public, max-age=10",
            Self::Hour => "public, max-age=3600",
        })
    }
}

/// An answer of 200.
pub(super) fn content(content_type: &'static str, caching: Caching, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, caching.value());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// An answer of 200 in JSON.
pub(super) fn json(caching: Caching, value: &impl Serialize) -> Response<Body> {
    json_text(caching, serde_json::to_vec(value))
}

/// An answer of 200 in JSON that is written already.
pub(super) fn json_text(caching: Caching, text: serde_json::Result<Vec<u8>>) -> Response<Body> {
    match text {
        Ok(body) => content("application/json", caching, body),
        // No value of this module fails to serialise: it has names for keys, and no floats.
        Err(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be written").into_response(),
    }
}

/// A page, which may load nothing but what this service serves.
pub(super) fn html(body: Bytes) -> Response<Body> {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; \
                          base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
    let mut response = content("text/html; charset=utf-8", Caching::Check, body);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// What can be done at a path: the answer to OPTIONS.
pub(super) fn options(allow: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Why a request was not done, as RFC 9457 has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    /// The one header that this kind of problem has.
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem, and a sentence that helps the client's author.
    pub(super) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), header: None }
    }

    /// A request that does not say what it should.
    pub(super) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Something that will work later; the client is told in how many seconds to try again.
    pub(super) fn unavailable(detail: &'static str, retry_after: u16) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(RETRY_AFTER, retry_after.into())
    }

    /// More than is taken from one client or for one site; a second later there is room for the next.
    pub(super) fn too_many(detail: &'static str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail).with(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    pub(super) fn is_too_many(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// A known path with a method that it has not.
    pub(super) fn method(allow: &'static str) -> Self {
        let detail = format!("this resource allows {allow}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail).with(ALLOW, HeaderValue::from_static(allow))
    }

    /// The same, and the connection is closed: what is left of the request's body is not read.
    pub(super) fn and_close(self) -> Self {
        self.with(CONNECTION, HeaderValue::from_static("close"))
    }

    fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = content("application/problem+json", Caching::Never, body.to_string());
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.header);
        response.extensions_mut().insert(Detail(self.detail));
        response
    }
}
