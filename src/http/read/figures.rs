//! `GET /v1/sites/{site}/figures`: the figures of a site and of up to 100 articles.

use std::io::Write as _;

use chrono::SecondsFormat;
use hyper::Response;

use crate::{
    audience::Estimate,
    http::{
        request::{Query, SiteRequest},
        response::{Body, Caching, Problem, json_text},
    },
    recorder::Answer,
};

const MAX_ARTICLES: usize = 100;

/// The approximate length of nine figures with the id of their article, and of everything else.
const FIGURES_BYTES: usize = 256;
const FRAME_BYTES: usize = 128;

/// What became of the view that a response belongs to.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct ViewResult {
    pub(in crate::http) counted: bool,
    /// Why it was not counted, or for the site alone.
    pub(in crate::http) reason: Option<&'static str>,
}

pub(in crate::http) async fn respond(request: SiteRequest<'_>) -> Result<Response<Body>, Problem> {
    let articles = Query::of(&request.head.uri)?.articles(MAX_ARTICLES)?;
    let figures = request.handle.figures(request.counter, &articles).await;
    let caching = if figures.stale { Caching::Never } else { Caching::Second };
    Ok(write(&request, &figures, None, caching))
}

/// The response with figures, and with the view's result if they belong to one.
pub(in crate::http) fn write(request: &SiteRequest<'_>, figures: &Answer, view: Option<ViewResult>, caching: Caching) -> Response<Body> {
    let visitors = request.audience.estimate(request.site, || request.handle.now());
    let as_of = figures.as_of.with_timezone(&request.site.timezone).to_rfc3339_opts(SecondsFormat::Secs, false);
    json_text(caching, FiguresBody { view, figures, visitors, as_of }.to_json())
}

/// The body, whose members are written in this order. By hand, because this is most of the work for a view.
struct FiguresBody<'a> {
    view: Option<ViewResult>,
    figures: &'a Answer,
    visitors: Option<Option<Estimate>>,
    as_of: String,
}

impl FiguresBody<'_> {
    fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let Answer { site, visits, articles, stale, .. } = self.figures;
        let mut out = Vec::with_capacity(FRAME_BYTES + (2 + articles.len()) * FIGURES_BYTES);
        out.push(b'{');
        if let Some(ViewResult { counted, reason }) = self.view {
            write!(out, "\"counted\":{counted},").map_err(serde_json::Error::io)?;
            if let Some(reason) = reason {
                write!(out, "\"reason\":\"{reason}\",").map_err(serde_json::Error::io)?;
            }
        }
        for (name, figures) in [(&b"\"site\":"[..], site), (b",\"visits\":", visits)] {
            out.extend_from_slice(name);
            match figures {
                Some(figures) => figures.write_json(&mut out),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.extend_from_slice(b",\"articles\":{");
        for (at, (id, figures)) in articles.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            serde_json::to_writer(&mut out, id.as_str())?;
            out.push(b':');
            figures.write_json(&mut out);
        }
        out.push(b'}');
        if let Some(visitors) = &self.visitors {
            out.extend_from_slice(b",\"visitors\":");
            serde_json::to_writer(&mut out, visitors)?;
        }
        out.extend_from_slice(b",\"as_of\":\"");
        out.extend_from_slice(self.as_of.as_bytes());
        out.extend_from_slice(if *stale { b"\",\"stale\":true}" } else { b"\",\"stale\":false}" });
        Ok(out)
    }
}
