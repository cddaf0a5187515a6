//! `GET /`: a page that shows what a portal looks like with its figures on it.

use hyper::Response;

use crate::http::respond::{Body, Caching, content, html};

/// What the demo serves at a path.
pub(in crate::http) fn file(path: &str) -> Option<Response<Body>> {
    let css = |text: &'static str| content("text/css; charset=utf-8", Caching::Check, text);
    Some(match path {
        "/" => html(include_str!("../../../web/demo.html")),
        "/demo.css" => css(include_str!("../../../web/demo.css")),
        "/widget.css" => css(include_str!("../../../web/widget.css")),
        "/demo.js" => content("text/javascript; charset=utf-8", Caching::Check, include_str!("../../../web/demo.js")),
        _ => return None,
    })
}
