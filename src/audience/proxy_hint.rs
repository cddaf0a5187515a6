//! Notices requests through a proxy that have a header with the client, while `clients.header` is not set.
//!
//! Then all its clients are one: with `repeat_window`, most of their views are repeats, and with `visitors` there is one visitor.

use std::sync::atomic::{AtomicBool, Ordering};

use tracing::warn;

use super::client_ip::ClientRules;
use crate::domain::site::{Site, SiteId};

/// The headers in which proxies name their client, and what `clients.header` must be then. Cloudflare sends the first one too,
/// which is the one to use.
const HEADERS: [(&str, &str); 4] = [
    ("x-forwarded-for", "x-forwarded-for"),
    ("forwarded", "forwarded"),
    ("x-real-ip", "x-real-ip"),
    ("cf-connecting-ip", "x-forwarded-for"),
];

/// Whether the proxy has been logged.
#[derive(Debug, Default)]
pub(super) struct ProxyHint(AtomicBool);

impl ProxyHint {
    /// A view of a site that tracks visitors came from a trusted proxy, and no header is configured. `has` looks for a header.
    pub(super) fn look(&self, site: &SiteId, has: impl Fn(&str) -> bool) {
        if self.0.load(Ordering::Relaxed) {
            return;
        }
        let Some((name, value)) = HEADERS.into_iter().find(|(name, _)| has(name)) else { return };
        if !self.0.swap(true, Ordering::Relaxed) {
            warn!(
                event = "proxy_header_ignored", %site, header = name,
                "requests through a trusted proxy have the header {name}, and clients.header is \"none\", so all clients of the proxy are \
                 one visitor, and site {site} can count too few views or visitors. If the proxy sets this header itself, set \
                 clients.header = \"{value}\"; if it only passes on what clients send, do not: they could choose their address"
            );
        }
    }

    /// Logs the next such request again.
    pub(super) fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// What to consider if clients are identified by their connection alone; `None` if no site needs to tell them apart.
#[must_use]
pub fn proxy_advice(clients: &ClientRules, sites: &[Site]) -> Option<String> {
    let site = sites.iter().find(|site| clients.resolver.header.is_none() && site.rules.tracks_visitors())?;
    Some(format!(
        "site {} tells visitors apart, and clients.header is \"none\": if there is a proxy in front of truycap, set clients.header, \
         because otherwise all visitors behind it are one",
        site.id
    ))
}
