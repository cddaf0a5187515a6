//! The routes of both listeners, and what all their responses have in common.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, HeaderValue, ORIGIN, VARY,
    },
    http::request::Parts,
};
use tokio::{sync::mpsc, time::timeout};

use super::{
    admin::{self, AdminConfig, ReloadCall},
    connection::Limits,
    connection_limit::ConnectionLimiter,
    error_log::RequestedSite,
    ingest,
    metrics::{ListenerMetrics, NO_ROUTE},
    pages::{
        assets::{self, Asset},
        badge, box_page,
        demo::Demo,
    },
    read::{figures, history, top},
    refusal_log,
    report::answer::{self as report, Form, Reader},
    request::{RequestBody, SiteRequest, check_head, client_ip, decode},
    response::{Body, Problem, options},
    serve::{ConnectionGuard, Responder},
};
use crate::{
    audience::{Audience, RateLimited, RequestOrigin},
    domain::{outcome::Outcome, site::SiteId, visible::visible},
    recorder::{Handle, SiteCounter},
    report::Reports,
    telemetry::log_throttle::Sweep,
    titles::Titles,
};

/// A route: the methods that it allows, its path, the name in metrics, and what handles it.
///
/// In a path, `{site}` is the id of a site.
#[derive(Debug)]
struct Route<H> {
    methods: &'static str,
    path: &'static str,
    name: &'static str,
    handler: H,
}

const GET: &str = "GET, HEAD, OPTIONS";
const POST: &str = "POST, OPTIONS";

/// The routes of the public listener; with a demo, also those of [`Demo`].
static PUBLIC: [Route<Handler>; 18] = {
    use Handler::{DemoFile, File, OpenApi, Site};
    use Resource::{Badge, Box, Figures, Gif, History, Report, Top, Views};
    use SiteFrom::Path;
    [
        route(POST, "/v1/sites/{site}/views", "views", Site(Path, Views)),
        route(GET, "/v1/sites/{site}/views.gif", "views.gif", Site(Path, Gif)),
        route(GET, "/v1/sites/{site}/figures", "figures", Site(Path, Figures)),
        route(GET, "/v1/sites/{site}/top", "top", Site(Path, Top)),
        route(GET, "/v1/sites/{site}/history", "history", Site(Path, History)),
        route(GET, "/v1/sites/{site}/box", "box", Site(Path, Box)),
        route(GET, "/v1/sites/{site}/badge.svg", "badge.svg", Site(Path, Badge)),
        route(GET, REPORT, "report", Site(Path, Report(Form::Page))),
        route(GET, REPORT_CSV, "report.csv", Site(Path, Report(Form::File))),
        route(GET, "/v1/openapi.json", "openapi", OpenApi),
        route(GET, "/counter.js", "page", File(&assets::COUNTER_JS)),
        route(GET, "/widget.js", "page", File(&assets::WIDGET_JS)),
        route(GET, "/box.css", "page", File(&assets::BOX_CSS)),
        route(GET, REPORT_CSS, "page", File(&assets::REPORT_CSS)),
        route(GET, "/widget.css", "page", File(&assets::WIDGET_CSS)),
        route(GET, "/demo.css", "page", DemoFile(&assets::DEMO_CSS)),
        route(GET, "/demo.js", "page", DemoFile(&assets::DEMO_JS)),
        route(GET, "/demo.svg", "page", DemoFile(&assets::DEMO_SVG)),
    ]
};

/// The routes of the admin listener.
static ADMIN: [Route<AdminHandler>; 8] = [
    route(GET, "/healthz", "healthz", AdminHandler::Health),
    route(GET, "/readyz", "readyz", AdminHandler::Ready),
    route(GET, "/metrics", "metrics", AdminHandler::Metrics),
    route(GET, "/-/journal", "journal", AdminHandler::Journal),
    route(POST, "/-/reload", "reload", AdminHandler::Reload),
    route(GET, REPORT, "report", AdminHandler::Report(Form::Page)),
    route(GET, REPORT_CSV, "report.csv", AdminHandler::Report(Form::File)),
    route(GET, REPORT_CSS, "page", AdminHandler::File(&assets::REPORT_CSS)),
];

/// The reports, which both listeners have under the same paths.
const REPORT: &str = "/v1/sites/{site}/report";
const REPORT_CSV: &str = "/v1/sites/{site}/report.csv";
const REPORT_CSS: &str = "/report.css";

/// What handles a public route.
#[derive(Debug)]
enum Handler {
    /// A resource of a site.
    Site(SiteFrom, Resource),
    OpenApi,
    File(&'static Asset),
    /// A file that is there with a demo only.
    DemoFile(&'static Asset),
}

/// Where a request names its site.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "every route has its site in the path so far; `find_site` has a place for the others")]
enum SiteFrom {
    /// In `{site}` of the path.
    Path,
    /// By the `Origin` header.
    Origin,
    /// By the `Referer` header.
    Referrer,
    /// In the body.
    Body,
}

/// A resource of a site.
#[derive(Clone, Copy, Debug)]
enum Resource {
    Views,
    Gif,
    Figures,
    Top,
    History,
    Box,
    Badge,
    Report(Form),
}

#[derive(Debug)]
enum AdminHandler {
    Health,
    Ready,
    Metrics,
    Journal,
    Reload,
    Report(Form),
    File(&'static Asset),
}

const fn route<H>(methods: &'static str, path: &'static str, name: &'static str, handler: H) -> Route<H> {
    Route { methods, path, name, handler }
}

/// The route of a path, and the id in the place of `{site}`, still percent-encoded.
fn find<'a, H>(routes: &'static [Route<H>], path: &'a str) -> Option<(&'static Route<H>, Option<&'a str>)> {
    match path.strip_prefix("/v1/sites/").and_then(|rest| rest.split_once('/')) {
        Some((site, rest)) => {
            let is_match = |route: &&Route<H>| route.path.strip_prefix("/v1/sites/{site}/") == Some(rest);
            Some((routes.iter().find(is_match)?, Some(site)))
        }
        None => Some((routes.iter().find(|route| route.path == path)?, None)),
    }
}

impl Resource {
    async fn respond<B: RequestBody>(self, request: SiteRequest<'_>, body: B) -> Result<Response<Body>, Problem> {
        match self {
            Self::Figures | Self::Top | Self::History if request.origin == RequestOrigin::Foreign => {
                Err(request.refuse_origin("show its figures to"))
            }
            Self::Views => ingest::views(request, body).await,
            Self::Gif => ingest::gif(request).await,
            Self::Figures => figures::respond(request).await,
            Self::Top => top::respond(request).await,
            Self::History => history::respond(request).await,
            Self::Box => box_page::respond(request).await,
            Self::Badge => badge::respond(request).await,
            Self::Report(form) => {
                report::respond(request.reports, request.titles, request.counter, &request.head.uri, Reader::Public, form).await
            }
        }
    }

    /// Whether a request with this method is a view.
    fn is_view(self, method: &Method) -> bool {
        match self {
            Self::Views => method == Method::POST,
            Self::Gif => method == Method::GET,
            Self::Figures | Self::Top | Self::History | Self::Box | Self::Badge | Self::Report(_) => false,
        }
    }
}

/// What the public listener serves.
#[derive(Debug)]
pub struct Public {
    handle: Handle,
    audience: Arc<Audience>,
    titles: Arc<Titles>,
    reports: Arc<Reports>,
    demo: Option<Demo>,
    metrics: ListenerMetrics,
    connections: Arc<ConnectionLimiter>,
    body_read: Duration,
    request: Duration,
}

impl Public {
    /// The public interface of a recorder; with a demo portal at `/` that counts for a site, or without one.
    #[must_use]
    pub fn new(
        handle: Handle,
        demo: Option<&SiteId>,
        limits: &Limits,
        audience: Arc<Audience>,
        reports: Arc<Reports>,
        titles: Arc<Titles>,
    ) -> Arc<Self> {
        let metrics = &handle.metrics().http;
        let refused = metrics.refused_connections.with_label_values(&["public"]);
        let connections = ConnectionLimiter::new(audience.clients().max_connections, refused);
        let metrics = ListenerMetrics::new(metrics, "public", PUBLIC.iter().map(|route| route.name));
        let demo = demo.map(Demo::new);
        let (body_read, request) = (limits.body_read, limits.request);
        Arc::new(Self { handle, audience, reports, titles, demo, metrics, connections, body_read, request })
    }

    /// Logs how many requests and connections of clients were refused without a line and without a later one that accounts for them.
    pub(super) fn log_left_out(&self, sweep: Sweep) {
        self.connections.log_left_out(sweep);
        self.audience.log_left_out(sweep);
    }

    /// Responds to a request to a site's resource. `id` is the one in the path.
    async fn site<B: RequestBody>(
        &self,
        (methods, from, resource): (&'static str, SiteFrom, Resource),
        id: Option<&str>,
        peer: IpAddr,
        head: &Parts,
        body: B,
    ) -> Response<Body> {
        let Some(counter) = self.find_site(from, id) else {
            let id = id.unwrap_or_default();
            let response = match self.check_client(peer, head) {
                Err(problem) => problem.into_response(),
                Ok(_) if is_preflight(head) => preflight(methods, head),
                Ok(_) => {
                    if resource.is_view(&head.method) {
                        refusal_log::unknown_site(id);
                    }
                    no_site(id).into_response()
                }
            };
            return with_cors(response, RequestOrigin::Unknown, head);
        };
        let site = &*counter.site();
        let mut origin = RequestOrigin::of(site, head.headers.get_all(ORIGIN).iter().map(HeaderValue::as_bytes));
        if origin == RequestOrigin::Foreign && self.demo.as_ref().is_some_and(|demo| demo.counts_for(&site.id)) && is_own_host(head) {
            origin = RequestOrigin::Own;
        }
        // One expression: a named value would keep its place in the future, even after it was moved.
        let response = timeout(self.request, async {
            let client = self.check_client(peer, head).inspect_err(|problem| {
                if problem.is_too_many() && resource.is_view(&head.method) {
                    self.handle.note(&counter, Outcome::Limited);
                }
            })?;
            match check_method(head, methods)? {
                MethodCheck::Options if is_preflight(head) => Ok(preflight(methods, head)),
                MethodCheck::Options => Ok(options(methods)),
                MethodCheck::Respond => {
                    let (handle, audience, body_read) = (&self.handle, &*self.audience, self.body_read);
                    let (reports, titles) = (&*self.reports, &*self.titles);
                    let request =
                        SiteRequest { handle, audience, reports, titles, counter: &counter, site, origin, client, head, body_read };
                    resource.respond(request, body).await
                }
            }
        })
        .await
        .unwrap_or_else(|_| Err(Problem::unavailable("the service is too slow at the moment", 1)));
        let response = response.unwrap_or_else(|problem| {
            let mut response = problem.into_response();
            response.extensions_mut().insert(RequestedSite(site.id.clone()));
            response
        });
        with_cors(response, origin, head)
    }

    /// The site of a request, if it is configured.
    fn find_site(&self, from: SiteFrom, id: Option<&str>) -> Option<Arc<SiteCounter>> {
        match from {
            SiteFrom::Path => self.handle.site(&decode(id?)?),
            SiteFrom::Origin | SiteFrom::Referrer | SiteFrom::Body => None,
        }
    }

    /// Refuses an ambiguous head, whose connection must not be kept; then a client with too many requests. Returns the
    /// client's address.
    fn check_client(&self, peer: IpAddr, head: &Parts) -> Result<IpAddr, Problem> {
        check_head(head)?;
        let client = client_ip(&self.audience.clients().resolver, peer, &head.headers);
        match self.audience.check_client(client) {
            Ok(()) => Ok(client),
            Err(RateLimited) => Err(Problem::too_many("this client sends too many requests")),
        }
    }

    /// The page or file of a route, or of the demo; with its name in metrics.
    fn page(&self, route: Option<&Route<Handler>>, path: &str, headers: &HeaderMap) -> Option<(&'static str, Response<Body>)> {
        let Some(route) = route else { return Some(("page", self.demo.as_ref()?.page(path)?)) };
        let response = match route.handler {
            Handler::OpenApi => assets::openapi(),
            Handler::File(file) => file.respond(headers),
            Handler::DemoFile(file) if self.demo.is_some() => file.respond(headers),
            Handler::DemoFile(_) | Handler::Site(..) => return None,
        };
        Some((route.name, response))
    }
}

impl Responder for Public {
    async fn respond<B: RequestBody>(&self, peer: IpAddr, request: Request<B>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let (route, id) = find(&PUBLIC, path).unzip();
        if let Some(&Route { methods, name, handler: Handler::Site(from, resource), .. }) = route {
            let timer = self.metrics.start(name, &head.method);
            let response = self.site((methods, from, resource), id.flatten(), peer, &head, body).await;
            return timer.end(&head, response);
        }
        let (name, page) = self.page(route, path, &head.headers).unzip();
        let timer = self.metrics.start(name.unwrap_or(NO_ROUTE), &head.method);
        let page = self.check_client(peer, &head).and_then(|_| page.ok_or_else(|| no_page(path)));
        timer.end(&head, respond_static(&head, GET, page))
    }

    fn connect(&self, peer: IpAddr) -> Option<ConnectionGuard> {
        let permit = self.connections.acquire(self.audience.clients().resolver.limited(peer)).ok()?;
        Some(ConnectionGuard::new(self.metrics.connection(), permit))
    }
}

/// What the admin listener serves.
#[derive(Debug)]
pub struct Admin {
    handle: Handle,
    audience: Arc<Audience>,
    reports: Arc<Reports>,
    titles: Arc<Titles>,
    config: AdminConfig,
    stopping: AtomicBool,
    reloads: mpsc::Sender<ReloadCall>,
    metrics: ListenerMetrics,
}

impl Admin {
    /// The admin interface of a recorder. Requests to load the configuration again go to `reloads`.
    #[must_use]
    pub fn new(
        handle: Handle,
        audience: Arc<Audience>,
        reports: Arc<Reports>,
        titles: Arc<Titles>,
        config: AdminConfig,
        reloads: mpsc::Sender<ReloadCall>,
    ) -> Arc<Self> {
        let metrics = ListenerMetrics::new(&handle.metrics().http, "admin", ADMIN.iter().map(|route| route.name));
        Arc::new(Self { handle, audience, reports, titles, config, stopping: AtomicBool::new(false), reloads, metrics })
    }

    /// Answers from now on that the service is not ready, because it stops.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    async fn handle(&self, handler: &AdminHandler, id: Option<&str>, head: &Parts) -> Result<Response<Body>, Problem> {
        match handler {
            AdminHandler::Health => Ok(admin::health()),
            AdminHandler::Ready => Ok(admin::ready(&self.handle.health(), self.stopping.load(Ordering::Relaxed))),
            AdminHandler::Metrics => admin::metrics(&self.handle, &self.audience, self.config.per_site_metrics, &head.headers).await,
            AdminHandler::Journal => Ok(admin::journal(&self.handle, &self.config.journal)),
            AdminHandler::Reload if self.stopping.load(Ordering::Relaxed) => Err(admin::is_stopping()),
            AdminHandler::Reload => admin::reload(&head.headers, &self.reloads).await,
            AdminHandler::File(file) => Ok(file.respond(&head.headers)),
            AdminHandler::Report(form) => {
                let id = id.unwrap_or_default();
                let counter = decode(id).and_then(|id| self.handle.site(&id)).ok_or_else(|| no_site(id))?;
                report::respond(&self.reports, &self.titles, &counter, &head.uri, Reader::Admin, *form).await
            }
        }
    }
}

impl Responder for Admin {
    async fn respond<B: RequestBody>(&self, _peer: IpAddr, request: Request<B>) -> Response<Body> {
        let (head, _) = request.into_parts();
        let path = head.uri.path();
        let (route, id) = find(&ADMIN, path).unzip();
        let timer = self.metrics.start(route.map_or(NO_ROUTE, |route| route.name), &head.method);
        let response = async {
            check_head(&head)?;
            let route = route.ok_or_else(|| no_page(path))?;
            match check_method(&head, route.methods)? {
                MethodCheck::Options => Ok(options(route.methods)),
                MethodCheck::Respond => self.handle(&route.handler, id.flatten(), &head).await,
            }
        };
        let response = response.await.unwrap_or_else(Problem::into_response);
        timer.end(&head, response)
    }

    fn connect(&self, _peer: IpAddr) -> Option<ConnectionGuard> {
        Some(ConnectionGuard::new(self.metrics.connection(), None))
    }
}

/// Whether a page of this service sends the request, under whatever name a browser reaches it.
fn is_own_host(head: &Parts) -> bool {
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(origin), Some(host)) = (text(ORIGIN), text(HOST)) else { return false };
    let own = ["http://", "https://"].iter().filter_map(|scheme| origin.strip_prefix(scheme)).any(|own| own.eq_ignore_ascii_case(host));
    own && head.headers.get_all(ORIGIN).iter().count() == 1
}

/// Responds with a page that is ready, if the method is allowed.
fn respond_static(head: &Parts, methods: &'static str, page: Result<Response<Body>, Problem>) -> Response<Body> {
    let response = page.and_then(|page| match check_method(head, methods)? {
        MethodCheck::Options => Ok(options(methods)),
        MethodCheck::Respond => Ok(page),
    });
    response.unwrap_or_else(Problem::into_response)
}

/// What a request with an allowed method needs.
enum MethodCheck {
    /// The list of methods.
    Options,
    /// The resource's response.
    Respond,
}

fn check_method(head: &Parts, methods: &'static str) -> Result<MethodCheck, Problem> {
    match &head.method {
        &Method::OPTIONS => Ok(MethodCheck::Options),
        method if methods.split(", ").any(|allowed| allowed == method.as_str()) => Ok(MethodCheck::Respond),
        _ => Err(Problem::method(methods)),
    }
}

fn no_page(path: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no page {}", shown(path)))
}

/// Names a site that is not configured, decoded as far as it can be.
fn no_site(id: &str) -> Problem {
    let id = decode(id).unwrap_or(id.into());
    let detail = format!("there is no site {}: data-site must be the id of a site in the configuration", shown(&id));
    Problem::new(StatusCode::NOT_FOUND, detail).readable_everywhere()
}

/// A name of a request, without characters that are not seen, and cut to a readable length.
fn shown(name: &str) -> String {
    const MAX_CHARS: usize = 200;
    let name = visible(name);
    let shown: String = name.chars().take(MAX_CHARS).collect();
    let more = if shown.len() < name.len() { "…" } else { "" };
    shown + more
}

fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The response to a preflight, the same for every origin and site: what the request may do is decided when it comes, and its
/// refusal must be readable.
///
/// All headers are allowed, because portals add some to each of their requests, such as `traceparent`. They give a request no
/// more rights: it has no credentials.
fn preflight(methods: &'static str, head: &Parts) -> Response<Body> {
    let any = HeaderValue::from_static("*");
    let mut response = options(methods);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, any.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    // Older browsers do not know `*` here.
    let asked = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|names| is_list_of_names(names.as_bytes()));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.cloned().unwrap_or(any));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

/// Whether a value is a list of names of headers, and short enough to be repeated.
fn is_list_of_names(value: &[u8]) -> bool {
    const MAX_BYTES: usize = 1000;
    value.len() <= MAX_BYTES && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_, ".contains(byte))
}

/// Lets pages of the site read the response, errors included. A refusal that every origin can read says so itself. Caches must
/// not mix responses to different origins.
fn with_cors(mut response: Response<Body>, origin: RequestOrigin, head: &Parts) -> Response<Body> {
    response.headers_mut().insert(VARY, HeaderValue::from_static("Origin"));
    if origin == RequestOrigin::Own
        && let Some(origin) = head.headers.get(ORIGIN)
    {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}
