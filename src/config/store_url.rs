//! Where the counters live, as a URL.

use std::{fmt, path::PathBuf};

use crate::store::redis;

/// Where the counters live. It can be logged: neither `Display` nor `Debug` shows a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`, a file of the embedded store.
    Sqlite(PathBuf),
    /// `redis://…`, `rediss://…` or `redis+unix://…`.
    Redis(redis::Url),
}

/// Why a text is not a [`StoreUrl`]. A text that can hold a password is not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreUrlError {
    /// An invalid URL of a Redis.
    #[error(
        "found an invalid {0}: URL, not shown because it can hold a password; expected one such as \"redis://user:password@host:6379/0\", \
         \"rediss://host\" or \"redis+unix:///run/redis.sock?db=0\", with special characters in a password written as %40"
    )]
    Redis(&'static str),
    /// No path, or one that SQLite does not open as a file.
    #[error(
        "found {0:?}; expected sqlite: and the path of a file, such as \"sqlite:data/truycap.db\" or \"sqlite:/var/lib/truycap/truycap.db\""
    )]
    Path(String),
    /// A path without a scheme.
    #[error("found a path without a scheme; expected sqlite: before it, such as \"sqlite:data/truycap.db\"")]
    NoScheme,
    /// Anything else.
    #[error(
        "found no URL of a known kind, not shown because it can hold a password; expected one such as \"sqlite:data/truycap.db\" or \"redis://host\""
    )]
    Unknown,
}

impl StoreUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// If the scheme is unknown, or the rest is not a path of a file or not the address of a Redis.
    pub fn parse(text: &str) -> Result<Self, StoreUrlError> {
        match text.split_once(':') {
            Some(("sqlite", path)) => sqlite(path).map(Self::Sqlite).ok_or_else(|| StoreUrlError::Path(text.into())),
            Some(("redis", _)) => redis(text, "redis"),
            Some(("rediss", _)) => redis(text, "rediss"),
            Some(("redis+unix", _)) => redis(text, "redis+unix"),
            None if text.contains('/') || text.ends_with(".db") => Err(StoreUrlError::NoScheme),
            _ => Err(StoreUrlError::Unknown),
        }
    }

    /// The same server with a password from a file.
    ///
    /// # Errors
    /// Why there can be none.
    pub(super) fn with_password(&self, password: &str) -> Result<Self, &'static str> {
        match self {
            Self::Sqlite(_) => {
                Err("found a path, but store.url is a file, which has no password; expected \"\", or a redis: URL in store.url")
            }
            Self::Redis(url) if url.has_password() => Err("found a path, but store.url contains a password; expected only one of them"),
            Self::Redis(url) => Ok(Self::Redis(url.with_password(password))),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Redis(url) => url.fmt(f),
        }
    }
}

fn redis(text: &str, scheme: &'static str) -> Result<StoreUrl, StoreUrlError> {
    text.parse().map(StoreUrl::Redis).map_err(|_| StoreUrlError::Redis(scheme))
}

/// Refuses two slashes, which some programs read as a relative path and others as an absolute one, and a query, which has
/// no meaning here.
fn sqlite(path: &str) -> Option<PathBuf> {
    if path.starts_with("//") || path.contains('?') { None } else { database(path) }
}

/// A path that SQLite opens as a file on disk, not as a database in memory or as a URI.
pub(super) fn database(path: &str) -> Option<PathBuf> {
    let special = path.is_empty() || path.starts_with(':') || path.starts_with("file:") || path.contains('\0');
    (!special).then(|| path.into())
}
