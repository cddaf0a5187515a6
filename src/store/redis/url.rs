//! The URL of the Redis servers.
//!
//! The `redis` crate parses a URL of one server. A URL of several is split here into one such URL for each server, so that
//! hosts and logins are decoded alike.

use std::{fmt, iter, str::FromStr};

use percent_encoding::percent_decode_str;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::keys::Prefix;

/// The maximum number of hosts in a URL. The topology asks all of them twice a second.
const MAX_HOSTS: usize = 32;

/// The default ports.
const SERVER_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisStoreConfig {
    /// The servers.
    pub url: Url,
    /// What all keys begin with. Services that share a server but not their counters have different prefixes.
    pub prefix: Prefix,
}

/// The addresses of the Redis servers and the logins. One of:
///
/// - `redis://[[user]:password@]host[:port][/database]`
/// - `redis+unix:///path[?db=…&user=…&pass=…]`
/// - `redis+sentinel://[[user]:password@]host[:port],…/service[/database][?sentinel_user=…&sentinel_password=…&sentinel_tls=…]`
/// - `redis+cluster://[[user]:password@]host[:port],…`
///
/// `rediss` in place of `redis` is TLS. The login before the hosts is that of the servers, also if the hosts are sentinels.
///
/// `Display` and `Debug` show neither users nor passwords.
#[derive(Clone)]
pub struct Url(Box<Place>);

/// Where the servers are.
#[derive(Clone)]
pub(super) enum Place {
    /// One server.
    Single(ConnectionInfo),
    /// The primary that sentinels name.
    Sentinel {
        /// The sentinels, at least one.
        sentinels: Vec<ConnectionInfo>,
        /// The name of the primary and its replicas.
        service: String,
        /// The login, the database and TLS of a server. Its host and port mean nothing: the sentinels name them.
        server: ConnectionInfo,
    },
    /// A cluster.
    Cluster {
        /// Some of its nodes, at least one.
        nodes: Vec<ConnectionInfo>,
        /// The same as `server` of `Sentinel`.
        server: ConnectionInfo,
    },
}

/// Why a text is not a [`Url`]. The text is not shown, because it can contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UrlError(&'static str);

impl Url {
    pub(super) fn place(&self) -> &Place {
        &self.0
    }

    /// Whether it has a password for the servers.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.0.server().redis_settings().password().is_some()
    }

    /// The same servers and users, with this password for the servers.
    #[must_use]
    pub fn with_password(&self, password: &str) -> Self {
        let with = |info| with_login(info, None, Some(password));
        let place = match (*self.0).clone() {
            Place::Single(info) => Place::Single(with(info)),
            Place::Sentinel { sentinels, service, server } => Place::Sentinel { sentinels, service, server: with(server) },
            Place::Cluster { nodes, server } => Place::Cluster { nodes: nodes.into_iter().map(with).collect(), server: with(server) },
        };
        Self(Box::new(place))
    }

    /// Whether it has a password for sentinels.
    #[must_use]
    pub fn has_sentinel_password(&self) -> bool {
        let Place::Sentinel { sentinels, .. } = &*self.0 else { return false };
        sentinels.iter().any(|sentinel| sentinel.redis_settings().password().is_some())
    }

    /// The same servers and users, with this password for the sentinels; `None` if there are none.
    #[must_use]
    pub fn with_sentinel_password(&self, password: &str) -> Option<Self> {
        let Place::Sentinel { sentinels, service, server } = (*self.0).clone() else { return None };
        let sentinels = sentinels.into_iter().map(|sentinel| with_login(sentinel, None, Some(password))).collect();
        Some(Self(Box::new(Place::Sentinel { sentinels, service, server })))
    }
}

impl Place {
    /// A server, whose login all servers have.
    fn server(&self) -> &ConnectionInfo {
        match self {
            Self::Single(server) | Self::Sentinel { server, .. } | Self::Cluster { server, .. } => server,
        }
    }

    /// Everything that is connected to, with the login: the hosts, and the template of a server.
    fn infos(&self) -> impl Iterator<Item = &ConnectionInfo> {
        let hosts = match self {
            Self::Single(_) => &[],
            Self::Sentinel { sentinels: hosts, .. } | Self::Cluster { nodes: hosts, .. } => hosts.as_slice(),
        };
        iter::once(self.server()).chain(hosts)
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError("it has no \"//\" after the scheme"))?;
        let place = match scheme {
            "redis+sentinel" => sentinel("redis", rest),
            "rediss+sentinel" => sentinel("rediss", rest),
            "redis+cluster" => cluster("redis", rest),
            "rediss+cluster" => cluster("rediss", rest),
            _ => single(text).map(Place::Single),
        };
        place.map(|place| Self(Box::new(place)))
    }
}

/// Parses the URL of one server.
fn single(text: &str) -> Result<ConnectionInfo, UrlError> {
    let invalid = UrlError("it is not the URL of a Redis server");
    let url = redis::parse_redis_url(text).ok_or(invalid)?;
    let known: &[&str] = match url.scheme() {
        "redis" | "rediss" => &[],
        "redis+unix" => &["db", "user", "pass"],
        _ => return Err(invalid),
    };
    // The `redis` crate ignores unknown parameters, such as a misspelt `db`, and takes `#insecure`, which turns off the
    // check of certificates.
    if url.fragment().is_some() || url.query_pairs().any(|(name, _)| !known.contains(&&*name)) {
        return Err(UrlError("it has a parameter or a fragment (#) that is not known"));
    }
    let info = url.into_connection_info().map_err(|_| invalid)?;
    if info.redis_settings().db() < 0 { Err(UrlError("its database is a negative number")) } else { Ok(info) }
}

/// A URL of several hosts, without the scheme.
struct Parts<'a> {
    /// `user:password@`, or nothing.
    login: &'a str,
    hosts: Vec<&'a str>,
    /// Without the first slash.
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn new(rest: &'a str) -> Result<Self, UrlError> {
        if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(UrlError("it contains a space"));
        }
        if rest.contains('#') {
            return Err(UrlError("it has a fragment (#)"));
        }
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = authority.rfind('@').map_or(("", authority), |at| authority.split_at(at + 1));
        // Otherwise a login before each host would become a password that contains hosts.
        if login.trim_end_matches('@').contains(['@', ',']) || login.ends_with("@@") {
            return Err(UrlError("the part before the hosts contains \"@\" or \",\"; write the login once, and these as %40 and %2C"));
        }
        let hosts: Vec<_> = hosts.split(',').collect();
        if hosts.len() > MAX_HOSTS {
            return Err(UrlError("it names more than 32 hosts"));
        }
        Ok(Self { login, hosts, path, query })
    }

    /// The hosts with the login of the URL, on database 0.
    fn infos(&self, scheme: &str, default_port: u16) -> Result<Vec<ConnectionInfo>, UrlError> {
        let mut infos: Vec<ConnectionInfo> = Vec::with_capacity(self.hosts.len());
        for host in &self.hosts {
            let after_brackets = host.rsplit_once(']').map_or(*host, |(_, after)| after);
            let info = match after_brackets.rsplit_once(':') {
                Some((_, port)) if port.trim_start_matches('0').is_empty() => return Err(UrlError("a host has an empty port or port 0")),
                Some(_) => single(&format!("{scheme}://{}{host}", self.login)),
                None => single(&format!("{scheme}://{}{host}:{default_port}", self.login)),
            };
            let info = info.map_err(|_| UrlError("a host, its port or the login is not valid"))?;
            let address = |info: &ConnectionInfo| info.addr().to_string().to_ascii_lowercase();
            if infos.iter().any(|other| address(other) == address(&info)) {
                return Err(UrlError("it names a host twice"));
            }
            infos.push(info);
        }
        Ok(infos)
    }
}

fn cluster(scheme: &str, rest: &str) -> Result<Place, UrlError> {
    let parts = Parts::new(rest)?;
    if parts.query.is_some() {
        return Err(UrlError("it has a parameter (?)"));
    }
    if !matches!(parts.path, "" | "0") {
        return Err(UrlError("it names a database, but a cluster has only database 0"));
    }
    Ok(Place::Cluster { nodes: parts.infos(scheme, SERVER_PORT)?, server: template(scheme, parts.login)? })
}

fn sentinel(scheme: &str, rest: &str) -> Result<Place, UrlError> {
    let parts = Parts::new(rest)?;
    let (service, database) = parts.path.split_once('/').unwrap_or((parts.path, "0"));
    if service.is_empty() {
        return Err(UrlError("it names no service after the hosts"));
    }
    // Those that Sentinel takes.
    if !service.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)) {
        return Err(UrlError("the name of the service contains other characters than A-Z a-z 0-9 . - _"));
    }
    let digits = !database.is_empty() && database.bytes().all(|byte| byte.is_ascii_digit());
    let database = database.parse().ok().filter(|_| digits).ok_or(UrlError("its database is not a number"))?;
    let server = template(scheme, parts.login)?;
    let server_settings = server.redis_settings().clone().set_db(database);
    let server = server.set_redis_settings(server_settings);

    let parameters = Parameters::new(parts.query)?;
    let scheme = parameters.tls.map_or(scheme, |tls| if tls { "rediss" } else { "redis" });
    let sentinels = Parts { login: "", ..parts }.infos(scheme, SENTINEL_PORT)?;
    let login = |info| with_login(info, parameters.user.as_deref(), parameters.password.as_deref());
    Ok(Place::Sentinel { sentinels: sentinels.into_iter().map(login).collect(), service: service.into(), server })
}

/// A server whose host is not known yet.
fn template(scheme: &str, login: &str) -> Result<ConnectionInfo, UrlError> {
    single(&format!("{scheme}://{login}server")).map_err(|_| UrlError("the login is not valid"))
}

/// The parameters of the URL of sentinels.
#[derive(Default)]
struct Parameters {
    user: Option<String>,
    password: Option<String>,
    tls: Option<bool>,
}

impl Parameters {
    fn new(query: Option<&str>) -> Result<Self, UrlError> {
        const TWICE: UrlError = UrlError("it has a parameter twice");
        let mut parameters = Self::default();
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // As in a login, "+" is no space.
            let value = percent_decode_str(value).decode_utf8().map_err(|_| UrlError("a parameter is not UTF-8"))?.into_owned();
            if value.is_empty() {
                return Err(UrlError("it has a parameter without a value"));
            }
            let earlier = match name {
                "sentinel_user" => parameters.user.replace(value).is_some(),
                "sentinel_password" => parameters.password.replace(value).is_some(),
                "sentinel_tls" => {
                    let tls = value.parse().map_err(|_| UrlError("sentinel_tls is neither true nor false"))?;
                    parameters.tls.replace(tls).is_some()
                }
                _ => return Err(UrlError("it has a parameter that is not sentinel_user, sentinel_password or sentinel_tls")),
            };
            if earlier {
                return Err(TWICE);
            }
        }
        Ok(parameters)
    }
}

/// The same server with this user and this password, if they are given.
fn with_login(info: ConnectionInfo, user: Option<&str>, password: Option<&str>) -> ConnectionInfo {
    let mut settings = info.redis_settings().clone();
    if let Some(user) = user {
        settings = settings.set_username(user);
    }
    if let Some(password) = password {
        settings = settings.set_password(password);
    }
    info.set_redis_settings(settings)
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Place::Single(info) => f.write_str(&url_of(info)),
            Place::Sentinel { sentinels, service, server } => {
                let db = server.redis_settings().db();
                write!(f, "{}+sentinel://{}/{service}/{db}", scheme(server), addresses(sentinels))?;
                match sentinels.first().map(has_tls) {
                    Some(tls) if tls != has_tls(server) => write!(f, "?sentinel_tls={tls}"),
                    _ => Ok(()),
                }
            }
            Place::Cluster { nodes, server } => write!(f, "{}+cluster://{}", scheme(server), addresses(nodes)),
        }
    }
}

/// The URL of one server, without its login.
pub(super) fn url_of(info: &ConnectionInfo) -> String {
    let (address, db) = (host_and_port(info.addr()), info.redis_settings().db());
    match info.addr() {
        ConnectionAddr::Unix(_) => format!("redis+unix://{address}?db={db}"),
        _ => format!("{}://{address}/{db}", scheme(info)),
    }
}

fn scheme(info: &ConnectionInfo) -> &'static str {
    if has_tls(info) { "rediss" } else { "redis" }
}

fn has_tls(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), ConnectionAddr::TcpTls { .. })
}

/// `host:port` with brackets around an IPv6 address, or the path of a socket.
pub(super) fn host_and_port(addr: &ConnectionAddr) -> String {
    match addr {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
        other => other.to_string(),
    }
}

fn addresses(infos: &[ConnectionInfo]) -> String {
    infos.iter().map(|info| host_and_port(info.addr())).collect::<Vec<_>>().join(",")
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

impl PartialEq for Url {
    fn eq(&self, other: &Self) -> bool {
        let logins = |url: &Self| {
            let login = |info: &ConnectionInfo| {
                let settings = info.redis_settings();
                (info.addr().clone(), settings.username().map(String::from), settings.password().map(String::from))
            };
            url.0.infos().map(login).collect::<Vec<_>>()
        };
        // The text has the rest: the kind, the service and the database.
        self.to_string() == other.to_string() && logins(self) == logins(other)
    }
}

impl Eq for Url {}
