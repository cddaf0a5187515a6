//! Error logging with a request id.
//!
//! A proxy can set the id in `X-Request-Id`; the response returns it. At level info and above, the log line has no address,
//! no article and no path.

use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering},
};

use hyper::{
    HeaderMap, Response, StatusCode,
    header::{HeaderName, HeaderValue},
};
use tokio::time::Instant;
use tracing::{debug, error, warn};

use super::response::{Body, Detail};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is accepted from a client, in bytes.
const MAX_ID: usize = 64;

/// Logs a request if its response is an error, and adds the request's id to the response.
pub(super) fn log_error(route: &str, method: &str, headers: &HeaderMap, started: Instant, response: &mut Response<Body>) {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return;
    }
    let id = given_id(headers).unwrap_or_else(new_id);
    let request_id = id.to_str().unwrap_or_default();
    let detail = response.extensions().get::<Detail>().map_or("", |detail| &detail.0);
    let (code, ms) = (status.as_u16(), u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
    if status.is_client_error() {
        debug!(request_id, method, route, status = code, ms, detail, "a request was refused");
    } else if status == StatusCode::SERVICE_UNAVAILABLE {
        warn!(request_id, method, route, status = code, ms, detail, "a request failed");
    } else {
        error!(request_id, method, route, status = code, ms, detail, "a request failed");
    }
    response.headers_mut().insert(REQUEST_ID, id);
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
