//! Names in the log whose views are refused: without it, a portal that counts nothing looks like one without visitors.
//!
//! One line a minute for each site and reason, and of pages elsewhere for each origin, as far as there are few. A client can
//! invent names, so those of one site take no room from another. What comes from the network is shown only as far as it is
//! a name, and cut.

use std::time::Duration;

use hyper::{
    HeaderMap,
    header::{HeaderValue, ORIGIN, REFERER},
};
use tracing::warn;

use crate::{
    domain::site::{Site, SiteId},
    telemetry::log_throttle::{GroupedLogThrottle, LogThrottle, Sweep},
};

const INTERVAL: Duration = Duration::from_secs(60);

/// The longest name that is shown, in characters.
const MAX_CHARS: usize = 100;

/// How many names of a kind are shown at once: origins of each site, and sites that are not configured.
const MAX_NAMES: usize = 10;

static FOREIGN: GroupedLogThrottle<SiteId, String> = GroupedLogThrottle::new(INTERVAL, MAX_NAMES);
static UNKNOWN: LogThrottle<String> = LogThrottle::new(INTERVAL, MAX_NAMES);
static LIMITED: GroupedLogThrottle<SiteId, ()> = GroupedLogThrottle::new(INTERVAL, 1);

/// A view of a page that is not on an origin of the site.
pub(super) fn foreign(site: &Site, headers: &HeaderMap) {
    let origin = page_origin(headers);
    let Some(left_out) = FOREIGN.allow(site.id.clone(), origin.clone()) else { return };
    let site = &site.id;
    if origin.is_empty() {
        warn!(event = "origin_missing", %site, left_out, "views without an origin are refused: site {site} requires one");
    } else {
        warn!(event = "origin_refused", %site, origin, left_out, "views from {origin} are refused: it is not among the origins of site {site}");
    }
}

/// A view of a site that is not configured.
pub(super) fn unknown_site(id: &str) {
    let id = clean(id);
    if let Some(left_out) = UNKNOWN.allow(id.clone()) {
        warn!(event = "unknown_site_refused", unknown_site = id, left_out, "views of site {id} are refused: there is no such site");
    }
}

/// A view of a site that has too many.
pub(super) fn limited(site: &Site) {
    if let Some(left_out) = LIMITED.allow(site.id.clone(), ()) {
        let site = &site.id;
        warn!(event = "site_limited", %site, left_out, "views of site {site} are refused: it has more than its max_views_per_second");
    }
}

/// Logs how many refused views have no line and no later one that accounts for them.
pub(super) fn log_left_out(sweep: Sweep) {
    for (site, left_out) in FOREIGN.sweep(sweep) {
        for (origin, left_out) in left_out.lines {
            warn!(event = "origins_refused", %site, origin, left_out, "further views from {origin} were refused: it is not among the origins of site {site}");
        }
        if left_out.others > 0 {
            warn!(event = "origins_refused", %site, left_out = left_out.others, "views from further origins were refused: they are not among the origins of site {site}");
        }
    }
    let unknown = UNKNOWN.sweep(sweep);
    for (id, left_out) in unknown.lines {
        warn!(
            event = "unknown_sites_refused",
            unknown_site = id,
            left_out,
            "further views of site {id} were refused: there is no such site"
        );
    }
    if unknown.others > 0 {
        warn!(event = "unknown_sites_refused", left_out = unknown.others, "views of further sites were refused: there are no such sites");
    }
    for (site, left_out) in LIMITED.sweep(sweep) {
        warn!(event = "sites_limited", %site, left_out = left_out.total(), "further views of site {site} were refused: it had more than its max_views_per_second");
    }
}

/// The origin of the page that a request comes from, as it can be shown; empty if the request does not name it. Of a URL,
/// nothing after the host is shown.
pub(super) fn page_origin(headers: &HeaderMap) -> String {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let origins: Vec<_> = headers.get_all(ORIGIN).iter().map(text).collect();
    if !origins.is_empty() {
        return clean(&origins.join(", "));
    }
    let referrer = headers.get(REFERER).map(text).unwrap_or_default();
    let host = referrer.find("://").map_or(0, |scheme| scheme + "://".len());
    let end = referrer[host..].find(['/', '?', '#']).map_or(referrer.len(), |end| host + end);
    clean(&referrer[..end])
}

/// Replaces what is not part of a name on the web, such as control characters, and cuts what is too long.
fn clean(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let mut shown: String = text.chars().take(MAX_CHARS).map(plain).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        shown += "...";
    }
    shown
}
