//! What a request contains: its head, its query, its body, and the site that it is for.

use std::{borrow::Cow, net::IpAddr, sync::Arc, time::Duration};

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, StatusCode, Uri, Version,
    body::Bytes,
    header::{CONTENT_ENCODING, CONTENT_TYPE, FORWARDED, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING},
    http::request::Parts,
};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use tokio::time::timeout;

use super::{refusal_log::page_origin, response::Problem};
use crate::{
    audience::{Audience, ClientResolver, ProxyHeader, RequestOrigin},
    domain::{article::ArticleId, site::Site},
    recorder::{Handle, SiteCounter},
    report::Reports,
    titles::Titles,
};

/// The most bytes of all names and values of headers.
const MAX_HEADERS: usize = 16 * 1024;

/// The longest body, in bytes.
pub(super) const MAX_BODY: usize = 4096;

/// A request to a site's resource.
#[derive(Clone, Copy)]
pub(super) struct SiteRequest<'a> {
    pub(super) handle: &'a Handle,
    pub(super) audience: &'a Audience,
    pub(super) titles: &'a Titles,
    pub(super) reports: &'a Reports,
    pub(super) counter: &'a Arc<SiteCounter>,
    pub(super) site: &'a Site,
    pub(super) origin: RequestOrigin,
    pub(super) client: IpAddr,
    pub(super) head: &'a Parts,
    /// How long the body may take.
    pub(super) body_read: Duration,
}

impl SiteRequest<'_> {
    /// The answer to a request of a page that is not one of the site's. It names the page's origin, because the owner of the page
    /// can have forgotten it in the configuration.
    pub(super) fn refuse_origin(&self, what: &str) -> Problem {
        let site = &self.site.id;
        let detail = match &*page_origin(&self.head.headers) {
            "" => format!("the site {site} does not {what} requests without Origin and Referer"),
            "null" => format!("the site {site} does not {what} null, which is the origin of a local file or of a sandboxed frame"),
            origin => format!("the site {site} does not {what} {origin}: add it to the site's origins"),
        };
        Problem::new(StatusCode::FORBIDDEN, detail).readable_everywhere()
    }
}

/// The body of a request: hyper's, or one that a test makes.
pub trait RequestBody: hyper::body::Body<Data = Bytes, Error: Send> + Send + Unpin {}

impl<B: hyper::body::Body<Data = Bytes, Error: Send> + Send + Unpin> RequestBody for B {}

/// Refuses a head that is too long or ambiguous.
///
/// If two proxies disagree on where a request ends, an attacker can hide a second request in the first (request
/// smuggling). The connection of such a request is closed. hyper handles lengths: it refuses two of them, and closes the
/// connection after a request that has a length and chunks.
pub(super) fn check_head(head: &Parts) -> Result<(), Problem> {
    let headers = &head.headers;
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > MAX_HEADERS {
        let detail = format!("the headers are longer than {MAX_HEADERS} bytes");
        return Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail));
    }
    // With two, a proxy can have chosen by the other one. HTTP/1.0 has none.
    match headers.get_all(HOST).iter().count() {
        1 => {}
        0 if head.version < Version::HTTP_11 => {}
        _ => return Err(Problem::bad_request("a request must have exactly one Host").and_close()),
    }
    if has_unknown_coding(headers) {
        return Err(Problem::bad_request("the only supported Transfer-Encoding is chunked").and_close());
    }
    Ok(())
}

/// Whether the body has several transfer codings, or one other than `chunked`.
fn has_unknown_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return false };
    !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") || codings.next().is_some()
}

/// The client's address, behind trusted proxies.
pub(super) fn client_ip(resolver: &ClientResolver, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
    let name = match resolver.header {
        None => return peer.to_canonical(),
        Some(ProxyHeader::XForwardedFor) => X_FORWARDED_FOR,
        Some(ProxyHeader::Forwarded) => FORWARDED,
        Some(ProxyHeader::XRealIp) => X_REAL_IP,
    };
    resolver.resolve(peer, headers.get_all(name).iter().map(HeaderValue::as_bytes))
}

/// The parameters of a query, decoded, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Reads a query as forms write it: `+` is a space, the rest is percent-encoded UTF-8.
    pub(super) fn of(uri: &'a Uri) -> Result<Self, Problem> {
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((form_decode(name)?, form_decode(value)?))
        });
        let decoded: Option<_> = decoded.collect();
        decoded.map(Self).ok_or_else(|| Problem::bad_request("the query is not percent-encoded UTF-8"))
    }

    /// Every value of a parameter.
    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| &**value)
    }

    /// The value of a parameter that can be given once.
    pub(super) fn once(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Problem::bad_request(format!("the parameter {name} is given more than once"))),
        }
    }

    /// The value of a parameter that must be given once; `expected` describes it.
    pub(super) fn required(&self, name: &str, expected: &str) -> Result<&str, Problem> {
        self.once(name)?.ok_or_else(|| Problem::bad_request(format!("the parameter {name} is missing: {expected}")))
    }

    /// The article, if one is given.
    pub(super) fn article(&self) -> Result<Option<ArticleId>, Problem> {
        self.once("article")?.map(article_id).transpose()
    }

    /// Up to `max` articles, each once, in the order of the query.
    pub(super) fn articles(&self, max: usize) -> Result<Vec<ArticleId>, Problem> {
        if self.all("article").count() > max {
            return Err(Problem::bad_request(format!("the query has more than {max} articles")));
        }
        let mut articles = Vec::new();
        for text in self.all("article") {
            let article = article_id(text)?;
            if !articles.contains(&article) {
                articles.push(article);
            }
        }
        Ok(articles)
    }
}

fn article_id(text: &str) -> Result<ArticleId, Problem> {
    ArticleId::parse(text).map_err(|error| Problem::bad_request(error.to_string()))
}

/// Decodes a segment of a path or a part of a query; `None` if it is not percent-encoded UTF-8.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    // The decoder leaves a `%` without two digits as it is, but a client that sends one has not encoded its text.
    let escapes_ok = text.split('%').skip(1).all(|rest| rest.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)));
    escapes_ok.then(|| percent_decode_str(text).decode_utf8().ok()).flatten()
}

fn form_decode(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') {
        return decode(&text.replace('+', "%20")).map(|decoded| Cow::Owned(decoded.into_owned()));
    }
    decode(text)
}

/// The body of a view. Unknown members are ignored.
#[derive(Deserialize)]
struct ViewBody {
    article: Option<String>,
    visit: Option<bool>,
    from: Option<String>,
}

/// What a page says of a view.
#[derive(Debug, Default)]
pub(super) struct SentView {
    pub(super) article: Option<ArticleId>,
    /// Whether the reader came from elsewhere.
    pub(super) visit: bool,
    /// The origin of the page that the reader came from, if the browser tells it.
    pub(super) from: Option<String>,
}

/// Reads the whole body of a view within a time.
pub(super) async fn read_view<B: RequestBody>(headers: &HeaderMap, body: B, within: Duration) -> Result<SentView, Problem> {
    let slow = || Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time").and_close();
    let bytes = timeout(within, read_body(body)).await.map_err(|_| slow())??;
    if bytes.is_empty() {
        return Ok(SentView::default());
    }
    check_content_type(headers)?;
    let text = str::from_utf8(&bytes).map_err(|_| Problem::bad_request("the body is not UTF-8"))?;
    // serde also accepts an array of the members.
    if !text.trim_start().starts_with('{') {
        return Err(Problem::bad_request("the body is not a JSON object, such as {\"article\":\"/tin/1\"}"));
    }
    let ViewBody { article, visit, from } =
        serde_json::from_str(text).map_err(|error| Problem::bad_request(format!("the body cannot be read: {error}")))?;
    Ok(SentView { article: article.as_deref().map(article_id).transpose()?, visit: visit.unwrap_or_default(), from })
}

async fn read_body<B: RequestBody>(mut body: B) -> Result<Vec<u8>, Problem> {
    let too_long = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {MAX_BODY} bytes")).and_close();
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::bad_request("the body is incomplete").and_close())?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > MAX_BODY {
                return Err(too_long());
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes)
}

/// Accepts JSON, also as plain text: a page can send that to another origin without a preflight.
fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let unsupported = |detail| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    if headers.contains_key(CONTENT_ENCODING) {
        return unsupported("the body has a Content-Encoding; send it without one");
    }
    let header = headers.get(CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
    let essence = header.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if [&b"application/json"[..], b"text/plain"].iter().any(|accepted| essence.eq_ignore_ascii_case(accepted)) {
        return Ok(());
    }
    unsupported("the Content-Type of the body is neither application/json nor text/plain")
}
