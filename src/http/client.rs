//! What a request says of its sender.
//!
//! All of it can be forged by somebody who writes requests by hand; it keeps out what visitors' browsers and honest
//! machines do.

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue, ORIGIN, REFERER},
};

use crate::domain::site::{Origin, Site};

/// Where the page stands that a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// Nobody says: not a script on a page of another origin.
    Unknown,
    /// On one of the site's origins: the header as it was sent.
    Own(HeaderValue),
    /// Elsewhere, or on a page without an origin (`null`) of a site that has not named `null` as one of its own.
    Foreign,
}

impl Sender {
    /// Whose page it is, from the view of a site. Origins are compared byte for byte: browsers spell them one way only.
    pub(super) fn of(headers: &HeaderMap, site: &Site) -> Self {
        let mut sent = headers.get_all(ORIGIN).iter();
        match (sent.next(), sent.next()) {
            (None, _) => Self::Unknown,
            (Some(origin), None) if site.origins.iter().any(|own| origin == own.as_str()) => Self::Own(origin.clone()),
            _ => Self::Foreign,
        }
    }

    /// Whether the site takes views from there. A picture has no `Origin`, but its `Referer` begins with one.
    pub(super) fn may_count(&self, headers: &HeaderMap, site: &Site) -> bool {
        match self {
            Self::Own(_) => true,
            Self::Foreign => false,
            Self::Unknown => !site.rules.require_origin || refers_to(headers, site),
        }
    }
}

/// Whether the request comes from a page of the site by its `Referer`, of which only the origin is looked at.
fn refers_to(headers: &HeaderMap, site: &Site) -> bool {
    let referer = headers.get(REFERER).and_then(|value| value.to_str().ok());
    let origin = referer.and_then(|url| {
        let host = url.find("://")? + "://".len();
        let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |end| host + end);
        Origin::parse(&url[..end]).ok()
    });
    origin.is_some_and(|origin| site.origins.contains(&origin))
}

/// Whether a browser loads the page before anybody asked to see it. Browsers say so in `Sec-Purpose`, before that was
/// agreed on in `Purpose` (Chrome, Safari) and `X-Moz` (Firefox).
pub(super) fn is_prefetch(headers: &HeaderMap) -> bool {
    const PURPOSES: [HeaderName; 3] =
        [HeaderName::from_static("sec-purpose"), HeaderName::from_static("purpose"), HeaderName::from_static("x-moz")];
    PURPOSES.iter().flat_map(|name| headers.get_all(name)).any(|value| {
        let value = value.as_bytes().to_ascii_lowercase();
        value.windows(b"prefetch".len()).any(|word| word == b"prefetch")
            || value.windows(b"prerender".len()).any(|word| word == b"prerender")
    })
}

/// Whether the reader asks not to be tracked: `DNT: 1` or `Sec-GPC: 1`.
pub(super) fn is_private(headers: &HeaderMap) -> bool {
    const WISHES: [HeaderName; 2] = [HeaderName::from_static("dnt"), HeaderName::from_static("sec-gpc")];
    WISHES.iter().flat_map(|name| headers.get_all(name)).any(|value| value.as_bytes().trim_ascii() == b"1")
}
