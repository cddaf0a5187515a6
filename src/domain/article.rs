//! The id of an article: one page of a site, usually its path.

use std::{borrow::Borrow, fmt, sync::Arc};

use percent_encoding::percent_decode_str;
use unicode_normalization::{UnicodeNormalization, is_nfc};
use url::Url;

/// An article's id: 1 to 256 bytes of UTF-8 in NFC, without control characters.
///
/// Cloning is cheap: the text is shared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArticleId(Arc<str>);

/// Why a text is not an article id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArticleError {
    /// The text is empty.
    #[error("an article id is empty; omit it to count the site only")]
    Empty,
    /// Longer than [`ArticleId::MAX_BYTES`].
    #[error("an article id is longer than 256 bytes of UTF-8")]
    TooLong,
    /// Contains a character of Unicode category Cc.
    #[error("an article id contains a control character")]
    Control,
    /// An address that no browser can open.
    #[error("an article's address is not valid")]
    Address,
}

impl ArticleId {
    /// The maximum length, in bytes of UTF-8 after normalisation.
    pub const MAX_BYTES: usize = 256;

    /// Parses an id and normalises it to NFC, so that one page is not counted under two spellings.
    ///
    /// # Errors
    /// If the text is empty, longer than [`Self::MAX_BYTES`] or contains a control character.
    pub fn parse(text: &str) -> Result<Self, ArticleError> {
        // NFC never shrinks a text below a quarter of its bytes, so a longer text is refused without normalising it.
        if text.len() > 4 * Self::MAX_BYTES {
            return Err(ArticleError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(ArticleError::Control);
        }
        let id: Arc<str> = if is_nfc(text) { text.into() } else { text.nfc().collect::<String>().into() };
        match id.len() {
            0 => Err(ArticleError::Empty),
            1..=Self::MAX_BYTES => Ok(Self(id)),
            _ => Err(ArticleError::TooLong),
        }
    }

    /// The id that the script (`web/counter/id.js`) sends for a page, by its path or its `http(s)` address; `None` for the home page,
    /// which is no article. `tests/unit/domain/addresses.json` has cases on which both are tested.
    ///
    /// # Errors
    /// If the address is not valid, or its path is not an id.
    pub fn of_path(path: &str) -> Result<Option<Self>, ArticleError> {
        let address = if is_http(path) {
            Url::parse(path)
        } else {
            // The host keeps a path such as `//tin` a path.
            Url::parse(&format!("http://host{}{path}", if path.starts_with(['/', '\\']) { "" } else { "/" }))
        };
        let url = address.map_err(|_| ArticleError::Address)?;
        Self::as_sent(url.path()).map(|id| (id.as_str() != "/").then_some(id))
    }

    /// The id that the script sends for `data-article="TEXT"`: percent-decoded, in NFC, without the session that a server writes
    /// into its links, and without a last `/` or `/index.html`.
    ///
    /// # Errors
    /// If that is not an id.
    pub fn as_sent(text: &str) -> Result<Self, ArticleError> {
        // As the script's decodeURIComponent, which decodes all or nothing.
        let decoded = if encodes_all(text) { percent_decode_str(text).decode_utf8().ok() } else { None };
        let text = decoded.as_deref().unwrap_or(text);
        if text.is_empty() {
            return Err(ArticleError::Empty);
        }
        // NFC can make a `;` and take a `=` away.
        let text = if is_nfc(text) { text.to_owned() } else { text.nfc().collect() };
        let text = without_session(&text);
        let bare = text.strip_suffix("/index.html").or_else(|| text.strip_suffix('/')).unwrap_or(&text);
        Self::parse(if bare.is_empty() { "/" } else { bare })
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_http(text: &str) -> bool {
    let begins = |prefix: &str| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    begins("http://") || begins("https://")
}

/// A path without `;jsessionid=…` (Java) at the end of a segment, and without segments `(S(…))` (ASP.NET), in any ASCII case:
/// every visitor has another one.
fn without_session(path: &str) -> String {
    let mut segments = path.split('/');
    let first = without_java_session(segments.next().unwrap_or_default()).to_owned();
    let rest = segments.filter(|segment| !is_asp_session(segment));
    rest.fold(first, |path, segment| path + "/" + without_java_session(segment))
}

fn without_java_session(segment: &str) -> &str {
    const SESSION: &[u8] = b";jsessionid=";
    let at = segment.as_bytes().windows(SESSION.len()).position(|part| part.eq_ignore_ascii_case(SESSION));
    &segment[..at.unwrap_or(segment.len())]
}

fn is_asp_session(segment: &str) -> bool {
    let id = segment.strip_prefix("(S(").or_else(|| segment.strip_prefix("(s(")).and_then(|rest| rest.strip_suffix("))"));
    id.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Whether two hexadecimal digits follow each percent sign.
fn encodes_all(text: &str) -> bool {
    text.split('%').skip(1).all(|part| part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()))
}

impl Borrow<str> for ArticleId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArticleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A section of a site: the articles whose ids begin with this text. It has the same form as an [`ArticleId`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Section(ArticleId);

impl Section {
    /// Parses and normalises a section.
    ///
    /// # Errors
    /// If the text does not have the form of an article id.
    pub fn parse(text: &str) -> Result<Self, ArticleError> {
        ArticleId::parse(text).map(Self)
    }

    /// The text with which the ids of its articles begin.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether an article belongs to it.
    #[must_use]
    pub fn contains(&self, article: &ArticleId) -> bool {
        article.as_str().starts_with(self.as_str())
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
