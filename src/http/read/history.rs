//! `GET /v1/sites/{site}/history`: views per day, week, month or year.

use std::iter::successors;

use hyper::Response;
use serde::Serialize;

use crate::{
    domain::{
        counts::{Kind, KindError, Subject},
        period::{Bucket, Period},
    },
    http::{
        request::{Query, SiteRequest},
        response::{Body, Caching, Problem, json},
    },
};

const MAX_BUCKETS: usize = 1000;

#[derive(Serialize)]
struct HistoryBody {
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'static str>,
    buckets: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    bucket: String,
    views: u64,
}

pub(in crate::http) async fn respond(request: SiteRequest<'_>) -> Result<Response<Body>, Problem> {
    const BY: &str = "day, week, month or year";
    let query = Query::of(&request.head.uri)?;
    let by = Period::from_name(query.required("by", BY)?).ok_or_else(|| Problem::bad_request(format!("by is not {BY}")))?;
    let (from, to) = (bound(&query, "from", by)?, bound(&query, "to", by)?);
    let (of, article) = (kind(&query)?, query.article()?);
    let subject = match (of, article) {
        (None, article) => article.into(),
        (Some(kind), None) => Subject::Kind(kind),
        (Some(_), Some(_)) => return Err(Problem::bad_request("of is counted for the whole site: leave out article")),
    };
    let buckets = range(from, to)?;
    let views =
        request.handle.history(request.counter, &subject, buckets.clone()).await.map_err(|error| Problem::store_unreachable(&error))?;
    let buckets = buckets.iter().zip(views).map(|(bucket, views)| Row { bucket: bucket.to_string(), views }).collect();
    Ok(json(Caching::TenSeconds, &HistoryBody { by: by.name(), of: of.map(Kind::name), buckets }))
}

/// What is counted, if it is not views.
fn kind(query: &Query<'_>) -> Result<Option<Kind>, Problem> {
    let kind = |text: &str| text.parse().map_err(|error: KindError| Problem::bad_request(format!("of: {error}")));
    query.once("of")?.map(kind).transpose()
}

/// A bound of the range: a bucket of the requested period, or a day in one.
fn bound(query: &Query<'_>, name: &str, by: Period) -> Result<Bucket, Problem> {
    let expected = match by {
        Period::Day => "a day such as 2026-11-22",
        Period::Week => "a week such as 2026-W47, or a day such as 2026-11-22",
        Period::Month => "a month such as 2026-11, or a day such as 2026-11-22",
        Period::Year => "a year such as 2026, or a day such as 2026-11-22",
    };
    match query.required(name, expected)?.parse() {
        Ok(Bucket::Day(day)) => Ok(by.bucket(day)),
        Ok(bucket) if bucket.period() == Some(by) => Ok(bucket),
        _ => Err(Problem::bad_request(format!("{name} is not {expected}"))),
    }
}

/// All buckets from `from` to `to`, both included. The two must have the same period.
fn range(from: Bucket, to: Bucket) -> Result<Vec<Bucket>, Problem> {
    if from > to {
        return Err(Problem::bad_request("from is after to"));
    }
    let buckets: Vec<_> = successors(Some(from), |bucket| bucket.next()).take_while(|bucket| *bucket <= to).take(MAX_BUCKETS + 1).collect();
    if buckets.len() > MAX_BUCKETS {
        return Err(Problem::bad_request(format!("the range has more than {MAX_BUCKETS} buckets")));
    }
    Ok(buckets)
}
