//! What is told of a request that failed: a line in the log, and an id by which the client and the log mean the same one.
//!
//! A proxy may give the id in `X-Request-Id`. The line has no address, no article and no path at level info and above.

use std::{
    borrow::Cow,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::{
    HeaderMap, Response, StatusCode,
    header::{HeaderName, HeaderValue},
};
use tokio::time::Instant;
use tracing::{debug, error, warn};

use super::respond::Body;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client, in bytes.
const MAX_ID: usize = 64;

/// Why a request failed; kept with its answer for the log.
#[derive(Clone, Debug)]
pub(super) struct Detail(pub(super) Cow<'static, str>);

/// Logs a request whose answer is an error, and puts the request's id into the answer.
pub(super) fn tell(route: &str, method: &str, headers: &HeaderMap, begun: Instant, response: &mut Response<Body>) {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return;
    }
    let id = given(headers).unwrap_or_else(made);
    let request_id = id.to_str().unwrap_or_default();
    let detail = response.extensions().get::<Detail>().map_or("", |detail| &detail.0);
    let (code, ms) = (status.as_u16(), u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
    if status.is_client_error() {
        debug!(request_id, method, route, status = code, ms, detail, "a request was refused");
    } else if status == StatusCode::SERVICE_UNAVAILABLE {
        warn!(request_id, method, route, status = code, ms, detail, "a request failed");
    } else {
        error!(request_id, method, route, status = code, ms, detail, "a request failed");
    }
    response.headers_mut().insert(REQUEST_ID, id);
}

/// The id that the request came with, where it is a plain word.
fn given(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:=+/".contains(byte);
    ((1..=MAX_ID).contains(&id.len()) && id.as_bytes().iter().all(plain)).then(|| id.clone())
}

/// A new id, different from all others of this process, and most likely from those of others.
fn made() -> HeaderValue {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| getrandom::u64().unwrap_or_default().into());
    let id = format!("{:016x}", NEXT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("0"))
}
