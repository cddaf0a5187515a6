//! The URL of a Redis server.

use std::{fmt, str::FromStr};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::keys::Prefix;

/// The schemes of the three kinds of URL.
const SCHEMES: [&str; 3] = ["redis", "rediss", "redis+unix"];

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisStoreConfig {
    /// The server.
    pub url: Url,
    /// What all keys begin with. Services that share a server but not their counters have different prefixes.
    pub prefix: Prefix,
}

/// The address of a Redis server and the login: `redis://[[user]:password@]host[:port][/database]`, `rediss://…` for TLS,
/// or `redis+unix:///path[?db=…&user=…&pass=…]`. The default port is 6379 and the default database 0.
///
/// `Display` and `Debug` show neither the user nor the password.
#[derive(Clone)]
pub struct Url(Box<ConnectionInfo>);

/// A text that is not a [`Url`]. The text is not shown, because it can contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not the URL of a Redis server")]
pub struct UrlError;

impl Url {
    pub(super) fn info(&self) -> &ConnectionInfo {
        &self.0
    }
}

impl Url {
    /// Whether it has a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.0.redis_settings().password().is_some()
    }

    /// The same server and user with this password.
    #[must_use]
    pub fn with_password(&self, password: &str) -> Self {
        let settings = self.0.redis_settings().clone().set_password(password);
        Self(Box::new((*self.0).clone().set_redis_settings(settings)))
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url = redis::parse_redis_url(text).ok_or(UrlError)?;
        let scheme = SCHEMES.iter().find(|scheme| **scheme == url.scheme()).ok_or(UrlError)?;
        let known: &[&str] = if *scheme == "redis+unix" { &["db", "user", "pass"] } else { &[] };
        // The `redis` crate ignores unknown parameters, such as a misspelt `db`, and takes `#insecure`, which turns off the
        // check of certificates.
        if url.fragment().is_some() || url.query_pairs().any(|(name, _)| !known.contains(&&*name)) {
            return Err(UrlError);
        }
        let info = url.into_connection_info().map_err(|_| UrlError)?;
        if info.redis_settings().db() < 0 { Err(UrlError) } else { Ok(Self(Box::new(info))) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let db = self.0.redis_settings().db();
        let (scheme, host, port) = match self.0.addr() {
            ConnectionAddr::Tcp(host, port) => ("redis", host, port),
            ConnectionAddr::TcpTls { host, port, .. } => ("rediss", host, port),
            // A socket, or a kind that is added later. These print only their address.
            other => return write!(f, "redis+unix://{other}?db={db}"),
        };
        if host.contains(':') { write!(f, "{scheme}://[{host}]:{port}/{db}") } else { write!(f, "{scheme}://{host}:{port}/{db}") }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

impl PartialEq for Url {
    fn eq(&self, other: &Self) -> bool {
        let login = |url: &Self| {
            let settings = url.0.redis_settings();
            (settings.db(), settings.username().map(String::from), settings.password().map(String::from))
        };
        self.0.addr() == other.0.addr() && login(self) == login(other)
    }
}

impl Eq for Url {}
