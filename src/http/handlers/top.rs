//! `GET /v1/sites/{site}/top`: the most-read articles of a period.

use hyper::Response;
use serde::Serialize;

use super::{Call, store_away};
use crate::{
    domain::figures::Figure,
    http::{
        query::Query,
        respond::{Body, Caching, Problem, json},
    },
};

const MAX_LIMIT: usize = 100;
const DEFAULT_LIMIT: usize = 10;

#[derive(Serialize)]
struct Written<'a> {
    period: &'static str,
    articles: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    article: &'a str,
    views: u64,
}

pub(in crate::http) async fn answer(call: Call<'_>) -> Result<Response<Body>, Problem> {
    let query = Query::of(&call.head.uri)?;
    let names = || format!("one of {}", Figure::ALL.map(Figure::name).join(", "));
    let period = query.required("period", &names())?;
    let figure = Figure::from_name(period).ok_or_else(|| Problem::bad_request(format!("period is not {}", names())))?;
    let limit = query.once("limit")?.map_or(Ok(DEFAULT_LIMIT), read_limit)?;
    let bucket = figure.bucket(call.site.day(call.handle.now()));
    let top = call.handle.top(call.counter, bucket, limit).await.map_err(|error| store_away(&error))?;
    let articles = top.iter().map(|(article, views)| Row { article: article.as_str(), views: *views }).collect();
    Ok(json(Caching::TenSeconds, &Written { period: figure.name(), articles }))
}

fn read_limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| Problem::bad_request(format!("limit is not a whole number from 1 to {MAX_LIMIT}")))
}
