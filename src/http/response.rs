//! How a response is written: JSON, problems, files.

use std::borrow::Cow;

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
        RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
    },
};
use serde::Serialize;

use crate::{domain::site::Site, store::StoreError};

/// The body of every response: it is complete before it is sent.
pub type Body = Full<Bytes>;

/// How long a response can be cached, as `Cache-Control` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caching {
    /// Not at all: the response to a write, an error, or stale figures.
    Never,
    /// Revalidated before each use.
    Check,
    /// Figures.
    Second,
    /// Lists.
    TenSeconds,
    /// Files: long enough for few requests, short enough for a fix to arrive.
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

/// A response of 200.
pub(super) fn content(content_type: &'static str, caching: Caching, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, caching.value());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Lets pages of every origin use the response, also those that require this header with `Cross-Origin-Embedder-Policy`.
pub(super) fn embeddable(mut response: Response<Body>) -> Response<Body> {
    const POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    response.headers_mut().insert(POLICY, HeaderValue::from_static("cross-origin"));
    response
}

/// A response of 200 in JSON.
pub(super) fn json(caching: Caching, value: &impl Serialize) -> Response<Body> {
    json_text(caching, serde_json::to_vec(value))
}

/// A response of 200 with JSON text.
pub(super) fn json_text(caching: Caching, text: serde_json::Result<Vec<u8>>) -> Response<Body> {
    match text {
        Ok(body) => content("application/json", caching, body),
        // No value fails to serialise: keys are text, and there are no floats.
        Err(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the response could not be written").into_response(),
    }
}

/// A page, which can load only what this service serves.
pub(super) fn html(body: Bytes) -> Response<Body> {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; \
                          base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
    let mut response = content("text/html; charset=utf-8", Caching::Check, body);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// A policy for a page without scripts: it allows the style sheets of this service, forms that are sent to `forms`, and frames on pages
/// of the site.
pub(super) fn framed_by(site: &Site, forms: &str) -> HeaderValue {
    let mut policy = format!("default-src 'none'; style-src 'self'; base-uri 'none'; form-action {forms}; frame-ancestors 'self'");
    // A policy has no syntax for IPv6 addresses and for `null`, and browsers complain about them.
    for origin in site.origins.iter().filter(|origin| !origin.as_str().contains('[') && origin.as_str() != "null") {
        policy = policy + " " + origin.as_str();
    }
    // Every origin is a valid header value. If one were not, the page would be shown nowhere.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
}

/// The response to OPTIONS: the methods of a path.
pub(super) fn options(allow: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Why a request failed: the problem's detail, kept with the response for the log.
#[derive(Clone, Debug)]
pub(super) struct Detail(pub(super) Cow<'static, str>);

/// Why a request failed, as RFC 9457 defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    /// The header that this kind of problem needs.
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem with a sentence for the author of the client.
    pub(super) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), header: None }
    }

    /// A request that is not valid.
    pub(super) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Something that works again later; the client should retry after so many seconds.
    pub(super) fn unavailable(detail: &'static str, retry_after: u16) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(RETRY_AFTER, retry_after.into())
    }

    /// A rate limit; after a second the next request fits in.
    pub(super) fn too_many(detail: &'static str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail).with(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// A store that did not answer. Its error is for the operator, not for the client.
    pub(super) fn store_unreachable(error: &StoreError) -> Self {
        tracing::debug!(%error, "a list could not be read");
        Self::unavailable("the store is unreachable", 1)
    }

    pub(super) fn is_too_many(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// A known path with a method that it does not allow.
    pub(super) fn method(allow: &'static str) -> Self {
        let detail = format!("this resource allows {allow}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail).with(ALLOW, HeaderValue::from_static(allow))
    }

    /// The same, and pages of every origin can read it: it says what to change so that the page is one of a site.
    pub(super) fn readable_everywhere(self) -> Self {
        self.with(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))
    }

    /// The same, and the connection is closed: the rest of the request's body is not read.
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
