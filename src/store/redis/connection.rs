//! One connection for all requests, made when it is needed and never repaired.
//!
//! Requests share it without waiting for each other's replies. If one of them gets no reply, the connection is dropped:
//! the other requests in progress on it fail too, and the next request makes a new connection.
//!
//! A request is never sent twice: one whose reply is lost may have been executed, and only the offset shows it. The
//! connection manager and the cluster client of the `redis` crate retry, so neither is used.

use std::{fs, time::Duration};

use parking_lot::Mutex;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, Pipeline, RedisError, RedisResult, Value, aio::MultiplexedConnection,
    io::tcp::TcpSettings,
};
use tokio::time::{Instant, timeout};

use super::{errors::RequestError, url::Url};
use crate::domain::backoff::Backoff;

/// How long connecting may take, login included. It equals the limit of a reply, so that every kind of outage looks the
/// same to a caller, and it is long enough for one or two lost packets on the way to another data centre.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a reply may take. The largest apply keeps Redis busy for a tenth of this; a service that stops has three
/// seconds for the last applies.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);

/// The same for a backup or a restore, which copies whole sites in one command.
const PATIENT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long no connection is tried after a failure; the pause doubles with each further failure. The first is shorter than
/// a client waits, and the longest is short enough that a Redis that is back is used without a noticeable delay.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What can be sent: a command or a pipeline.
pub(super) trait Request {
    type Reply;

    fn send(&self, connection: &mut MultiplexedConnection) -> impl Future<Output = RedisResult<Self::Reply>> + Send;
}

impl Request for Cmd {
    type Reply = Value;

    async fn send(&self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        self.query_async(connection).await
    }
}

/// The reply holds one value per command.
impl Request for Pipeline {
    type Reply = Vec<Value>;

    async fn send(&self, connection: &mut MultiplexedConnection) -> RedisResult<Vec<Value>> {
        self.query_async(connection).await
    }
}

/// The connection to one Redis.
pub(super) struct Connection {
    info: ConnectionInfo,
    /// The URL without the login, for messages.
    address: String,
    reply_timeout: Duration,
    state: Mutex<State>,
    /// Held by the request that connects.
    connecting: tokio::sync::Mutex<()>,
}

struct State {
    session: Option<Session>,
    /// How many sessions were made.
    made: u64,
    /// Reset by each reply.
    backoff: Backoff,
    /// Until when no connection is tried, and why.
    pause: Option<(Instant, String)>,
    closed: bool,
}

#[derive(Clone)]
struct Session {
    /// Identifies the session: the first is 1.
    number: u64,
    connection: MultiplexedConnection,
}

impl State {
    fn fail(&mut self, why: String) {
        self.session = None;
        let pause = self.backoff.next_jittered_pause(getrandom::u32().unwrap_or_default());
        self.pause = Some((Instant::now() + pause, why));
    }
}

impl Connection {
    pub(super) fn new(url: &Url) -> Self {
        Self::with_timeout(url, REPLY_TIMEOUT)
    }

    /// A connection that waits longer for replies.
    pub(super) fn patient(url: &Url) -> Self {
        Self::with_timeout(url, PATIENT_TIMEOUT)
    }

    fn with_timeout(url: &Url, reply_timeout: Duration) -> Self {
        let info = url.info().clone().set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let state = State { session: None, made: 0, backoff, pause: None, closed: false };
        Self { info, address: url.to_string(), reply_timeout, state: Mutex::new(state), connecting: tokio::sync::Mutex::default() }
    }

    /// Sends a request, once, and waits for its reply.
    pub(super) async fn run<R: Request>(&self, request: &R) -> Result<R::Reply, RequestError> {
        let mut session = self.session().await?;
        let reply = request.send(&mut session.connection).await.map_err(RequestError::from);
        let mut state = self.state.lock();
        match &reply {
            // Another request can have dropped this session and made a new one meanwhile.
            Err(error) if error.needs_new_connection() => {
                if state.session.as_ref().is_some_and(|current| current.number == session.number) {
                    state.fail(error.message());
                }
            }
            _ => state.backoff.reset(),
        }
        reply
    }

    /// Refuses all later requests. Requests in progress continue until they are answered.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.session = None;
    }

    /// Returns the session, and connects if there is none.
    async fn session(&self) -> Result<Session, RequestError> {
        if let Some(known) = self.known() {
            return known;
        }
        let _connecting = self.connecting.lock().await;
        // Another request can have connected while this one waited.
        if let Some(known) = self.known() {
            return known;
        }
        let made = self.connect().await;
        let mut state = self.state.lock();
        match made {
            Ok(_) if state.closed => Err(closed()),
            Ok(connection) => {
                state.made += 1;
                let session = Session { number: state.made, connection };
                state.session = Some(session.clone());
                state.pause = None;
                Ok(session)
            }
            Err(reason) => {
                let why = format!("cannot connect to {}: {reason}", self.address);
                state.fail(why.clone());
                Err(RequestError::Unsent(why))
            }
        }
    }

    /// The session, or why there is none; `None` if it is time to connect.
    fn known(&self) -> Option<Result<Session, RequestError>> {
        let state = self.state.lock();
        if state.closed {
            return Some(Err(closed()));
        }
        if let Some(session) = &state.session {
            return Some(Ok(session.clone()));
        }
        let (until, why) = state.pause.as_ref()?;
        (Instant::now() < *until).then(|| Err(RequestError::Unsent(format!("waiting before the next attempt: {why}"))))
    }

    /// Connects, and sends `PING`, so that a server that refuses this user is reported before a request is sent. Also names the
    /// connection, so that `CLIENT LIST` shows whose it is. A server that refuses the name can be used.
    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(Some(self.reply_timeout));
        let attempt = async {
            let client = Client::open(self.info.clone()).map_err(|error| error.to_string())?;
            let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| reason(&error))?;
            let (mut naming, ping, mut clone) = (redis::cmd("CLIENT"), redis::cmd("PING"), connection.clone());
            naming.arg("SETNAME").arg(client_name());
            let (_, pong) = tokio::join!(naming.exec_async(&mut clone), ping.exec_async(&mut connection));
            pong.map(|()| connection).map_err(|error| RequestError::from(error).message())
        };
        let late = |_| format!("it did not answer within {} seconds", CONNECT_TIMEOUT.as_secs());
        timeout(CONNECT_TIMEOUT, attempt).await.map_err(late)?
    }
}

/// The name of a connection: `truycap-<host>-<pid>`, without the host if the system does not say it.
fn client_name() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // Redis takes visible ASCII only.
    let host: String = host.trim().chars().filter(char::is_ascii_graphic).collect();
    let host = if host.is_empty() { host } else { host + "-" };
    format!("truycap-{host}{}", std::process::id())
}

/// Why connecting failed, for the operator.
fn reason(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::AuthenticationFailed => "it does not accept the user or the password of store.url".into(),
        _ => match error.to_string() {
            text if text.contains("certificate") => format!("this system does not trust its certificate ({text})"),
            text => text,
        },
    }
}

/// The error of every request after [`Connection::close`].
fn closed() -> RequestError {
    RequestError::Unsent("it is closed".into())
}
