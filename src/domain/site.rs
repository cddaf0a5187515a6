//! A site: one portal whose views are counted.

use std::{borrow::Borrow, fmt, net::Ipv6Addr, sync::Arc, time::Duration};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use regex::Regex;
use sha2::{Digest, Sha256};

use super::article::Section;

/// A site's id: 1 to 64 of `a-z A-Z 0-9 . _ -`, the first a letter or digit.
///
/// The character set is narrow because ids are used in URLs and in keys of the store. Cloning is cheap: the text is shared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(Arc<str>);

/// A text that is not a [`SiteId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a site id: 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit")]
pub struct SiteIdError(pub String);

impl SiteId {
    /// Parses an id.
    ///
    /// # Errors
    /// If the text is not a site id.
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

/// A web origin (RFC 6454) as browsers send it: `https://portal.example.vn`, with a port if it is not the scheme's default.
/// In a configuration it can also be `https://*.example.vn`, which stands for all hosts below `example.vn`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(String);

/// A text that is not an [`Origin`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin: write it as http://host or https://host, with :port if it is not the default, and no path")]
pub struct OriginError(pub String);

/// Why a text of a configuration is not an [`Origin`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfiguredOriginError {
    /// It has another form.
    Form,
    /// It stands for all hosts below a public suffix, such as `gov.vn`: anyone can register one.
    PublicSuffix(String),
}

impl Origin {
    /// Parses an origin and normalises it as browsers do: lower case, no default port, no trailing slash.
    ///
    /// # Errors
    /// If the text has another scheme, no host, a path, user information or an invalid port.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        Self::normalised(text, Self::host).map(Self).ok_or_else(|| OriginError(text.into()))
    }

    /// Parses an origin as people write it: the host can have letters of any language, which browsers send as `xn--…`, and
    /// can begin with `*.`, which stands for one or more labels as in a Content-Security-Policy.
    ///
    /// # Errors
    /// If [`Self::parse`] would refuse it without these, or if the wildcard is below a public suffix.
    pub fn parse_configured(text: &str) -> Result<Self, ConfiguredOriginError> {
        let Some((scheme, base)) = text.split_once("://*.") else {
            return Self::normalised(text, Self::international_host).map(Self).ok_or(ConfiguredOriginError::Form);
        };
        let base = Self::normalised(&format!("{scheme}://{base}"), Self::international_host).ok_or(ConfiguredOriginError::Form)?;
        let (scheme, host) = base.split_once("://").ok_or(ConfiguredOriginError::Form)?;
        let name = host.split(':').next().unwrap_or_default();
        let is_address = host.starts_with('[') || name.rsplit('.').next().is_some_and(|label| label.parse::<u8>().is_ok());
        if is_address || name.split('.').any(str::is_empty) {
            return Err(ConfiguredOriginError::Form);
        }
        if psl::suffix_str(name) == Some(name) {
            return Err(ConfiguredOriginError::PublicSuffix(name.into()));
        }
        Ok(Self(format!("{scheme}://*.{host}")))
    }

    fn normalised(text: &str, host: impl Fn(&str) -> Option<String>) -> Option<String> {
        let text = text.to_ascii_lowercase();
        // Browsers send this for pages without an origin: local files and sandboxed frames.
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
        // An IPv6 address is in brackets and contains colons.
        let (name, port) = match rest.rfind(':').filter(|&colon| !rest[colon..].contains(']')) {
            // `parse` would accept a plus sign.
            Some(colon) if rest[colon + 1..].starts_with('+') => return None,
            Some(colon) => (&rest[..colon], rest[colon + 1..].parse::<u16>().ok()?),
            None => (rest, default_port),
        };
        let host = host(name)?;
        Some(if port == default_port { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") })
    }

    fn host(text: &str) -> Option<String> {
        let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
            let name = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
            return name.then(|| text.into());
        };
        let address: Ipv6Addr = address.parse().ok()?;
        // Browsers write an IPv4 address embedded in an IPv6 address in hexadecimal.
        let [.., high, low] = address.segments();
        Some(if address.to_ipv4_mapped().is_some() { format!("[::ffff:{high:x}:{low:x}]") } else { format!("[{address}]") })
    }

    fn international_host(text: &str) -> Option<String> {
        if text.is_ascii() { Self::host(text) } else { Self::host(&idna::domain_to_ascii(text).ok()?) }
    }

    /// Whether this is an origin of one host that can be connected to: not `null`, and not all hosts below a name.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.0 != "null" && !self.0.contains('*')
    }

    /// Whether this is the origin that a browser sends, or stands for it. Compared byte for byte: browsers have only one
    /// spelling.
    #[must_use]
    pub fn admits(&self, origin: &[u8]) -> bool {
        let Some((scheme, base)) = self.0.split_once('*') else { return self.0.as_bytes() == origin };
        let below = origin.strip_prefix(scheme.as_bytes()).and_then(|host| host.strip_suffix(base.as_bytes()));
        let is_label = |label: &[u8]| !label.is_empty() && label.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
        below.is_some_and(|labels| labels.split(|c| *c == b'.').all(is_label))
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
    /// Other ids under which its views are counted and its figures shown, such as those of sites that were merged into it.
    pub aliases: Vec<SiteId>,
    /// The origins of its pages; views from other origins are refused.
    pub origins: Vec<Origin>,
    /// The time zone that determines the calendar day of its views.
    pub timezone: Tz,
    /// Its sections, each with most-read lists of its own.
    pub sections: Vec<Section>,
    /// Further conditions that its views must meet.
    pub rules: Rules,
}

/// Who can read the report of a site on the public listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReportAccess {
    /// No client.
    #[default]
    Off,
    /// Every client.
    Public,
    /// A client that sends one of these tokens.
    Token(Vec<ReportToken>),
}

/// A text that opens a report. Only a digest of it is kept, so it is never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportToken([u8; 32]);

impl ReportToken {
    /// The token of a text: 16 to 128 of `A-Z a-z 0-9 - _ . ~`, which a URL needs not encode; `None` if it is another text.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        ((16..=128).contains(&text.len()) && text.bytes().all(plain)).then(|| Self::digest(text))
    }

    fn digest(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether a text is this token. The time that this takes says nothing about the token: digests are compared, and all of their
    /// bytes.
    #[must_use]
    pub fn is(self, text: &str) -> bool {
        let Self(given) = Self::digest(text);
        self.0.iter().zip(given).fold(0, |difference, (own, given)| difference | (own ^ given)) == 0
    }

    /// A text for comparing configurations.
    #[must_use]
    pub fn fingerprint(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Which views of a site are counted, what is learnt beside them, and who can read its report. The defaults set no conditions and no
/// limits.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Whether views that do not say which origin they come from are refused.
    pub require_origin: bool,
    /// How long a visitor counts once per article; at most a day, and never past midnight. If zero, every view counts.
    pub repeat_window: Duration,
    /// How many articles without earlier views can get their first view on one day; 0 is no limit.
    pub max_new_articles_per_day: u32,
    /// How many views are counted per second, up to 100 000; 0 is no limit. A burst can be ten times as many.
    pub max_views_per_second: u32,
    /// The pattern that the ids of counted articles match; `None` accepts every id.
    pub articles: Option<Regex>,
    /// Whether visitors are estimated and reported with the figures.
    pub visitors: bool,
    /// Whether the portal is asked for the titles of the articles in most-read lists, and whether it has them.
    pub titles: bool,
    /// Who can read its report.
    pub report: ReportAccess,
}

impl Rules {
    /// Whether the site distinguishes visitors. Only then does it matter who the client is.
    #[must_use]
    pub fn tracks_visitors(&self) -> bool {
        self.visitors || !self.repeat_window.is_zero()
    }
}

impl Site {
    /// The site's calendar day at an instant.
    #[must_use]
    pub fn day(&self, now: DateTime<Utc>) -> NaiveDate {
        now.with_timezone(&self.timezone).date_naive()
    }
}
