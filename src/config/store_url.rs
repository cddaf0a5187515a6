//! Where the counters live, as a URL.

use std::{fmt, path::PathBuf};

/// Where the counters live. What it prints may be logged: a kind with a password leaves it out of both `Display` and `Debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`, a file of the embedded store.
    Sqlite(PathBuf),
}

/// Why a text is no [`StoreUrl`]. Says nothing of the text where it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreUrlError {
    /// A store that is known, but not part of this build.
    #[error("found a {0}: URL; this build does not support Redis yet, expected a file such as \"sqlite:data/truycap.db\"")]
    Unsupported(&'static str),
    /// No path, or one that SQLite would take for something else than a file.
    #[error(
        "found {0:?}; expected sqlite: and the path of a file, such as \"sqlite:data/truycap.db\" or \"sqlite:/var/lib/truycap/truycap.db\""
    )]
    Path(String),
    /// Anything else.
    #[error("found a URL of another kind, not shown since it may hold a password; expected one such as \"sqlite:data/truycap.db\"")]
    Unknown,
}

impl StoreUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// Where the scheme is not known or not supported, or what follows it is no path of a file.
    pub fn parse(text: &str) -> Result<Self, StoreUrlError> {
        match text.split_once(':') {
            Some(("sqlite", path)) => sqlite(path).map(Self::Sqlite).ok_or_else(|| StoreUrlError::Path(text.into())),
            Some(("redis", _)) => Err(StoreUrlError::Unsupported("redis")),
            Some(("rediss", _)) => Err(StoreUrlError::Unsupported("rediss")),
            Some(("redis+unix", _)) => Err(StoreUrlError::Unsupported("redis+unix")),
            _ => Err(StoreUrlError::Unknown),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

/// Two slashes begin a relative path with some programs and an absolute one with others, and a query means nothing here.
fn sqlite(path: &str) -> Option<PathBuf> {
    if path.starts_with("//") || path.contains('?') { None } else { database(path) }
}

/// A path that SQLite opens as a file on the disk, and not as a database in memory or as a URI.
pub(super) fn database(path: &str) -> Option<PathBuf> {
    let special = path.is_empty() || path.starts_with(':') || path.starts_with("file:") || path.contains('\0');
    (!special).then(|| path.into())
}
