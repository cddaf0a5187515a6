//! `GET /v1/sites/{site}/top`: the most-read articles of a period.

use hyper::Response;
use serde::Serialize;

use crate::{
    domain::figures::Figure,
    http::{
        request::{Query, SiteRequest},
        response::{Body, Caching, Problem, json},
    },
};

const MAX_LIMIT: usize = 100;
const DEFAULT_LIMIT: usize = 10;

#[derive(Serialize)]
struct TopBody<'a> {
    period: &'static str,
    articles: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    article: &'a str,
    views: u64,
}

pub(in crate::http) async fn respond(request: SiteRequest<'_>) -> Result<Response<Body>, Problem> {
    let query = Query::of(&request.head.uri)?;
    let names = || format!("one of {}", Figure::ALL.map(Figure::name).join(", "));
    let period = query.required("period", &names())?;
    let figure = Figure::from_name(period).ok_or_else(|| Problem::bad_request(format!("period is not {}", names())))?;
    let limit = query.once("limit")?.map_or(Ok(DEFAULT_LIMIT), read_limit)?;
    let bucket = figure.bucket(request.site.day(request.handle.now()));
    let top = request.handle.top(request.counter, bucket, limit).await.map_err(|error| Problem::store_unreachable(&error))?;
    let articles = top.iter().map(|(article, views)| Row { article: article.as_str(), views: *views }).collect();
    Ok(json(Caching::TenSeconds, &TopBody { period: figure.name(), articles }))
}

fn read_limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| Problem::bad_request(format!("limit is not a whole number from 1 to {MAX_LIMIT}")))
}
