//! `GET /`: a page that shows what a portal looks like with its figures on it.

use hyper::{Response, body::Bytes};

use crate::{
    domain::site::SiteId,
    http::respond::{Body, html},
};

/// The demo page.
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

    /// The page, which counts a view of it.
    pub(in crate::http) fn page(&self) -> Response<Body> {
        html(self.page.clone())
    }
}
