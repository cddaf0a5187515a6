//! The configuration's sections: their values, and how each key is read.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use bytesize::ByteSize;
use tracing::Level;

use super::{
    audience,
    files::{Files, secret},
    same_file::collide,
    sites,
    store_url::{StoreUrl, database},
    table_reader::{Effective, TableReader, shown, toml_text},
};
use crate::{
    audience::{BotRules, ClientRules},
    domain::{retention::Retention, site::Site},
    journal, recorder,
    store::redis,
    telemetry::logging::{self, Format},
};

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether the demo portal is served.
    pub demo: bool,
    /// The listeners.
    pub listen: Listen,
    /// Where the counters live.
    pub store: StoreUrl,
    /// The prefix of all keys, if the store is a Redis.
    pub prefix: redis::Prefix,
    /// The journal's file, which is not the store's, and its maximum size: 1 MiB to 64 GiB.
    pub journal: journal::sqlite::Config,
    /// How often counters are applied, and how long the journal keeps applied entries.
    pub recorder: recorder::Config,
    /// How long the buckets of articles are kept.
    pub retention: Retention,
    /// What is logged, and how.
    pub log: logging::Config,
    /// Whether metrics of sites have the label `site`; otherwise they are added up.
    pub per_site_metrics: bool,
    /// How clients are identified and limited.
    pub clients: ClientRules,
    /// Which user agents are bots.
    pub bots: BotRules,
    /// The portals: at least one, with distinct ids and aliases.
    pub sites: Vec<Site>,
    /// The file and line of each site, or the variable.
    pub(super) site_places: Vec<String>,
    /// Whether the password of the servers is from a file.
    pub(super) password_file: bool,
    /// Whether the password of the sentinels is from a file.
    pub(super) sentinel_password_file: bool,
    /// The values of all keys except those of sites.
    pub(super) effective: Vec<Effective>,
}

/// Where the public listener gets its connections from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicAddress {
    /// An address and a port.
    Ip(SocketAddr),
    /// A Unix socket, which it makes.
    Unix(PathBuf),
    /// The socket that the service manager passes (socket activation).
    Systemd,
}

impl fmt::Display for PublicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd => f.write_str("systemd"),
        }
    }
}

impl PublicAddress {
    fn parse(text: &str) -> Option<Self> {
        /// The longest path of a Unix socket, in bytes.
        const MAX_PATH: usize = 107;
        match text.strip_prefix("unix:") {
            Some(path) => (1..=MAX_PATH).contains(&path.len()).then(|| Self::Unix(path.into())),
            None if text == "systemd" => Some(Self::Systemd),
            None => text.parse().ok().map(Self::Ip),
        }
    }
}

/// The listeners' addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// For browsers.
    pub public: PublicAddress,
    /// For health and metrics; differs from `public`, unless both have port 0.
    pub admin: SocketAddr,
    /// The maximum number of open connections of the public listener, 1 to 1 000 000.
    pub max_connections: usize,
    /// How long a connection can be idle between two requests: 1 s to 1 h.
    pub idle_timeout: Duration,
    /// How long connections are still accepted after the signal to stop: up to 60 s.
    pub drain: Duration,
}

impl Config {
    /// The site with an id or an alias.
    #[must_use]
    pub fn site(&self, id: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.id.as_str() == id || site.aliases.iter().any(|alias| alias.as_str() == id))
    }

    /// The keys that differ in another configuration and take effect only at a start.
    #[must_use]
    pub fn fixed_differences(&self, other: &Self) -> Vec<&'static str> {
        let files = (self.password_file && other.password_file, self.sentinel_password_file && other.sentinel_password_file);
        let same_but = |servers, sentinels| self.store.masked(servers, sentinels) == other.store.masked(servers, sentinels);
        let same_url = same_but(files.0, files.1);
        let keys = [
            ("demo", self.demo == other.demo),
            ("listen.public", self.listen.public == other.listen.public),
            ("listen.admin", self.listen.admin == other.listen.admin),
            ("listen.idle_timeout", self.listen.idle_timeout == other.listen.idle_timeout),
            ("listen.drain", self.listen.drain == other.listen.drain),
            ("store.url", same_url),
            ("store.password_file", !same_url || same_but(false, files.1)),
            ("store.sentinel_password_file", !same_url || same_but(files.0, false)),
            ("store.prefix", self.prefix == other.prefix),
            ("store.flush_interval", self.recorder.flush_interval == other.recorder.flush_interval),
            ("journal.path", self.journal.path == other.journal.path),
            ("journal.retain", self.recorder.retain == other.recorder.retain),
            ("journal.max_bytes", self.journal.max_bytes == other.journal.max_bytes),
            ("retention.days", self.retention.days == other.retention.days),
            ("retention.weeks", self.retention.weeks == other.retention.weeks),
            ("retention.months", self.retention.months == other.retention.months),
            ("retention.years", self.retention.years == other.retention.years),
            ("log.format", self.log.format == other.log.format),
            ("metrics.per_site", self.per_site_metrics == other.per_site_metrics),
            ("clients.header", self.clients.resolver.header == other.clients.resolver.header),
            ("clients.trusted_proxies", self.clients.resolver.trusted_proxies == other.clients.resolver.trusted_proxies),
            ("clients.max_requests_per_second", self.clients.max_requests_per_second == other.clients.max_requests_per_second),
            ("clients.max_connections", self.clients.max_connections == other.clients.max_connections),
            ("bots.deny", self.bots.deny == other.bots.deny),
            ("bots.allow", self.bots.allow == other.bots.allow),
            ("bots.headless", self.bots.headless == other.bots.headless),
        ];
        keys.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
    }
}

/// Takes every key, also after a mistake. Returns `None` if there was one.
pub(super) fn config(reader: &mut TableReader<'_>, files: &mut Files) -> Option<Config> {
    let demo = reader.boolean("demo");
    let listen = listen(reader);
    let store = store(reader);
    let (store, password_file) = with_password(reader, "store.password_file", store, StoreUrl::with_password);
    let (store, sentinel_password_file) = with_password(reader, "store.sentinel_password_file", store, StoreUrl::with_sentinel_password);
    let expected = "1 to 64 letters, digits, '.', '_', ':' or '-', such as \"truycap\"";
    let prefix = reader.read("store.prefix", expected, |setting| setting.text()?.parse().ok());
    let journal = journal(reader, store.as_ref());
    let recorder = recorder(reader);
    let retention = retention(reader);
    let log = log(reader);
    let per_site_metrics = reader.boolean("metrics.per_site");
    let clients = audience::clients(reader);
    let bots = audience::bots(reader);
    let sites = sites::sites(reader, files);
    let (sites, site_places) = sites.map(|sites| sites.into_iter().unzip())?;
    Some(Config {
        demo: demo?,
        listen: listen?,
        store: store?,
        prefix: prefix?,
        journal: journal?,
        recorder: recorder?,
        retention: retention?,
        log: log?,
        per_site_metrics: per_site_metrics?,
        clients: clients?,
        bots: bots?,
        sites,
        site_places,
        password_file,
        sentinel_password_file,
        effective: Vec::new(),
    })
}

fn listen(reader: &mut TableReader<'_>) -> Option<Listen> {
    let address = "an IP address and a port, such as";
    let expected = format!("{address} \"127.0.0.1:8080\"; a Unix socket, such as \"unix:/run/truycap/public.sock\"; or \"systemd\"");
    let public = reader.read("listen.public", &expected, |setting| PublicAddress::parse(setting.text()?));
    let admin = admin(reader);
    let max_connections = reader.number("listen.max_connections", 1..=1_000_000, 4096);
    let idle = Duration::from_secs(1)..=Duration::from_secs(60 * 60);
    let idle_timeout = reader.duration("listen.idle_timeout", idle, "from 1s to 1h, such as \"75s\"");
    let drain = reader.duration("listen.drain", Duration::ZERO..=Duration::from_secs(60), "from 0s to 60s, such as \"5s\"");
    let listen = Listen {
        public: public?,
        admin: admin?,
        max_connections: usize::try_from(max_connections?).ok()?,
        idle_timeout: idle_timeout?,
        drain: drain?,
    };
    if listen.public == PublicAddress::Ip(listen.admin) && listen.admin.port() != 0 {
        let what = format!("found {}, which is also listen.public; expected another address, such as \"127.0.0.1:8081\"", listen.admin);
        reader.mistake("listen.admin", what);
    }
    Some(listen)
}

/// The address of the admin listener.
pub(super) fn admin(reader: &mut TableReader<'_>) -> Option<SocketAddr> {
    reader.read("listen.admin", "an IP address and a port, such as \"127.0.0.1:8081\"", |setting| setting.text()?.parse().ok())
}

fn store(reader: &mut TableReader<'_>) -> Option<StoreUrl> {
    reader.parse("store.url", |setting| match setting.text() {
        Some(text) => StoreUrl::parse(text).map_err(|error| error.to_string()),
        None => Err("found no text; expected a URL such as \"sqlite:data/truycap.db\"".into()),
    })
}

/// The store with the password of the file that `key` names, which is read once; and whether there is such a file.
fn with_password(
    reader: &mut TableReader<'_>,
    key: &'static str,
    store: Option<StoreUrl>,
    with: impl Fn(&StoreUrl, &str) -> Result<StoreUrl, &'static str>,
) -> (Option<StoreUrl>, bool) {
    let path = reader
        .read(key, "the path of a file, or \"\"", |setting| setting.text().map(|path| (!path.is_empty()).then(|| setting.beside(path))));
    let Some(path) = path.flatten() else { return (store, false) };
    let store = store.and_then(|store| {
        // The store is asked first, because a password that is not used should not be read.
        let stored = with(&store, "").map_err(str::to_owned).and_then(|_| secret(&path));
        let stored = stored.and_then(|password| with(&store, &password).map_err(str::to_owned));
        stored.map_err(|what| reader.mistake(key, what)).ok()
    });
    (store, true)
}

/// The path of the journal. The value is not shown if it can be a URL with a password.
fn journal_path(reader: &mut TableReader<'_>) -> Option<PathBuf> {
    reader.parse("journal.path", |setting| {
        let text = setting.text().unwrap_or_default();
        match text.split_once(':') {
            Some(("sqlite", path)) => Err(format!("found {}; expected the path alone: {}", shown(&setting.value), toml_text(path))),
            _ if StoreUrl::is_redis(text) => Err("found a URL of Redis; expected the path of a file, such as \"data/journal.db\"".into()),
            _ => database(text)
                .ok_or_else(|| format!("found {}; expected the path of a file, such as \"data/journal.db\"", shown(&setting.value))),
        }
    })
}

fn journal(reader: &mut TableReader<'_>, store: Option<&StoreUrl>) -> Option<journal::sqlite::Config> {
    let path = journal_path(reader);
    let max_bytes = reader.size("journal.max_bytes", ByteSize::mib(1)..=ByteSize::gib(64), "from 1MiB to 64GiB, such as \"256MiB\"");
    let journal = journal::sqlite::Config { path: path?, max_bytes: max_bytes? };
    if let Some(StoreUrl::Sqlite(file)) = store
        && collide(file, &journal.path)
    {
        let what = format!(
            "found {:?}, which is also the file of store.url, {file:?}, or one that SQLite keeps beside it; expected another one",
            journal.path
        );
        reader.mistake("journal.path", what);
    }
    Some(journal)
}

fn recorder(reader: &mut TableReader<'_>) -> Option<recorder::Config> {
    let flush = Duration::from_millis(10)..=Duration::from_secs(10);
    let flush_interval = reader.duration("store.flush_interval", flush, "from 10ms to 10s, such as \"250ms\"");
    let retain = Duration::from_secs(60)..=Duration::from_secs(7 * 24 * 60 * 60);
    let retain = reader.duration("journal.retain", retain, "from 1m to 7d, such as \"15m\"");
    Some(recorder::Config { flush_interval: flush_interval?, retain: retain?, apply_sums: recorder::APPLY_SUMS })
}

fn retention(reader: &mut TableReader<'_>) -> Option<Retention> {
    let days = reader.number("retention.days", 2..=1000, 40);
    let weeks = reader.number("retention.weeks", 2..=1000, 10);
    let months = reader.number("retention.months", 2..=1000, 14);
    let years = reader.number("retention.years", 2..=1000, 3);
    Some(Retention { days: days?, weeks: weeks?, months: months?, years: years? })
}

fn log(reader: &mut TableReader<'_>) -> Option<logging::Config> {
    let level = reader.read("log.level", "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"", |setting| match setting.text()? {
        "error" => Some(Level::ERROR),
        "warn" => Some(Level::WARN),
        "info" => Some(Level::INFO),
        "debug" => Some(Level::DEBUG),
        "trace" => Some(Level::TRACE),
        _ => None,
    });
    let format = reader.read("log.format", "\"auto\", \"text\" or \"json\"", |setting| match setting.text()? {
        "auto" => Some(Format::Auto),
        "text" => Some(Format::Text),
        "json" => Some(Format::Json),
        _ => None,
    });
    Some(logging::Config { level: level?, format: format? })
}
