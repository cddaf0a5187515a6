//! The files that pages load: the script, the look of the box, and what belongs to the demo. They are compressed when
//! the program is built, and each form is known by its digest.

use hyper::{
    HeaderMap, Response, StatusCode,
    header::{ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_ENCODING, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, VARY},
};

use super::respond::{Body, Caching, content};

/// A file as it is sent with one `Content-Encoding`.
#[derive(Clone, Copy, Debug)]
struct Form {
    coding: &'static str,
    bytes: &'static [u8],
    etag: &'static str,
}

/// A file in all its forms, the one that is liked best first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asset {
    content_type: &'static str,
    forms: [Form; 3],
}

/// A file of `web/` that `build.rs` has compressed.
macro_rules! asset {
    ($file:literal, $content_type:literal) => {
        Asset { content_type: $content_type, forms: [asset!($file; "br"), asset!($file; "gzip"), asset!($file; "identity")] }
    };
    ($file:literal; $coding:literal) => {
        Form {
            coding: $coding,
            bytes: include_bytes!(concat!(env!("OUT_DIR"), "/", $file, ".", $coding)),
            etag: include_str!(concat!(env!("OUT_DIR"), "/", $file, ".", $coding, ".etag")),
        }
    };
}

/// What every portal needs.
pub(super) fn of_portals(path: &str) -> Option<Asset> {
    Some(match path {
        "/counter.js" => asset!("counter.js", "text/javascript; charset=utf-8"),
        "/box.css" => asset!("box.css", "text/css; charset=utf-8"),
        "/widget.css" => asset!("widget.css", "text/css; charset=utf-8"),
        _ => return None,
    })
}

/// What only the demo needs.
pub(super) fn of_demo(path: &str) -> Option<Asset> {
    Some(match path {
        "/demo.css" => asset!("demo.css", "text/css; charset=utf-8"),
        "/demo.js" => asset!("demo.js", "text/javascript; charset=utf-8"),
        "/demo.svg" => asset!("demo.svg", "image/svg+xml"),
        _ => return None,
    })
}

impl Asset {
    /// The answer to GET: the form that the client likes best, or 304 where it has that one already.
    ///
    /// Pages of every origin may use the file, also those that ask for it with CORS or demand to be told so
    /// (`crossorigin`, COEP).
    pub(super) fn answer(&self, request: &HeaderMap) -> Response<Body> {
        let form = self.form(request);
        let known = named(request, &IF_NONE_MATCH).any(|tag| tag == "*" || tag.trim_start_matches("W/") == form.etag);
        let mut response = content(self.content_type, Caching::Hour, if known { &[] } else { form.bytes });
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        if form.coding != "identity" {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(form.coding));
        }
        headers.insert(ETAG, HeaderValue::from_static(form.etag));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
        response
    }

    /// The form with the greatest weight in `Accept-Encoding`; the file as it is where the client takes none.
    fn form(&self, request: &HeaderMap) -> &Form {
        let [.., plain] = &self.forms;
        let best = self.forms.iter().rev().max_by_key(|form| weight(request, form.coding));
        best.filter(|form| weight(request, form.coding) > 0).unwrap_or(plain)
    }
}

/// How much a client wants a coding, in thousandths; 0 is not at all. The file as it is may be sent where nobody
/// objects, and is then liked least.
fn weight(request: &HeaderMap, coding: &str) -> u16 {
    let mut others = u16::from(coding == "identity");
    for entry in named(request, &ACCEPT_ENCODING) {
        let (name, parameter) = entry.split_once(';').unwrap_or((entry, ""));
        let weight = parameter.trim().strip_prefix("q=").map_or(Some(1000), thousandths).unwrap_or(0);
        match name.trim() {
            name if name.eq_ignore_ascii_case(coding) => return weight,
            "*" => others = weight,
            _ => {}
        }
    }
    others
}

/// A weight as it is written: `0.5` is 500.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{rest:0<3.3}").parse().ok().filter(|weight| *weight <= 1000)
}

/// What stands in a header that is a list, in all of its lines.
fn named<'a>(request: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    request.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}
