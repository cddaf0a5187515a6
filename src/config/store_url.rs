//! Where the counters live, as a URL.

use std::{fmt, path::PathBuf};

use crate::store::redis;

/// The schemes of a Redis, with an example of each.
const REDIS: [(&str, &str); 7] = [
    ("redis", "redis://user:password@host:6379/0"),
    ("rediss", "rediss://user:password@host:6379/0"),
    ("redis+unix", "redis+unix:///run/redis.sock?db=0&user=user&pass=password"),
    ("redis+sentinel", "redis+sentinel://user:password@sentinel1:26379,sentinel2:26379,sentinel3:26379/mymaster/0"),
    ("rediss+sentinel", "rediss+sentinel://user:password@sentinel1:26379,sentinel2:26379,sentinel3:26379/mymaster/0"),
    ("redis+cluster", "redis+cluster://user:password@node1:6379,node2:6379,node3:6379"),
    ("rediss+cluster", "rediss+cluster://user:password@node1:6379,node2:6379,node3:6379"),
];

/// Where the counters live. It can be logged: neither `Display` nor `Debug` shows a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`, a file of the embedded store.
    Sqlite(PathBuf),
    /// `redis://…` or another of these schemes.
    Redis(redis::Url),
}

/// Why a text is not a [`StoreUrl`]. A text that can hold a password is not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreUrlError {
    /// An invalid URL of a Redis.
    #[error(
        "found an invalid {scheme}: URL, not shown because it can hold a password: {why}; expected one such as {example:?}, \
         with special characters in a password written as %40"
    )]
    Redis {
        /// The scheme.
        scheme: &'static str,
        /// A valid URL with this scheme.
        example: &'static str,
        /// What is wrong.
        why: redis::UrlError,
    },
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
        "found no URL of a known kind, not shown because it can hold a password; expected one such as \"sqlite:data/truycap.db\", \
         \"redis://host\", \"redis+sentinel://host1,host2,host3/mymaster\" or \"redis+cluster://host1,host2,host3\""
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
            Some((scheme, _)) => match REDIS.iter().find(|(known, _)| *known == scheme) {
                Some((scheme, example)) => text.parse().map(Self::Redis).map_err(|why| StoreUrlError::Redis { scheme, example, why }),
                None => Err(StoreUrlError::Unknown),
            },
            None if text.contains('/') || text.ends_with(".db") => Err(StoreUrlError::NoScheme),
            None => Err(StoreUrlError::Unknown),
        }
    }

    /// The same servers with a password from a file.
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

    /// The same sentinels with a password from a file.
    ///
    /// # Errors
    /// Why there can be none.
    pub(super) fn with_sentinel_password(&self, password: &str) -> Result<Self, &'static str> {
        const NO_SENTINEL: &str = "found a path, but store.url is not a Sentinel URL; expected \"\", or a redis+sentinel: URL in store.url";
        match self {
            Self::Redis(url) if url.has_sentinel_password() => {
                Err("found a path, but store.url contains sentinel_password; expected only one of them")
            }
            Self::Redis(url) => url.with_sentinel_password(password).map(Self::Redis).ok_or(NO_SENTINEL),
            Self::Sqlite(_) => Err(NO_SENTINEL),
        }
    }

    /// The same place without the password of the servers or of the sentinels, to compare two with each other.
    pub(super) fn masked(&self, servers: bool, sentinels: bool) -> Self {
        let Self::Redis(url) = self else { return self.clone() };
        let url = if servers { url.with_password("") } else { url.clone() };
        let masked = if sentinels { url.with_sentinel_password("") } else { None };
        Self::Redis(masked.unwrap_or(url))
    }

    /// Whether a text has the scheme of a Redis.
    pub(super) fn is_redis(text: &str) -> bool {
        text.split_once(':').is_some_and(|(scheme, _)| REDIS.iter().any(|(known, _)| *known == scheme))
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
