//! `GET /`: a page that shows what a portal looks like with its figures on it.

use hyper::{Response, body::Bytes};

use crate::{
    domain::site::SiteId,
    http::respond::{Body, Caching, content, html},
};

/// The demo page and what belongs to it.
#[derive(Debug)]
pub(in crate::http) struct Demo {
    page: Bytes,
}

impl Demo {
    /// A demo whose views are counted for a site.
    pub(in crate::http) fn new(site: &SiteId) -> Self {
        // SECURITY: an id of a site holds no character that means something in HTML.
        let page = include_str!("../../../web/demo.html").replace("{site}", site.as_str());
        Self { page: page.into() }
    }

    /// What is served at a path.
    pub(in crate::http) fn file(&self, path: &str) -> Option<Response<Body>> {
        let css = |text: &'static str| content("text/css; charset=utf-8", Caching::Check, text);
        Some(match path {
            "/" => html(self.page.clone()),
            "/demo.css" => css(include_str!("../../../web/demo.css")),
            "/widget.css" => css(include_str!("../../../web/widget.css")),
            "/demo.svg" => content("image/svg+xml", Caching::Check, include_str!("../../../web/demo.svg")),
            "/demo.js" => content("text/javascript; charset=utf-8", Caching::Check, include_str!("../../../web/demo.js")),
            _ => return None,
        })
    }
}
