//! The requests that count a view: `POST /v1/sites/{site}/views` and `GET /v1/sites/{site}/views.gif`.
//!
//! Each becomes a [`Hit`], the audience decides what counts, and the recorder makes it durable before the response.

use std::slice;

use hyper::{
    HeaderMap, Method, Response,
    header::{HeaderName, HeaderValue, REFERER, USER_AGENT},
};

use super::{
    read::figures::{self, ViewResult},
    refusal_log,
    request::{Query, RequestBody, SentView, SiteRequest, read_view},
    response::{Body, Caching, Problem, content, embeddable},
};
use crate::{
    audience::{Decision, Hints, Hit, Refusal, RequestOrigin, is_page_of},
    domain::{article::ArticleId, figures::Figure, outcome::SiteAlone},
    recorder::{NewView, RecordError},
};

/// One transparent pixel: header and screen of 1 × 1, a palette of two, transparency, the picture, the end.
const PIXEL: &[u8; 43] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff\
    \x21\xf9\x04\x01\0\0\0\0\
    \x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\
    \x3b";

/// `POST /v1/sites/{site}/views`: counts a view and responds with the figures that include it.
pub(super) async fn views<B: RequestBody>(request: SiteRequest<'_>, body: B) -> Result<Response<Body>, Problem> {
    let origin = check_origin(&request)?;
    // Read the whole body first: a client that disconnects halfway has not sent a view.
    let SentView { article, visit, from } = read_view(&request.head.headers, body, request.body_read).await?;
    // The page knows its own origin only. A portal can have several.
    let visit = visit && !from.is_some_and(|from| is_page_of(request.site, &from));
    let (view, article) = count(&request, hit(&request, origin, article), visit).await?;
    let figures = request.handle.figures(request.counter, article.as_slice()).await;
    Ok(figures::write(&request, &figures, Some(view), Caching::Never))
}

/// `GET /v1/sites/{site}/views.gif`: counts a view of a page without JavaScript.
///
/// The page names the article in the picture's URL. Only the origin of the `Referer` is read: by default, browsers send no
/// more than that to other origins.
pub(super) async fn gif(request: SiteRequest<'_>) -> Result<Response<Body>, Problem> {
    let origin = check_origin(&request)?;
    let article = Query::of(&request.head.uri)?.article()?;
    if request.head.method != Method::HEAD {
        // A picture does not know where the reader came from.
        count(&request, hit(&request, origin, article), false).await?;
    }
    Ok(embeddable(content("image/gif", Caching::Never, PIXEL.as_slice())))
}

/// The origin of a view; an error if the site does not accept views from there.
fn check_origin(request: &SiteRequest<'_>) -> Result<RequestOrigin, Problem> {
    let referrer = || request.head.headers.get(REFERER).and_then(|value| value.to_str().ok());
    let origin = request.origin.or_referrer(request.site, referrer);
    if origin.can_count(request.site) { Ok(origin) } else { Err(refuse(request, Refusal::Foreign)) }
}

/// The request as a hit.
fn hit<'a>(request: &SiteRequest<'a>, origin: RequestOrigin, article: Option<ArticleId>) -> Hit<'a> {
    let headers = &request.head.headers;
    // Without a configured header, the client is the peer.
    request.audience.look_for_proxy(request.site, request.client, |name| headers.contains_key(name));
    let mut agents = headers.get_all(USER_AGENT).iter().map(HeaderValue::as_bytes);
    let first = agents.next();
    // If there are several `User-Agent` headers, one that names a bot is enough.
    let agent = agents.find(|agent| request.audience.is_bot(agent)).or(first);
    let hints = Hints { prefetch: is_prefetch(headers), do_not_track: request.site.rules.tracks_visitors() && is_do_not_track(headers) };
    Hit { site: request.site, article, client: Some(request.client), agent, origin, hints, at: request.handle.now() }
}

/// Whether the browser loads the page before the visitor opens it. Browsers send `Sec-Purpose`; older ones `Purpose`
/// (Chrome, Safari) or `X-Moz` (Firefox); Facebook's app and Safari's start page `X-Purpose`.
fn is_prefetch(headers: &HeaderMap) -> bool {
    const PURPOSES: [&str; 4] = ["sec-purpose", "purpose", "x-moz", "x-purpose"];
    const WORDS: [&str; 4] = ["prefetch", "prerender", "preview", "instant"];
    PURPOSES.iter().flat_map(|name| headers.get_all(*name)).any(|value| {
        let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        WORDS.iter().any(|word| value.contains(word))
    })
}

/// Whether the visitor does not want to be tracked: `DNT: 1` or `Sec-GPC: 1`.
fn is_do_not_track(headers: &HeaderMap) -> bool {
    const WISHES: [HeaderName; 2] = [HeaderName::from_static("dnt"), HeaderName::from_static("sec-gpc")];
    WISHES.iter().flat_map(|name| headers.get_all(name)).any(|value| value.as_bytes().trim_ascii() == b"1")
}

/// Counts a hit if it is a view, and a visit if it begins one. Returns the result to report, and the article whose figures go into the
/// response.
async fn count(request: &SiteRequest<'_>, hit: Hit<'_>, visit: bool) -> Result<(ViewResult, Option<ArticleId>), Problem> {
    let view = match request.audience.decide(&hit, async |article| has_views(request, article).await).await {
        Decision::Counted(view) => view,
        Decision::NotCounted(outcome) => {
            request.handle.note(request.counter, outcome);
            return Ok((ViewResult { counted: false, reason: Some(outcome.name()) }, hit.article));
        }
        Decision::Refused(refusal) => return Err(refuse(request, refusal)),
    };
    let mut guard = view.guard;
    let new = NewView { article: view.article.clone(), site_alone: view.site_alone, visit };
    let durable = request.handle.record(request.counter, new);
    // From here on, the view can count even if the client disconnects. So it stays claimed: otherwise every disconnected
    // attempt could count.
    guard.keep();
    if let Err(error) = durable.await {
        guard.release();
        return Err(not_recorded(error));
    }
    view.site_alone.into_iter().for_each(|reason| request.counter.note_site_alone(reason));
    Ok((ViewResult { counted: true, reason: view.site_alone.map(SiteAlone::name) }, view.article))
}

/// Whether an article has views already; `None` if the store cannot say.
async fn has_views(request: &SiteRequest<'_>, article: &ArticleId) -> Option<bool> {
    let figures = request.handle.figures(request.counter, slice::from_ref(article)).await;
    let has_views = figures.articles.first()?.1[Figure::Total] > 0;
    // A stale zero proves nothing: the article may have got views since then.
    (has_views || !figures.stale).then_some(has_views)
}

fn refuse(request: &SiteRequest<'_>, refusal: Refusal) -> Problem {
    request.handle.note(request.counter, refusal.outcome());
    match refusal {
        Refusal::Foreign => refusal_log::foreign(request.site, &request.head.headers),
        Refusal::RateLimited => refusal_log::limited(request.site),
    }
    match refusal {
        Refusal::RateLimited => Problem::too_many("the view was not counted: the site has too many views at the moment"),
        Refusal::Foreign => request.refuse_origin("accept views from"),
    }
}

fn not_recorded(error: RecordError) -> Problem {
    match error {
        RecordError::Full => Problem::unavailable("the view was not counted: the journal is full", 5),
        RecordError::Busy => Problem::unavailable("the view was not counted: too many views wait to be written", 1),
        RecordError::Stopped => Problem::unavailable("the view was not acknowledged: the service is stopping", 1),
    }
}
