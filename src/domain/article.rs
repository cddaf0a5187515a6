//! The id of an article: one page of a site, usually its path.

use std::{borrow::Borrow, fmt, sync::Arc};

use unicode_normalization::{UnicodeNormalization, is_nfc};

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

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
