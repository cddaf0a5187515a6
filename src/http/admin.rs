//! The admin listener's resources: `GET /healthz`, `GET /readyz`, `GET /metrics`, `GET /-/journal` and `POST /-/reload`.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CONTENT_ENCODING, HeaderName, HeaderValue, ORIGIN, VARY},
};
use prometheus::proto::MetricFamily;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
    time::timeout,
};

use crate::{
    audience::Audience,
    http::{
        negotiation::weight,
        response::{Body, Caching, Problem, content, json},
    },
    journal::Backlog,
    recorder::{Handle, Health},
    telemetry::metrics::{CONTENT_TYPE, Kind, family},
};

/// How long a client waits for a reload: for the one that is running, and its own.
const RELOAD: Duration = Duration::from_secs(25);

/// A request to load the configuration again. The answer goes to this sender.
pub type ReloadCall = oneshot::Sender<Result<Reloaded, ReloadRefused>>;

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// How many sites there are now.
    pub sites: usize,
    /// The sites that are new.
    pub added: SiteNames,
    /// The sites that are configured differently.
    pub changed: SiteNames,
    /// The sites that are gone.
    pub removed: SiteNames,
    /// Changed keys that take effect at the next start.
    pub restart: Vec<&'static str>,
}

/// The ids of sites.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SiteNames {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub first: Vec<String>,
}

/// Why a configuration was not taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReloadRefused {
    /// The first mistakes, one line each.
    pub mistakes: Vec<String>,
    /// How many further mistakes there are.
    pub more: usize,
}

/// The process is running.
pub(super) fn health() -> Response<Body> {
    content("text/plain; charset=utf-8", Caching::Never, "ok")
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    journal: &'static str,
    store: &'static str,
}

/// Whether the service accepts views. It does while the store is unreachable. While it stops, it still accepts them for a
/// moment, but further clients must go elsewhere.
pub(super) fn ready(health: &Health, stopping: bool) -> Response<Body> {
    let ready = Ready {
        ready: health.journal_ok && !stopping,
        reason: stopping.then_some("stopping"),
        journal: if health.journal_ok { "ok" } else { "full" },
        store: if health.store_ok { "ok" } else { "down" },
    };
    let mut response = json(Caching::Never, &ready);
    if !ready.ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// What the admin listener serves beside what the recorder knows.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// The journal's file, as an absolute path.
    pub journal: PathBuf,
    /// Whether metrics of sites have the label `site`; otherwise they are added up.
    pub per_site_metrics: bool,
}

/// What the store lacks, for `truycap journal status`, which compares the path: another service can have the address.
#[derive(Debug, Serialize, Deserialize)]
pub struct JournalAnswer {
    /// The journal's file, as an absolute path.
    pub journal: PathBuf,
    /// What waits in it.
    #[serde(flatten)]
    pub backlog: Backlog,
}

pub(super) fn journal(handle: &Handle, journal: &Path) -> Response<Body> {
    json(Caching::Never, &JournalAnswer { journal: journal.into(), backlog: handle.backlog() })
}

/// All metrics, for Prometheus, which accepts gzip. Thousands of sites take tens of milliseconds, so this has a thread of its own.
pub(super) async fn metrics(handle: &Handle, audience: &Audience, per_site: bool, request: &HeaderMap) -> Result<Response<Body>, Problem> {
    let failed = |error: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error);
    let zipped = weight(request, "gzip") > 0 && weight(request, "gzip") >= weight(request, "identity");
    let handle = handle.clone();
    let remembered = audience.remembered();
    let write = move || {
        let text = handle.metrics_text(per_site, fills(&remembered)).map_err(|error| error.to_string())?;
        if zipped { gzip(text.as_bytes()).map_err(|error| error.to_string()) } else { Ok(text.into_bytes()) }
    };
    let body = spawn_blocking(write).await.map_err(|error| failed(error.to_string()))?.map_err(failed)?;
    let mut response = content(CONTENT_TYPE, Caching::Never, body);
    if zipped {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    Ok(response)
}

/// How full the tables of the audience are.
fn fills(remembered: &[(&'static str, usize, usize)]) -> [MetricFamily; 2] {
    let gauge = |name, help, value: fn(&(&'static str, usize, usize)) -> usize| {
        let values = remembered.iter().map(|table| ([table.0], value(table) as f64));
        family(Kind::Gauge, name, help, ["table"], values)
    };
    [
        gauge("truycap_remembered", "Clients, repeats and visitors that are remembered.", |table| table.1),
        gauge("truycap_remembered_max", "The most of them that are remembered.", |table| table.2),
    ]
}

fn gzip(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text)?;
    encoder.finish()
}

#[derive(Serialize)]
struct ReloadAnswer<T> {
    ok: bool,
    #[serde(flatten)]
    result: T,
}

/// A service that stops loads no configuration.
pub(super) fn is_stopping() -> Problem {
    Problem::unavailable("the service is stopping", 1)
}

/// Loads the configuration again and responds when it is in effect or refused.
pub(super) async fn reload(headers: &HeaderMap, calls: &mpsc::Sender<ReloadCall>) -> Result<Response<Body>, Problem> {
    refuse_pages(headers)?;
    let (call, answer) = oneshot::channel();
    calls.try_send(call).map_err(|error| match error {
        mpsc::error::TrySendError::Full(_) => Problem::unavailable("other reloads are waiting", 1),
        mpsc::error::TrySendError::Closed(_) => is_stopping(),
    })?;
    let answer =
        timeout(RELOAD, answer).await.map_err(|_| Problem::unavailable("the reload takes too long; the log will say how it ends", 10))?;
    match answer.map_err(|_| is_stopping())? {
        Ok(result) => Ok(json(Caching::Never, &ReloadAnswer { ok: true, result })),
        Err(result) => {
            let mut response = json(Caching::Never, &ReloadAnswer { ok: false, result });
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(response)
        }
    }
}

/// Refuses requests of pages in a browser on this machine: any page can send a POST to a loopback address, and browsers
/// then add one of these headers.
fn refuse_pages(headers: &HeaderMap) -> Result<(), Problem> {
    const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    if headers.contains_key(ORIGIN) || headers.contains_key(SEC_FETCH_SITE) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "a page in a browser cannot reload; send the request without Origin and Sec-Fetch-Site",
        ));
    }
    Ok(())
}
