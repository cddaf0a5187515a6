//! `GET /v1/sites/{site}/top`: the most-read articles of a period, of a site or of one of its sections.

use hyper::Response;
use serde::Serialize;

use crate::{
    domain::{article::Section, figures::Figure, site::Site},
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
    /// Whether articles can be missing.
    stale: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    article: &'a str,
    views: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
}

pub(in crate::http) async fn respond(request: SiteRequest<'_>) -> Result<Response<Body>, Problem> {
    let query = Query::of(&request.head.uri)?;
    let names = || format!("one of {}", Figure::ALL.map(Figure::name).join(", "));
    let period = query.required("period", &names())?;
    let figure = Figure::from_name(period).ok_or_else(|| Problem::bad_request(format!("period is not {}", names())))?;
    let limit = query.once("limit")?.map_or(Ok(DEFAULT_LIMIT), read_limit)?;
    let section = query.once("prefix")?.map(|prefix| find_section(request.site, prefix)).transpose()?;
    let bucket = figure.bucket(request.site.day(request.handle.now()));
    let top = request.handle.top(request.counter, section, bucket).await.map_err(|error| Problem::store_unreachable(&error))?;
    let list = request.titles.list(&request.site.id, &top.articles, limit);
    let rows = list.rows.iter().map(|(article, views, title)| Row { article: article.as_str(), views: *views, title: title.as_deref() });
    let articles = rows.collect();
    let stale = top.stale || list.waits;
    let caching = if stale { Caching::Never } else { Caching::TenSeconds };
    Ok(json(caching, &TopBody { period: figure.name(), articles, stale }))
}

/// The site's section with that prefix. Only sections have lists of their own.
fn find_section<'a>(site: &'a Site, prefix: &str) -> Result<&'a Section, Problem> {
    let normalised = Section::parse(prefix).ok();
    let section = site.sections.iter().find(|section| normalised.as_ref() == Some(section));
    section.ok_or_else(|| {
        let names: Vec<_> = site.sections.iter().map(|section| format!("{:?}", section.as_str())).collect();
        Problem::bad_request(match names[..] {
            [] => "this site has no sections; leave prefix out".into(),
            _ => format!("prefix is not one of the site's sections, which are {}", names.join(", ")),
        })
    })
}

fn read_limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| Problem::bad_request(format!("limit is not a whole number from 1 to {MAX_LIMIT}")))
}
