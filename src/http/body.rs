//! The body of a request that counts a view.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use mime::Mime;
use serde::Deserialize;
use tokio::time::timeout;

use super::{RequestBody, query::article_id, respond::Problem};
use crate::domain::article::ArticleId;

/// The longest body, in bytes.
const MAX_BYTES: usize = 4096;

/// What a view may say of itself. Members that are not known are left alone.
#[derive(Deserialize)]
struct View {
    article: Option<String>,
}

/// Reads a body to its end, within a time, and the article that it names.
pub(super) async fn read_article<B: RequestBody>(headers: &HeaderMap, body: B, within: Duration) -> Result<Option<ArticleId>, Problem> {
    let slow = || Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time").and_close();
    let bytes = timeout(within, read(body)).await.map_err(|_| slow())??;
    if bytes.is_empty() {
        return Ok(None);
    }
    check_type(headers)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Problem::bad_request("the body is not UTF-8"))?;
    // serde would take an array for the members in their order.
    if !text.trim_start().starts_with('{') {
        return Err(Problem::bad_request("the body is not a JSON object, such as {\"article\":\"/tin/1\"}"));
    }
    let view: View = serde_json::from_str(text).map_err(|error| Problem::bad_request(format!("the body cannot be read: {error}")))?;
    view.article.as_deref().map(article_id).transpose()
}

async fn read<B: RequestBody>(mut body: B) -> Result<Vec<u8>, Problem> {
    let too_long = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {MAX_BYTES} bytes")).and_close();
    if body.size_hint().lower() > MAX_BYTES as u64 {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::bad_request("the body broke off").and_close())?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > MAX_BYTES {
                return Err(too_long());
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes)
}

/// JSON as what it is, or as the plain text that a page may send to another origin without asking first.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let unsupported = |detail| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    if headers.contains_key(CONTENT_ENCODING) {
        return unsupported("the body has a Content-Encoding; send it as it is");
    }
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(|value| value.parse::<Mime>().ok());
    match named.as_ref().map(Mime::essence_str) {
        Some("application/json" | "text/plain") => Ok(()),
        _ => unsupported("the Content-Type of the body is neither application/json nor text/plain"),
    }
}
