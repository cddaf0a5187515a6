//! The page that a request comes from, by its `Origin` and `Referer` headers.
//!
//! A client that writes its own requests can forge both. The check stops what visitors' browsers send from other sites'
//! pages.

use crate::domain::site::{Origin, Site};

/// The page that a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestOrigin {
    /// Not known: the request does not come from a script on a page of another origin.
    Unknown,
    /// A page on one of the site's origins.
    Own,
    /// A page elsewhere, or one without an origin (`null`) if the site does not list `null`.
    Foreign,
}

impl RequestOrigin {
    /// The origin by the values of the `Origin` headers.
    pub fn of<'a>(site: &Site, mut headers: impl Iterator<Item = &'a [u8]>) -> Self {
        match (headers.next(), headers.next()) {
            (None, _) => Self::Unknown,
            (Some(origin), None) if site.origins.iter().any(|own| own.admits(origin)) => Self::Own,
            _ => Self::Foreign,
        }
    }

    /// The same, by the `Referer` if there is no `Origin` and the site requires one: a picture has no `Origin`, but its
    /// `Referer` begins with one.
    #[must_use]
    pub fn or_referrer<'a>(self, site: &Site, referrer: impl FnOnce() -> Option<&'a str>) -> Self {
        let unknown = self == Self::Unknown && site.rules.require_origin;
        if unknown && referrer().is_some_and(|url| is_page_of(site, url)) { Self::Own } else { self }
    }

    /// Whether the site accepts views from there.
    #[must_use]
    pub fn can_count(self, site: &Site) -> bool {
        match self {
            Self::Own => true,
            Self::Foreign => false,
            Self::Unknown => !site.rules.require_origin,
        }
    }
}

/// Whether a URL is a page of the site. Only its origin is read.
#[must_use]
pub fn is_page_of(site: &Site, url: &str) -> bool {
    let origin = url.find("://").and_then(|scheme| {
        let host = scheme + "://".len();
        let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |end| host + end);
        Origin::parse(&url[..end]).ok()
    });
    origin.is_some_and(|origin| site.origins.iter().any(|own| own.admits(origin.as_str().as_bytes())))
}
