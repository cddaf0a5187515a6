//! Error logging with a request id.
//!
//! A proxy can set the id in `X-Request-Id`; the response returns it. At level info and above, the log line has no address,
//! no article and no path.

use std::{
    borrow::Cow,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CACHE_CONTROL, HeaderName, HeaderValue},
};
use tokio::time::Instant;
use tracing::{debug, error, warn};

use super::response::{Body, Detail};
use crate::{
    domain::site::SiteId,
    telemetry::log_throttle::{LogThrottle, Sweep},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is accepted from a client, in bytes.
const MAX_ID: usize = 64;

/// How requests fail: the route, the status, the detail.
type Failure = (&'static str, u16, Cow<'static, str>);

/// A failing request is logged once a second: thousands of requests can fail in the same way, above all on a full disk.
static FAILURES: LogThrottle<Failure> = LogThrottle::new(Duration::from_secs(1), 100);

/// The site of a request, kept with its response for the log.
#[derive(Clone, Debug)]
pub(super) struct RequestedSite(pub(super) SiteId);

/// Logs a request if its response is an error. The response gets the request's id, or a new one if it is an error; not if it can
/// be cached, because later requests would get the same one.
pub(super) fn log_error(route: &'static str, method: &str, headers: &HeaderMap, started: Instant, response: &mut Response<Body>) {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_private = || response.headers().get(CACHE_CONTROL).is_some_and(|value| value == "no-store");
    let given = given_id(headers).filter(|_| is_error || is_private());
    let Some(id) = given.or_else(|| is_error.then(new_id)) else { return };
    if is_error {
        let request_id = id.to_str().unwrap_or_default();
        let site = response.extensions().get().map(|RequestedSite(site)| site.as_str());
        let detail = response.extensions().get().map(|Detail(detail)| detail);
        let (code, ms) = (status.as_u16(), u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        // A probe's answer has no detail: what it reports is logged when it changes.
        let failed = detail.filter(|_| status.is_server_error());
        match failed.and_then(|detail| FAILURES.allow((route, code, detail.clone()))) {
            Some(left_out) if status == StatusCode::SERVICE_UNAVAILABLE => {
                warn!(
                    event = "request_failed",
                    request_id,
                    method,
                    route,
                    site,
                    status = code,
                    ms,
                    detail = failed.map(|d| &**d),
                    left_out,
                    "a request failed"
                );
            }
            Some(left_out) => {
                error!(
                    event = "request_failed",
                    request_id,
                    method,
                    route,
                    site,
                    status = code,
                    ms,
                    detail = failed.map(|d| &**d),
                    left_out,
                    "a request failed"
                );
            }
            None => debug!(request_id, method, route, site, status = code, ms, detail = detail.map(|d| &**d), "a request was refused"),
        }
    }
    response.headers_mut().insert(REQUEST_ID, id);
}

/// Logs how many failed requests have no line and no later one that accounts for them.
pub(super) fn log_left_out(sweep: Sweep) {
    let left_out = FAILURES.sweep(sweep);
    for ((route, status, detail), requests) in left_out.lines {
        warn!(event = "requests_failed", route, status, detail = &*detail, left_out = requests, "further requests failed");
    }
    if left_out.others > 0 {
        warn!(event = "requests_failed", left_out = left_out.others, "further requests failed");
    }
}

/// The request's own id, if it is a plain word.
fn given_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:=+/".contains(byte);
    ((1..=MAX_ID).contains(&id.len()) && id.as_bytes().iter().all(plain)).then(|| id.clone())
}

/// A new id, unique in this process and most likely among processes.
fn new_id() -> HeaderValue {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| getrandom::u64().unwrap_or_default().into());
    let id = format!("{:016x}", NEXT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("0"))
}
