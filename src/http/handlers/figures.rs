//! `GET /v1/sites/{site}/figures`: the figures of a site and of up to 100 articles.

use std::io::Write as _;

use chrono::SecondsFormat;
use hyper::Response;

use super::{Call, counting::Decision};
use crate::{
    http::{
        query::Query,
        respond::{Body, Caching, Problem, json_text},
    },
    readers::Estimate,
    recorder::Answer,
};

const MAX_ARTICLES: usize = 100;

/// About as long are nine figures with the id of their article, and all the rest.
const FIGURES_BYTES: usize = 256;
const FRAME_BYTES: usize = 128;

pub(in crate::http) async fn answer(call: Call<'_>) -> Result<Response<Body>, Problem> {
    let articles = Query::of(&call.head.uri)?.articles(MAX_ARTICLES)?;
    let figures = call.handle.figures(call.counter, &articles).await;
    let caching = if figures.stale { Caching::Never } else { Caching::Second };
    Ok(write(&call, &figures, None, caching))
}

/// Figures, and what became of the view that asked for them, where one did.
pub(super) fn write(call: &Call<'_>, figures: &Answer, outcome: Option<&Decision>, caching: Caching) -> Response<Body> {
    let (counted, reason) = match outcome {
        None => (None, None),
        Some(Decision::Counted { reason, .. }) => (Some(true), *reason),
        Some(Decision::NotCounted(reason)) => (Some(false), Some(*reason)),
    };
    let site = call.site;
    let visitors = call.audience.estimate(site, || call.handle.now());
    let as_of = figures.as_of.with_timezone(&site.timezone).to_rfc3339_opts(SecondsFormat::Secs, false);
    json_text(caching, Written { counted, reason, figures, visitors, as_of }.to_json())
}

/// An answer, whose members are written in this order. By hand, for this is most of what there is to do for a view.
struct Written<'a> {
    counted: Option<bool>,
    reason: Option<&'static str>,
    figures: &'a Answer,
    visitors: Option<Option<Estimate>>,
    as_of: String,
}

impl Written<'_> {
    fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let Answer { site, articles, stale, .. } = self.figures;
        let mut out = Vec::with_capacity(FRAME_BYTES + (1 + articles.len()) * FIGURES_BYTES);
        out.push(b'{');
        if let Some(counted) = self.counted {
            write!(out, "\"counted\":{counted},").map_err(serde_json::Error::io)?;
        }
        if let Some(reason) = self.reason {
            write!(out, "\"reason\":\"{reason}\",").map_err(serde_json::Error::io)?;
        }
        out.extend_from_slice(b"\"site\":");
        match site {
            Some(figures) => figures.write_json(&mut out),
            None => out.extend_from_slice(b"null"),
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
