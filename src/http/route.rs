//! Every path and method of the two listeners, and what all their answers have in common.

use std::{net::IpAddr, sync::Arc, time::Duration};

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, VARY,
    },
    http::request::Parts,
};
use tokio::time::timeout;

use super::{
    Audience, Limits, Opened, RequestBody, Responder, assets,
    client::Sender,
    framing,
    handlers::{Call, admin, badge, box_page, demo, figures, gif, history, openapi, top, views},
    measure::{Measures, NONE},
    places::Places,
    query::decode,
    respond::{Body, Problem, options},
};
use crate::{
    domain::{outcome::Outcome, site::SiteId},
    recorder::Handle,
};

/// The route of pages and of what belongs to them, in metrics.
const PAGE: &str = "page";

/// The route of the interface's description, in metrics.
const OPENAPI: &str = "openapi";

const READ: &str = "GET, HEAD, OPTIONS";
const WRITE: &str = "POST, OPTIONS";

/// What the public listener serves.
#[derive(Debug)]
pub struct Public {
    handle: Handle,
    measures: Measures,
    audience: Audience,
    places: Arc<Places>,
    demo: Option<demo::Demo>,
    body_read: Duration,
    request: Duration,
}

/// What the admin listener serves.
#[derive(Debug)]
pub struct Admin {
    handle: Handle,
    measures: Measures,
}

/// What a site has, under `/v1/sites/{site}/`.
#[derive(Clone, Copy, Debug)]
enum Resource {
    Views,
    Gif,
    Figures,
    Top,
    History,
    Box,
    Badge,
}

impl Resource {
    const ALL: [Self; 7] = [Self::Views, Self::Gif, Self::Figures, Self::Top, Self::History, Self::Box, Self::Badge];

    /// The site's id as it stands in a path, and what is asked of it.
    fn find(path: &str) -> Option<(&str, Self)> {
        let (site, name) = path.strip_prefix("/v1/sites/")?.split_once('/')?;
        Some((site, Self::ALL.into_iter().find(|resource| resource.name() == name)?))
    }

    /// The end of its path, and its route in metrics.
    fn name(self) -> &'static str {
        match self {
            Self::Views => "views",
            Self::Gif => "views.gif",
            Self::Figures => "figures",
            Self::Top => "top",
            Self::History => "history",
            Self::Box => "box",
            Self::Badge => "badge.svg",
        }
    }

    fn allow(self) -> &'static str {
        match self {
            Self::Views => WRITE,
            Self::Gif | Self::Figures | Self::Top | Self::History | Self::Box | Self::Badge => READ,
        }
    }

    /// Whether a request with this method would be a view.
    fn counts(self, method: &Method) -> bool {
        match self {
            Self::Views => method == Method::POST,
            Self::Gif => method == Method::GET,
            Self::Figures | Self::Top | Self::History | Self::Box | Self::Badge => false,
        }
    }

    async fn call<B: RequestBody>(self, call: Call<'_>, body: B) -> Result<Response<Body>, Problem> {
        match self {
            Self::Views => views::answer(call, body).await,
            Self::Gif => gif::answer(call).await,
            Self::Figures => figures::answer(call).await,
            Self::Top => top::answer(call).await,
            Self::History => history::answer(call).await,
            Self::Box => box_page::answer(call).await,
            Self::Badge => badge::answer(call).await,
        }
    }
}

impl Public {
    /// The public interface of a recorder; with a demo portal at `/` that counts for a site, or without.
    #[must_use]
    pub fn new(handle: Handle, demo: Option<&SiteId>, limits: &Limits, audience: Audience) -> Arc<Self> {
        let demo = demo.map(demo::Demo::new);
        let metrics = &handle.metrics().http;
        let measures = Measures::new(metrics, "public", Resource::ALL.map(Resource::name).into_iter().chain([PAGE, OPENAPI]));
        let places = Places::new(audience.clients.max_connections, metrics.refused_connections.with_label_values(&["public"]));
        Arc::new(Self { handle, measures, audience, places, demo, body_read: limits.body_read, request: limits.request })
    }

    async fn site<B: RequestBody>(&self, id: &str, resource: Resource, peer: IpAddr, head: &Parts, body: B) -> Response<Body> {
        let Some(counter) = decode(id).and_then(|id| self.handle.site(&id)) else {
            let problem = self.hear(peer, head).err().unwrap_or_else(|| not_found("site", id));
            return shared(problem.into_response(), &Sender::Unknown);
        };
        let site = counter.site();
        let sender = Sender::of(&head.headers, &site);
        let call = Call {
            handle: &self.handle,
            counter: &counter,
            site: &site,
            sender: &sender,
            peer,
            head,
            audience: &self.audience,
            body_read: self.body_read,
        };
        // In one expression: what has a name has a place of its own in the future, also after it was moved.
        let answer = timeout(self.request, async {
            self.hear(peer, head).inspect_err(|problem| {
                if problem.is_too_many() && resource.counts(&head.method) {
                    counter.note(Outcome::Limited);
                }
            })?;
            match check_method(head, resource.allow())? {
                Asked::Options => Ok(preflight(resource.allow(), head, &sender)),
                Asked::Answer => resource.call(call, body).await,
            }
        })
        .await
        .unwrap_or_else(|_| Err(Problem::unavailable("the service is too slow at the moment", 1)));
        shared(answer.unwrap_or_else(Problem::into_response), &sender)
    }

    /// Refuses a head that can be understood in two ways, whose connection must not be kept; then who asks too often.
    fn hear(&self, peer: IpAddr, head: &Parts) -> Result<(), Problem> {
        framing::check(head)?;
        self.audience.let_ask(peer, &head.headers)
    }

    /// What is there without any site: the script and the look of the box, and the demo where it is wanted.
    fn page(&self, path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
        if let Some(asset) = assets::of_portals(path) {
            return Some(asset.answer(headers));
        }
        let demo = self.demo.as_ref()?;
        demo.page(path).or_else(|| Some(assets::of_demo(path)?.answer(headers)))
    }
}

impl Responder for Public {
    async fn respond<B: RequestBody>(&self, peer: IpAddr, request: Request<B>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        if let Some((id, resource)) = Resource::find(path) {
            let measured = self.measures.begin(resource.name(), &head.method);
            let response = self.site(id, resource, peer, &head, body).await;
            return measured.end(&head, response);
        }
        let (route, page) = match path {
            "/v1/openapi.json" => (OPENAPI, Some(openapi::document())),
            _ => self.page(path, &head.headers).map_or((NONE, None), |page| (PAGE, Some(page))),
        };
        let measured = self.measures.begin(route, &head.method);
        let page = self.hear(peer, &head).and_then(|()| page.ok_or_else(|| not_found("page", path)));
        let response = page.and_then(|page| plain(&head, READ, page)).unwrap_or_else(Problem::into_response);
        measured.end(&head, response)
    }

    fn opened(&self, peer: IpAddr) -> Option<Opened> {
        let place = self.places.take(self.audience.clients.stranger(peer)).ok()?;
        Some(Opened { _gauge: Some(self.measures.opened()), _place: place })
    }
}

impl Admin {
    const ROUTES: [&str; 3] = ["healthz", "readyz", "metrics"];

    /// The admin interface of a recorder.
    #[must_use]
    pub fn new(handle: Handle) -> Arc<Self> {
        let measures = Measures::new(&handle.metrics().http, "admin", Self::ROUTES);
        Arc::new(Self { handle, measures })
    }
}

impl Responder for Admin {
    async fn respond<B: RequestBody>(&self, _peer: IpAddr, request: Request<B>) -> Response<Body> {
        let (head, _) = request.into_parts();
        let path = head.uri.path();
        let route = path.strip_prefix('/').unwrap_or(NONE);
        let measured = self.measures.begin(route, &head.method);
        let answer = framing::check(&head).and_then(|()| match route {
            "healthz" => Ok(admin::health()),
            "readyz" => Ok(admin::ready(&self.handle.health())),
            "metrics" => admin::metrics(&self.handle),
            _ => Err(not_found("page", path)),
        });
        let response = answer.and_then(|answer| plain(&head, READ, answer)).unwrap_or_else(Problem::into_response);
        measured.end(&head, response)
    }

    fn opened(&self, _peer: IpAddr) -> Option<Opened> {
        Some(Opened { _gauge: Some(self.measures.opened()), _place: None })
    }
}

/// The answer to a request for something that is there already.
fn plain(head: &Parts, allow: &'static str, answer: Response<Body>) -> Result<Response<Body>, Problem> {
    Ok(match check_method(head, allow)? {
        Asked::Options => options(allow),
        Asked::Answer => answer,
    })
}

/// What a request with an allowed method wants.
enum Asked {
    /// To know what is allowed.
    Options,
    /// The resource's own answer.
    Answer,
}

fn check_method(head: &Parts, allow: &'static str) -> Result<Asked, Problem> {
    match &head.method {
        &Method::OPTIONS => Ok(Asked::Options),
        method if allow.split(", ").any(|allowed| allowed == method.as_str()) => Ok(Asked::Answer),
        _ => Err(Problem::method(allow)),
    }
}

/// Names what is missing, as far as it is not too long to be read.
fn not_found(kind: &str, name: &str) -> Problem {
    const MAX_CHARS: usize = 200;
    let shown: String = name.chars().take(MAX_CHARS).collect();
    let more = if shown.len() < name.len() { "…" } else { "" };
    Problem::new(StatusCode::NOT_FOUND, format!("there is no {kind} {shown}{more}"))
}

/// Tells a browser that asks on behalf of a page of the site that it may send what it means to.
fn preflight(allow: &'static str, head: &Parts, sender: &Sender) -> Response<Body> {
    let mut response = options(allow);
    if matches!(sender, Sender::Own(_)) && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(allow));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    response
}

/// Lets pages of the site read the answer, errors included, and tells caches that it depends on who asks.
fn shared(mut response: Response<Body>, sender: &Sender) -> Response<Body> {
    response.headers_mut().insert(VARY, HeaderValue::from_static("Origin"));
    if let Sender::Own(origin) = sender {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}
