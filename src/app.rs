//! The service: how its parts are put together, and in which order they start and stop.
//!
//! Start: listeners, journal, store, recorder, HTTP. So a port that is taken or a journal that is held is reported before
//! anything is written.
//!
//! SIGHUP, or a request to reload: the configuration is loaded again, and what can change in a running service takes
//! effect; see `reload`.
//!
//! Stop, on SIGTERM or SIGINT: `/readyz` fails, and the service continues for `listen.drain`, or until another signal; then no
//! new connections are accepted, and requests in progress are finished; the recorder writes and applies what it holds; store
//! and journal are closed. The deadlines of all steps after the drain are together less than the ten seconds that container
//! engines wait. What the store did not get in time is in the journal, and is applied at the next start.

use std::{
    fmt::Display,
    future::pending,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{self, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use chrono::Utc;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{error, info, warn};

use crate::{
    audience::{Audience, BotsError},
    config::{Config, Mistakes, StoreUrl, collide},
    http::{Acceptor, Admin, AdminConfig, LOCAL_PEER, Limits, Public, ReloadCall, log_left_out, sweep_log},
    journal::{
        Backlog, Journal, JournalError,
        sqlite::{OpenError, SqliteJournal},
    },
    recorder::{self, Drained, Failure, Recorder},
    report::Reports,
    store::{
        Store,
        redis::{self, RedisStore},
        sqlite::{self, SqliteStore},
    },
    telemetry::log_throttle::Sweep,
    titles::{TitleTask, Titles},
};

mod bind;
pub mod drain;
mod listener;
mod reload;
mod service_manager;

use bind::SocketFile;
pub(crate) use bind::is_served;
use listener::Listener;
use reload::{Loader, Reloader, WAITING_RELOADS};

/// The maximum number of open connections of the admin listener.
const ADMIN_CONNECTIONS: usize = 4096;

/// How often the store is asked for advice, a second apart, until it answers.
const ADVICE_ATTEMPTS: u32 = 300;

/// How long requests in progress can take after the signal to stop, or after the drain.
const FINISH_REQUESTS: Duration = Duration::from_secs(2);

/// How long the recorder can take to write and apply what it holds.
const FINISH_RECORDING: Duration = Duration::from_secs(3);

/// How long the admin listener and the store, at the same time, and then the journal can take to close: a client can be slow, and
/// another process can lock the file.
const FINISH_CLOSING: Duration = Duration::from_secs(1);

/// The most that a stop takes after the drain, until [`run`] returns.
pub(crate) const STOP: Duration =
    FINISH_REQUESTS.saturating_add(FINISH_RECORDING).saturating_add(FINISH_CLOSING).saturating_add(FINISH_CLOSING);

/// Why the service ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not start.
    #[error("cannot start: {0}")]
    Start(#[from] StartError),
    /// The recorder failed.
    #[error("{0}")]
    Recorder(#[from] Failure),
    /// The task of a listener ended.
    #[error("nothing accepts connections at {key} any more: its task ended because of a mistake in truycap: {reason}")]
    Listener {
        /// The key of its address.
        key: &'static str,
        /// How the task ended.
        reason: String,
    },
    /// The Unix socket of the public listener cannot be found any more.
    #[error("{} was deleted or replaced, so nothing can connect; a restart makes it again", .0.display())]
    SocketGone(PathBuf),
}

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}; to listen elsewhere, set {key} or TRUYCAP_{}", .key.replace('.', "__").to_uppercase())]
    Listen {
        /// The key of the address.
        key: &'static str,
        /// The configured address.
        address: String,
        /// The system's error.
        error: io::Error,
    },
    /// The journal cannot be opened.
    #[error("{0}")]
    OpenJournal(#[from] OpenError),
    /// The journal cannot be read.
    #[error("{0}")]
    ReadJournal(#[from] JournalError),
    /// Journal and store would be one file.
    #[error("journal.path and store.url name the same file, {}, or one that SQLite keeps beside it: choose another one", .0.display())]
    SameFile(PathBuf),
    /// The embedded store cannot be opened.
    #[error("{0}")]
    OpenStore(#[from] sqlite::OpenError),
    /// The rules about bots cannot be used.
    #[error("{0}")]
    Bots(#[from] BotsError),
    /// No day can be told.
    #[error("the clock of the machine is before 1970: set it")]
    Clock,
    /// The process cannot receive signals.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
}

/// Opens the configured store. A Redis need not be reachable yet.
///
/// # Errors
/// If the embedded store cannot be opened.
pub fn open_store(config: &Config) -> Result<Arc<dyn Store>, sqlite::OpenError> {
    Ok(match &config.store {
        StoreUrl::Sqlite(path) => Arc::new(SqliteStore::open(path, config.retention, Utc::now)?),
        StoreUrl::Redis(url) => {
            let place = redis::RedisStoreConfig { url: url.clone(), prefix: config.prefix.clone() };
            Arc::new(RedisStore::open(place, config.retention, Utc::now))
        }
    })
}

fn open_journal_and_store(config: &Config) -> Result<(Arc<SqliteJournal>, Arc<dyn Store>), StartError> {
    let journal = Arc::new(SqliteJournal::open(config.journal.clone())?);
    // The configuration was compared before there was a file; some names are the same only now.
    if let StoreUrl::Sqlite(path) = &config.store
        && collide(path, &config.journal.path)
    {
        return Err(StartError::SameFile(path.clone()));
    }
    Ok((journal, open_store(config)?))
}

/// Runs the service until SIGTERM or SIGINT. `load` loads the configuration again.
///
/// # Errors
/// If it cannot start, or its recorder fails.
pub async fn run(config: Config, load: impl Fn() -> Result<Config, Mistakes> + Send + Sync + 'static) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
    let hang_up = signal(SignalKind::hangup()).map_err(StartError::Signals)?;
    let (reloads, calls) = mpsc::channel(WAITING_RELOADS);
    let service = Service::start(config, reloads).await?;
    let stop_signal = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    service.run_until(stop_signal, Loader::new(Arc::new(load), hang_up, calls)).await
}

/// What becomes of the views that the store lacks when the service stops.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remaining {
    /// They are in the journal, and are applied at the next start.
    Journaled,
    /// They are lost with the journal's file.
    Lost,
}

impl Remaining {
    /// The most sites that the log names.
    const NAMED: usize = 10;

    fn report(self, drained: &Drained) {
        let Backlog { entries, views, sites, .. } = &drained.waiting;
        if sites.is_empty() {
            return;
        }
        let mut names: Vec<_> = sites.iter().take(Self::NAMED).map(|site| site.site.as_str()).collect();
        if sites.len() > Self::NAMED {
            names.push("…");
        }
        let (sites, names) = (sites.len(), names.join(", "));
        match self {
            Self::Journaled => warn!(
                event = "views_wait_at_stop",
                sites,
                names,
                entries,
                views,
                "the store lacks the last views of these sites; they are in the journal, and will be applied at the next start. \
                 Before you delete the journal, run truycap journal drain"
            ),
            Self::Lost => error!(
                event = "views_lost_at_stop",
                sites, names, views, "the last views of these sites are lost: the store did not get them in time"
            ),
        }
    }
}

/// A running service. It owns all of its tasks, and joins them when it stops.
struct Service {
    journal: Arc<SqliteJournal>,
    store: Arc<dyn Store>,
    recorder: Recorder,
    titles: TitleTask,
    public: Listener,
    public_pages: Arc<Public>,
    admin: Listener,
    admin_pages: Arc<Admin>,
    /// The public listener's, if it is a Unix socket.
    socket_file: Option<SocketFile>,
    /// How long connections are still accepted after the signal to stop.
    drain: Duration,
    /// Tasks without results: they log advice, and maintain what is known of visitors and clients.
    background: JoinSet<()>,
    reloader: Reloader,
}

impl Service {
    async fn start(config: Config, reloads: mpsc::Sender<ReloadCall>) -> Result<Self, StartError> {
        if SystemTime::now() < UNIX_EPOCH {
            return Err(StartError::Clock);
        }
        let listen = config.listen.clone();
        let failed = |key, address: &dyn Display| {
            let address = address.to_string();
            move |error| StartError::Listen { key, address, error }
        };
        let (public, socket_file) = bind::public(&listen.public).map_err(failed("listen.public", &listen.public))?;
        let admin = bind::tcp(listen.admin).map_err(failed("listen.admin", &listen.admin))?;
        let mut clients = config.clients.clone();
        if public.address().is_none() {
            // Only a local process can connect to a Unix socket: it is the proxy.
            clients.resolver.trusted_proxies.push(LOCAL_PEER.into());
        }
        let shared_visitors = matches!(config.store, StoreUrl::Redis(_));
        let audience = Arc::new(Audience::new(clients, &config.bots, shared_visitors, Instant::now)?);
        let (journal, store) = open_journal_and_store(&config)?;
        let demo = config.sites.first().filter(|_| config.demo).map(|site| site.id.clone());
        let (handle, recorder) = recorder::spawn(
            config.recorder.clone(),
            config.sites.clone(),
            Arc::clone(&journal) as Arc<dyn Journal>,
            Arc::clone(&store),
            Utc::now,
        )
        .await?;
        handle.metrics().journal.max_bytes.set(i64::try_from(config.journal.max_bytes).unwrap_or(i64::MAX));
        log_start(&config, &public, &admin);
        let values: Vec<_> = config.differences().map(ToString::to_string).collect();
        if !values.is_empty() {
            info!(event = "config_values", values = values.join("; "), "configured differently from the built-in configuration");
        }
        let journal_path = path::absolute(&config.journal.path).unwrap_or_else(|_| config.journal.path.clone());
        let admin_config = AdminConfig { journal: journal_path, per_site_metrics: config.per_site_metrics };
        let titles = Titles::new(&config.sites, handle.metrics().titles.clone());
        let reports = Arc::new(Reports::new(handle.clone(), config.retention));
        let reloader = Reloader::new(config, handle.metrics(), Arc::clone(&audience), Arc::clone(&titles));
        let limits = Limits { idle: listen.idle_timeout, ..Limits::default() };
        let pages = Public::new(handle.clone(), demo.as_ref(), &limits, Arc::clone(&audience), Arc::clone(&reports), Arc::clone(&titles));
        let title_task = titles.spawn();
        let public = Listener::spawn(public, Arc::clone(&pages), limits.clone(), reloader.max_connections(), FINISH_REQUESTS);
        let watched = handle.clone();
        let admin_pages = Admin::new(handle, Arc::clone(&audience), reports, titles, admin_config, reloads);
        let admin_connections = watch::Sender::new(ADMIN_CONNECTIONS).subscribe();
        let admin = Listener::spawn(admin.into(), Arc::clone(&admin_pages), limits, admin_connections, FINISH_CLOSING);
        let mut background = JoinSet::new();
        background.spawn(service_manager::feed_watchdog(watched));
        background.spawn(log_advice(Arc::clone(&store)));
        background.spawn(log_left_out(Arc::clone(&pages)));
        let maintained = Arc::clone(&store);
        let maintainer = Arc::clone(&audience);
        background.spawn(async move { maintainer.maintain(maintained, Utc::now).await });
        service_manager::ready();
        let drain = listen.drain;
        Ok(Self {
            journal,
            store,
            recorder,
            titles: title_task,
            public,
            public_pages: pages,
            admin,
            admin_pages,
            socket_file,
            drain,
            background,
            reloader,
        })
    }

    async fn run_until(mut self, mut stop_signal: impl AsyncFnMut(), mut loader: Loader) -> Result<(), RunError> {
        let failure = loop {
            tokio::select! {
                () = stop_signal() => break self.drain(stop_signal()).await,
                error = self.failed() => break Some(error),
                (call, loaded) = loader.next() => {
                    let result = self.reloader.apply(loaded, &mut self.recorder);
                    if let Some(call) = call {
                        // The client may have left.
                        let _ = call.send(result);
                    }
                }
            }
        };
        // Requests to reload that wait are answered now.
        drop(loader);
        match failure {
            None => {
                self.stop(Remaining::Journaled).await;
                Ok(())
            }
            Some(RunError::Recorder(Failure::Gone(reason))) => {
                log_gone(&reason);
                self.stop(Remaining::Lost).await;
                Err(Failure::Gone(reason).into())
            }
            Some(error @ (RunError::Listener { .. } | RunError::SocketGone(_))) => {
                self.stop(Remaining::Journaled).await;
                Err(error)
            }
            // What is still held must not be written: the next start reads the journal again.
            Some(error) => Err(error),
        }
    }

    /// Returns when the service cannot go on.
    async fn failed(&mut self) -> RunError {
        let lost = async {
            match &self.socket_file {
                Some(file) => file.lost().await,
                None => pending().await,
            }
        };
        let (key, ended) = tokio::select! {
            path = lost => return RunError::SocketGone(path),
            failure = self.recorder.failed() => return failure.into(),
            ended = self.public.ended() => ("listen.public", ended),
            ended = self.admin.ended() => ("listen.admin", ended),
        };
        RunError::Listener { key, reason: ended.map_or_else(|error| error.to_string(), |_| "it stopped".into()) }
    }

    /// Says that it stops, and goes on for `listen.drain` or until `end`. Returns a failure meanwhile.
    async fn drain(&mut self, end: impl Future<Output = ()>) -> Option<RunError> {
        self.begin_stop();
        if self.drain.is_zero() {
            return None;
        }
        info!(event = "draining", drain = ?self.drain, "stopping: connections are still accepted");
        tokio::select! {
            () = sleep(self.drain) => None,
            () = end => None,
            error = self.failed() => Some(error),
        }
    }

    fn begin_stop(&self) {
        self.admin_pages.begin_stop();
        self.public.drain();
        self.admin.drain();
        service_manager::stopping();
    }

    /// Stops. `remaining` is what becomes of the views that the store does not get in time.
    async fn stop(mut self, remaining: Remaining) {
        self.begin_stop();
        info!(event = "stopping", "stopping: finishing requests");
        let late = self.public.stop().await;
        drop(self.socket_file.take());
        if late > 0 {
            warn!(event = "connections_closed_at_stop", connections = late, "some connections did not finish in time and were closed");
        }
        self.titles.stop().await;
        let drained = self.recorder.shutdown(FINISH_RECORDING).await;
        remaining.report(&drained);
        self.background.shutdown().await;
        let (_late, closed) = tokio::join!(self.admin.stop(), timeout(FINISH_CLOSING, self.store.close()));
        sweep_log(&self.public_pages, Sweep::All);
        if closed.is_err() {
            warn!(event = "store_not_closed", "the store did not close in time; nothing is lost");
        }
        if remaining == Remaining::Lost {
            return;
        }
        let journal = self.journal;
        match timeout(FINISH_CLOSING, tokio::task::spawn_blocking(move || journal.close())).await {
            Ok(Ok(Ok(()))) => info!(event = "stopped", "stopped"),
            Ok(Ok(Err(error))) => warn!(event = "journal_not_closed", %error, "the journal was not closed cleanly; nothing is lost"),
            Ok(Err(_)) | Err(_) => warn!(event = "journal_not_closed", "the journal was not closed cleanly; nothing is lost"),
        }
    }
}

fn log_gone(reason: &str) {
    error!(event = "journal_gone", reason, "the journal's file is gone: what it held is applied to the store, and truycap stops");
}

/// Logs where the service is reached.
fn log_start(config: &Config, public: &Acceptor, admin: &TcpListener) {
    let (version, sites, store) = (env!("CARGO_PKG_VERSION"), config.sites.len(), &config.store);
    let admin = admin.local_addr().map_or_else(|error| error.to_string(), |address| address.to_string());
    let Some(mut address) = public.address() else {
        let public = config.listen.public.to_string();
        return info!(event = "serving", version, public, admin, %store, sites, "serving on a Unix socket");
    };
    let public = address.to_string();
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    info!(event = "serving", version, public, admin, %store, sites, "serving http://{address}/");
}

/// Logs the store's advice when it first answers. Gives up on a store that stays unreachable.
async fn log_advice(store: Arc<dyn Store>) {
    for _ in 0..ADVICE_ATTEMPTS {
        if let Ok(advice) = store.advice().await {
            for sentence in advice {
                warn!(event = "store_advice", "{sentence}");
            }
            return;
        }
        sleep(Duration::from_secs(1)).await;
    }
}
