//! What a request says of its sender.
//!
//! All of it can be forged by somebody who writes requests by hand; it keeps out what visitors' browsers and honest
//! machines do.

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue, ORIGIN, USER_AGENT},
};

use crate::{domain::site::Site, recorder::Fate};

/// Where the page stands that a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// Nobody says: not a script on a page of another origin.
    Unknown,
    /// On one of the site's origins: the header as it was sent.
    Own(HeaderValue),
    /// Elsewhere, or on a page without an origin (`null`).
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
}

/// Why a request is not a view by a reader, where it is not.
///
/// - `prefetch`: a browser loads the page before anybody asked to see it. Browsers say so in `Sec-Purpose`, before that
///   was agreed on in `Purpose` (Chrome, Safari) and `X-Moz` (Firefox).
/// - `bot`: the agent's name has `bot`, `crawler`, `spider` or `slurp` in it, as those of the large search engines do.
pub(super) fn not_a_reader(headers: &HeaderMap) -> Option<Fate> {
    const PURPOSES: [HeaderName; 3] =
        [HeaderName::from_static("sec-purpose"), HeaderName::from_static("purpose"), HeaderName::from_static("x-moz")];
    if PURPOSES.iter().any(|name| has_word(headers, name, &["prefetch", "prerender"])) {
        return Some(Fate::Prefetch);
    }
    has_word(headers, &USER_AGENT, &["bot", "crawler", "spider", "slurp"]).then_some(Fate::Bot)
}

/// Whether a header has one of the words in it, in capitals or not.
fn has_word(headers: &HeaderMap, name: &HeaderName, words: &[&str]) -> bool {
    headers.get_all(name).iter().any(|value| {
        let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        words.iter().any(|word| value.contains(word))
    })
}
