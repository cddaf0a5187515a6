//! What a request's head must be before anybody looks at what it asks for.
//!
//! Where proxies differ, what one of them takes for the end of a request, another may take for the beginning of the next.
//! Such requests are refused, and nothing more is read from their connections. hyper sees to lengths: it refuses two, and
//! ends the connection after a request that has a length beside chunks.

use hyper::{
    HeaderMap, StatusCode, Version,
    header::{HOST, TRANSFER_ENCODING},
    http::request::Parts,
};

use super::respond::Problem;

/// The most bytes of all headers' names and values.
const MAX_HEADERS: usize = 16 * 1024;

/// Refuses a head that is too long or can be understood in two ways.
pub(super) fn check(head: &Parts) -> Result<(), Problem> {
    let headers = &head.headers;
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > MAX_HEADERS {
        let detail = format!("the headers are longer than {MAX_HEADERS} bytes");
        return Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail));
    }
    // A proxy may have chosen by another host than we would see. The first version had none.
    match headers.get_all(HOST).iter().count() {
        1 => {}
        0 if head.version < Version::HTTP_11 => {}
        _ => return Err(Problem::bad_request("a request names one Host").and_close()),
    }
    if is_ambiguous(headers) {
        return Err(Problem::bad_request("the one Transfer-Encoding that is taken is chunked").and_close());
    }
    Ok(())
}

/// Whether the body has a coding that is not taken, or several.
fn is_ambiguous(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return false };
    !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") || codings.next().is_some()
}
