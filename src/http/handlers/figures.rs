//! `GET /v1/sites/{site}/figures`: the figures of a site and of up to 100 articles.

use chrono::SecondsFormat;
use hyper::Response;
use serde::{Serialize, Serializer};

use super::{Call, counting::Outcome};
use crate::{
    domain::{article::ArticleId, figures::Figures},
    http::{
        query::Query,
        respond::{Body, Caching, Problem, json},
    },
    readers::Estimate,
    recorder::Answer,
};

const MAX_ARTICLES: usize = 100;

pub(in crate::http) async fn answer(call: Call<'_>) -> Result<Response<Body>, Problem> {
    let articles = Query::of(&call.head.uri)?.articles(MAX_ARTICLES)?;
    let figures = call.handle.figures(call.counter, &articles).await;
    let caching = if figures.stale { Caching::Never } else { Caching::Second };
    Ok(write(&call, &figures, None, caching))
}

/// Figures, and what became of the view that asked for them, where one did.
pub(super) fn write(call: &Call<'_>, figures: &Answer, outcome: Option<&Outcome>, caching: Caching) -> Response<Body> {
    let (counted, reason) = match outcome {
        None => (None, None),
        Some(Outcome::Counted { reason, .. }) => (Some(true), *reason),
        Some(Outcome::NotCounted(reason)) => (Some(false), Some(*reason)),
    };
    let site = &call.counter.site;
    let readers = call.audience.estimate(site, call.handle.now());
    let as_of = figures.as_of.with_timezone(&site.timezone).to_rfc3339_opts(SecondsFormat::Secs, false);
    let articles = &figures.articles;
    json(caching, &Written { counted, reason, site: figures.site, articles, readers, as_of, stale: figures.stale })
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    counted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    site: Option<Figures>,
    #[serde(serialize_with = "by_id")]
    articles: &'a [(ArticleId, Figures)],
    #[serde(skip_serializing_if = "Option::is_none")]
    readers: Option<Option<Estimate>>,
    as_of: String,
    stale: bool,
}

fn by_id<S: Serializer>(articles: &[(ArticleId, Figures)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(articles.iter().map(|(id, figures)| (id.as_str(), figures)))
}
