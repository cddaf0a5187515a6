//! `POST /v1/sites/{site}/views`: counts a view and answers with the figures it is in.

use hyper::Response;

use super::{
    Call,
    figures::{Outcome, write},
};
use crate::http::{
    RequestBody,
    body::read_article,
    client::not_a_reader,
    respond::{Body, Caching, Problem},
};

pub(in crate::http) async fn answer<B: RequestBody>(call: Call<'_>, body: B) -> Result<Response<Body>, Problem> {
    call.check_sender()?;
    // The whole body first: a client that leaves in the middle has not asked for anything yet.
    let article = read_article(&call.head.headers, body, call.body_read).await?;
    let outcome = match not_a_reader(&call.head.headers) {
        Some(fate) => {
            call.counter.note(fate);
            Outcome::NotCounted(fate.name())
        }
        None => {
            call.record(article.clone()).await?;
            Outcome::Counted
        }
    };
    let figures = call.handle.figures(call.counter, article.as_slice()).await;
    Ok(write(&call.counter.site, &figures, Some(outcome), Caching::Never))
}
