//! The service: how its parts are put together, and in which order they stop.
//!
//! Start: listeners, journal, store, recorder, HTTP. So a port that is taken or a journal that is held is told before
//! anything is written.
//!
//! SIGHUP: the configuration is read again, and what can change meanwhile does; see `reload`.
//!
//! Stop, on SIGTERM or SIGINT: no new connections, requests under way are finished; the recorder writes and applies what
//! it holds; store and journal are closed. The deadlines of all steps together are less than the ten seconds that
//! container engines wait. What the store could not be given in time is in the journal, and applied at the next start.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::Utc;
use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};
use tracing::{info, warn};

use crate::{
    audience::{Audience, BotsError},
    config::{Config, Mistakes, StoreUrl},
    http::{Admin, Limits, Public, Responder, serve},
    journal::{
        Journal, JournalError,
        sqlite::{OpenError, SqliteJournal},
    },
    recorder::{self, Handle, Recorder},
    store::{
        Store,
        redis::{self, RedisStore},
        sqlite::{self, SqliteStore},
    },
};

mod reload;

use reload::{Demo, Reload};

/// The most open connections of the admin listener.
const ADMIN_CONNECTIONS: usize = 4096;

/// How many connections the system keeps for a listener that has not accepted them yet; it may allow fewer. Beyond them a
/// client hears nothing, and tries again after a second. The usual 128 are full within the time that a busy processor takes
/// to come back to us.
const BACKLOG: u32 = 4096;

/// How long requests under way may take after the signal to stop.
const FINISH_REQUESTS: Duration = Duration::from_secs(3);

/// How often the store's server is asked what could be better about it, a second apart, until it answers.
const ADVICE_TRIES: u32 = 300;

/// How long the recorder may take to write and apply what it holds.
const FINISH_RECORDING: Duration = Duration::from_secs(3);

/// How long the admin listener and the store may take to close: a client may dawdle, and somebody else lock the file.
const FINISH_CLOSING: Duration = Duration::from_secs(1);

/// Why the service did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address as it is configured.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The journal cannot be opened.
    #[error("{0}")]
    Journal(#[from] OpenError),
    /// The embedded store cannot be opened.
    #[error("{0}")]
    Store(#[from] sqlite::OpenError),
    /// The journal cannot be read.
    #[error("{0}")]
    JournalUnread(#[from] JournalError),
    /// The recorder could not go on.
    #[error("{0}")]
    Recorder(#[from] recorder::Failure),
    /// The rules about bots cannot be used.
    #[error("{0}")]
    Bots(#[from] BotsError),
    /// The system does not let the process wait for signals.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
}

/// Opens the configured store. A Redis need not be there yet.
///
/// # Errors
/// Where it cannot be used.
pub fn open_store(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    Ok(match &config.store {
        StoreUrl::Sqlite(path) => Arc::new(SqliteStore::open(sqlite::Config { path: path.clone() }, config.retention, Utc::now)?),
        StoreUrl::Redis(url) => {
            let place = redis::Config { url: url.clone(), prefix: config.prefix.clone(), wait: config.wait };
            Arc::new(RedisStore::open(place, config.retention, Utc::now))
        }
    })
}

/// Runs the service until it is told to stop. `load` reads the configuration again when it is told to.
///
/// # Errors
/// Where it cannot start, or its journal fails.
pub async fn run(config: Config, load: impl Fn() -> Result<Config, Mistakes>) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Signals)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(Failure::Signals)?;
    let service = Service::start(config).await?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    service.run_until(stop, async || hang_up.recv().await.map(|()| load())).await
}

/// A running service.
struct Service {
    recorder: Recorder,
    public: Listener,
    admin: Listener,
    journal: Arc<SqliteJournal>,
    store: Arc<dyn Store>,
    /// Ends by itself, or with the service.
    advice: JoinHandle<()>,
    /// Looks after what is known of readers and clients; ends with the service.
    tending: JoinHandle<()>,
    reload: Reload,
}

/// A listener's task, and how it is told to stop.
struct Listener {
    stop: watch::Sender<bool>,
    task: JoinHandle<usize>,
}

impl Service {
    async fn start(mut config: Config) -> Result<Self, Failure> {
        let public = bind(config.listen.public)?;
        let admin = bind(config.listen.admin)?;
        let shared_visitors = matches!(config.store, StoreUrl::Redis(_));
        let audience = Arc::new(Audience::new(config.clients.clone(), &config.bots, shared_visitors, Instant::now)?);
        let journal = Arc::new(SqliteJournal::open(config.journal.clone())?);
        let store = open_store(&config)?;
        let demo = config.sites.first().filter(|_| config.demo).map(|site| Demo::new(site.id.clone(), &public));
        demo.iter().for_each(|demo| demo.welcome(&mut config.sites));
        let count = config.sites.len();
        let (handle, recorder) = recorder::spawn(
            config.recorder.clone(),
            config.sites.clone(),
            Arc::clone(&journal) as Arc<dyn Journal>,
            Arc::clone(&store),
            Utc::now,
        )
        .await?;
        handle.metrics().journal.max_bytes.set(i64::try_from(config.journal.max_bytes).unwrap_or(i64::MAX));
        let address = |listener: &TcpListener| listener.local_addr().map_or_else(|error| error.to_string(), |address| address.to_string());
        info!(version = env!("CARGO_PKG_VERSION"), public = address(&public), admin = address(&admin), store = %config.store, sites = count, "counting");
        let reload = Reload::new(config, demo, handle.metrics().http.max_connections.with_label_values(&["public"]));
        let (public, admin) = listen(handle, public, admin, &reload, Arc::clone(&audience));
        let advice = tokio::spawn(log_advice(Arc::clone(&store)));
        let maintained = Arc::clone(&store);
        let tending = tokio::spawn(async move { audience.maintain(maintained, Utc::now).await });
        Ok(Self { recorder, public, admin, journal, store, advice, tending, reload })
    }

    async fn run_until(
        mut self,
        stop: impl Future<Output = ()>,
        mut again: impl AsyncFnMut() -> Option<Result<Config, Mistakes>>,
    ) -> Result<(), Failure> {
        let mut stop = pin!(stop);
        let failure = loop {
            tokio::select! {
                () = &mut stop => break None,
                failure = self.recorder.failed() => break Some(failure),
                Some(loaded) = again() => self.reload.take(loaded, &mut self.recorder),
            }
        };
        if let Some(failure) = failure {
            // Nothing that is still held may be written on: the next start reads the journal afresh.
            return Err(failure.into());
        }
        info!("stopping: finishing requests");
        let late = self.public.stop().await;
        if late > 0 {
            warn!(connections = late, "some connections did not finish in time and were closed");
        }
        let drained = self.recorder.shutdown(FINISH_RECORDING).await;
        for site in &drained.waiting {
            warn!(%site, "the store has not got this site's last views; they are in the journal, and applied at the next start");
        }
        self.advice.abort();
        self.tending.abort();
        let closing = async { tokio::join!(self.admin.stop(), self.store.close(), self.advice, self.tending) };
        if timeout(FINISH_CLOSING, closing).await.is_err() {
            warn!("the store or the admin listener was not closed in time; nothing is lost");
        }
        let journal = self.journal;
        let closed = timeout(FINISH_CLOSING, tokio::task::spawn_blocking(move || journal.close())).await;
        match closed {
            Ok(Ok(Ok(()))) => info!("stopped"),
            Ok(Ok(Err(error))) => warn!(%error, "the journal was not closed in order; nothing is lost"),
            Ok(Err(_)) | Err(_) => warn!("the journal was not closed in order; nothing is lost"),
        }
        Ok(())
    }
}

impl Listener {
    fn spawn<R: Responder>(listener: TcpListener, responder: Arc<R>, max_connections: watch::Receiver<usize>) -> Self {
        let (stop, mut stopping) = watch::channel(false);
        let shutdown = async move {
            // A sender that is gone says stop as well.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        let task = tokio::spawn(serve(listener, responder, Limits::default(), max_connections, shutdown, FINISH_REQUESTS));
        Self { stop, task }
    }

    /// Stops, and answers how many connections did not finish in time.
    async fn stop(self) -> usize {
        self.stop.send_replace(true);
        self.task.await.unwrap_or(0)
    }
}

/// Logs what could be better about the store's server, once it answers. One that is away for long is not waited for.
async fn log_advice(store: Arc<dyn Store>) {
    for _ in 0..ADVICE_TRIES {
        if let Ok(advice) = store.advice().await {
            for sentence in advice {
                warn!("{sentence}");
            }
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // After a restart, connections of the process before may still be on their way out.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| Failure::Listen { address, error })
}

fn listen(handle: Handle, public: TcpListener, admin: TcpListener, reload: &Reload, audience: Arc<Audience>) -> (Listener, Listener) {
    let pages = Public::new(handle.clone(), reload.demo(), &Limits::default(), audience);
    let admin_connections = watch::Sender::new(ADMIN_CONNECTIONS).subscribe();
    (Listener::spawn(public, pages, reload.max_connections()), Listener::spawn(admin, Admin::new(handle), admin_connections))
}
