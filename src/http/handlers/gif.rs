//! `GET /v1/sites/{site}/views.gif`: counts a view of a page without JavaScript.
//!
//! The page names the article in the picture's address. Of its own address, in the Referer header, at most the origin is
//! looked at: browsers cut it to that by default, and what it names is not for this service to know.

use hyper::{Method, Response};

use super::Call;
use crate::http::{
    query::Query,
    respond::{Body, Caching, Problem, content},
};

/// One transparent pixel: header and screen of 1 × 1, a palette of two, transparency, the picture, the end.
const PIXEL: &[u8; 43] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff\
    \x21\xf9\x04\x01\0\0\0\0\
    \x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\
    \x3b";

pub(in crate::http) async fn answer(call: Call<'_>) -> Result<Response<Body>, Problem> {
    call.check_sender()?;
    let article = Query::of(&call.head.uri)?.article()?;
    if call.head.method != Method::HEAD {
        call.count(article).await?;
    }
    Ok(content("image/gif", Caching::Never, PIXEL.as_slice()))
}
