//! `POST /v1/sites/{site}/views`: counts a view and answers with the figures it is in.

use hyper::Response;

use super::{Call, counting::Decision, figures::write};
use crate::http::{
    RequestBody,
    body::read_article,
    respond::{Body, Caching, Problem},
};

pub(in crate::http) async fn answer<B: RequestBody>(call: Call<'_>, body: B) -> Result<Response<Body>, Problem> {
    call.check_sender()?;
    // The whole body first: a client that leaves in the middle has not asked for anything yet.
    let article = read_article(&call.head.headers, body, call.body_read).await?;
    let outcome = call.count(article.clone()).await?;
    // What has no buckets has no figures.
    let article = if let Decision::Counted { article, .. } = &outcome { article } else { &article };
    let figures = call.handle.figures(call.counter, article.as_slice()).await;
    Ok(write(&call, &figures, Some(&outcome), Caching::Never))
}
