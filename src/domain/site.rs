//! A site: one portal that is counted.

use std::{borrow::Borrow, fmt, net::Ipv6Addr, sync::Arc, time::Duration};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use regex::Regex;

/// A site's id: 1 to 64 of `a-z A-Z 0-9 . _ -`, the first a letter or digit.
///
/// It stands in URLs and in keys of the store, which is why it is so narrow. Cloning is cheap: the text is shared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(Arc<str>);

/// A text that is not a [`SiteId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a site id: 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit")]
pub struct SiteIdError(pub String);

impl SiteId {
    /// Reads an id.
    ///
    /// # Errors
    /// Where the text is not a site id.
    pub fn parse(text: &str) -> Result<Self, SiteIdError> {
        let first = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if first && rest && text.len() <= 64 { Ok(Self(text.into())) } else { Err(SiteIdError(text.into())) }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for SiteId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A web origin (RFC 6454) as browsers send it: `https://portal.example.vn`, with a port where it is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(String);

/// A text that is not an [`Origin`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin: write it as http://host or https://host, with :port where it is not the usual one, and no path")]
pub struct OriginError(pub String);

impl Origin {
    /// Reads an origin, in the spelling of browsers: lower case, no default port, no trailing slash.
    ///
    /// # Errors
    /// Where the text has another scheme, no host, a path, user information or a port that is not one.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        Self::normalised(text).map(Self).ok_or_else(|| OriginError(text.into()))
    }

    fn normalised(text: &str) -> Option<String> {
        let text = text.to_ascii_lowercase();
        // What browsers send for pages without an origin: files on a disk, frames in a sandbox.
        if text == "null" {
            return Some(text);
        }
        let (scheme, rest) = text.split_once("://")?;
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // An IPv6 address stands in brackets and holds colons of its own.
        let (host, port) = match rest.rfind(':').filter(|&colon| !rest[colon..].contains(']')) {
            // A number's parser would take a sign.
            Some(colon) if rest[colon + 1..].starts_with('+') => return None,
            Some(colon) => (&rest[..colon], rest[colon + 1..].parse::<u16>().ok()?),
            None => (rest, default_port),
        };
        let host = Self::host(host)?;
        Some(if port == default_port { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") })
    }

    fn host(text: &str) -> Option<String> {
        let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
            let name = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
            return name.then(|| text.into());
        };
        let address: Ipv6Addr = address.parse().ok()?;
        // Browsers write the IPv4 address within an IPv6 address in hexadecimal.
        let [.., high, low] = address.segments();
        Some(if address.to_ipv4_mapped().is_some() { format!("[::ffff:{high:x}:{low:x}]") } else { format!("[{address}]") })
    }

    /// The origin as browsers spell it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One portal.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its id.
    pub id: SiteId,
    /// The origins its pages are served from; writes from other origins are refused.
    pub origins: Vec<Origin>,
    /// The time zone whose calendar its views belong to.
    pub timezone: Tz,
    /// What else its views have to be.
    pub rules: Rules,
}

/// Which views of a site count, beyond those of its own pages. The default asks for nothing.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Whether views that do not say which page they come from are refused.
    pub require_origin: bool,
    /// For how long a reader counts once for an article; up to a day, and never beyond midnight. With zero every view
    /// counts.
    pub repeat_window: Duration,
    /// How many articles that had no views yet may get some on one day; 0 is no limit.
    pub max_new_articles_per_day: u32,
    /// How many views are counted in a second, up to 100 000; 0 is no limit. At once it may be ten times as many.
    pub max_views_per_second: u32,
    /// What articles are called whose views are counted; without it, anything.
    pub articles: Option<Regex>,
    /// Whether visitors are estimated and reported with the figures.
    pub visitors: bool,
}

impl Site {
    /// The site's calendar day at an instant.
    #[must_use]
    pub fn day(&self, now: DateTime<Utc>) -> NaiveDate {
        now.with_timezone(&self.timezone).date_naive()
    }
}
