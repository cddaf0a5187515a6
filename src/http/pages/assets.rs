//! The files that pages load: the scripts, the style of the box, and the files of the demo. The build compresses them, and
//! the ETag of each encoding is a digest.

use hyper::{
    HeaderMap, Response, StatusCode,
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_ENCODING, ETAG, HeaderValue, IF_NONE_MATCH, VARY},
};

use crate::http::{
    negotiation::{entries, weight},
    response::{Body, Caching, content, embeddable},
};

/// A file in one `Content-Encoding`.
#[derive(Debug)]
struct Form {
    coding: &'static str,
    bytes: &'static [u8],
    etag: &'static str,
}

/// A file in all its encodings, the preferred one first.
#[derive(Debug)]
pub(in crate::http) struct Asset {
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

pub(in crate::http) static COUNTER_JS: Asset = asset!("counter.js", "text/javascript; charset=utf-8");
pub(in crate::http) static WIDGET_JS: Asset = asset!("widget.js", "text/javascript; charset=utf-8");
pub(in crate::http) static BOX_CSS: Asset = asset!("box.css", "text/css; charset=utf-8");
pub(in crate::http) static WIDGET_CSS: Asset = asset!("widget.css", "text/css; charset=utf-8");
pub(in crate::http) static REPORT_CSS: Asset = asset!("report.css", "text/css; charset=utf-8");
pub(in crate::http) static DEMO_CSS: Asset = asset!("demo.css", "text/css; charset=utf-8");
pub(in crate::http) static DEMO_JS: Asset = asset!("demo.js", "text/javascript; charset=utf-8");
pub(in crate::http) static DEMO_SVG: Asset = asset!("demo.svg", "image/svg+xml");

/// `GET /v1/openapi.json`: the public interface, in OpenAPI 3.1.
pub(in crate::http) fn openapi() -> Response<Body> {
    content("application/json", Caching::Check, include_str!("../../../web/openapi.json"))
}

impl Asset {
    /// The response to GET: the encoding that the client prefers, or 304 if it has that one already.
    ///
    /// Pages of every origin can use the file, also those that load it with CORS (`crossorigin`) or require the header of
    /// COEP.
    pub(in crate::http) fn respond(&self, request: &HeaderMap) -> Response<Body> {
        let form = self.form(request);
        let known = entries(request, &IF_NONE_MATCH).any(|tag| tag == "*" || tag.trim_start_matches("W/") == form.etag);
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
        embeddable(response)
    }

    /// The form with the greatest weight in `Accept-Encoding`; the uncompressed file if the client accepts none.
    fn form(&self, request: &HeaderMap) -> &Form {
        let [.., plain] = &self.forms;
        let best = self.forms.iter().rev().max_by_key(|form| weight(request, form.coding));
        best.filter(|form| weight(request, form.coding) > 0).unwrap_or(plain)
    }
}
