//! One connection to a server for all requests, made when it is needed and never repaired.
//!
//! Requests share it without waiting for each other's replies. If one of them gets no reply, the connection is dropped, and
//! the next request makes a new one.
//!
//! A request is never sent twice: one whose reply is lost may have been executed, and only the offset shows it. The
//! connection manager and the cluster client of the `redis` crate retry, so neither is used.

use std::{fmt, fs, time::Duration};

use parking_lot::Mutex;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    io::tcp::TcpSettings,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{
    errors::RequestError,
    url::{host_and_port, url_of},
};
use crate::domain::backoff::Backoff;

/// How long connecting and a reply may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// Login included.
    pub(super) connect: Duration,
    pub(super) reply: Duration,
}

/// For counters. Both are equal, so that every kind of outage looks the same to a caller. Two seconds are long enough for one or
/// two lost packets on the way to another data centre. The largest apply keeps Redis busy for a tenth of that; a service that
/// stops has three seconds for the last applies.
pub(super) const USUAL: Timeouts = Timeouts { connect: Duration::from_secs(2), reply: Duration::from_secs(2) };

/// For a backup or a restore, which copies whole sites in one command.
pub(super) const PATIENT: Timeouts = Timeouts { connect: Duration::from_secs(2), reply: Duration::from_secs(60) };

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
        self.query_async(&mut WithExecErrors(connection)).await
    }
}

/// Returns an error that a server sends in reply to `EXEC`, as Valkey 9 does while a slot is moving. The `redis` crate takes it for
/// a broken reply, after which the connection would be dropped.
struct WithExecErrors<'a>(&'a mut MultiplexedConnection);

impl ConnectionLike for WithExecErrors<'_> {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        self.0.req_packed_command(cmd)
    }

    fn req_packed_commands<'a>(&'a mut self, pipeline: &'a Pipeline, offset: usize, count: usize) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let replies = self.0.req_packed_commands(pipeline, offset, count).await?;
            match &replies[..] {
                [Value::ServerError(error)] if pipeline.is_transaction() => Err(error.clone().into()),
                _ => Ok(replies),
            }
        })
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}

/// The connection to one Redis.
pub(super) struct Connection {
    info: ConnectionInfo,
    timeouts: Timeouts,
    /// Whether a server that is not a primary is refused.
    primary: bool,
    state: Mutex<State>,
    /// Held by the request that connects.
    connecting: tokio::sync::Mutex<()>,
    /// How often all requests in progress were ended.
    interrupts: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    session: Option<Session>,
    /// How many sessions were made.
    made: u64,
    /// Reset by each reply.
    backoff: Backoff,
    /// Until when no connection is tried, and why. `Some` since the last failure.
    pause: Option<(Instant, String)>,
    /// Why all later requests are refused.
    closed: Option<&'static str>,
}

#[derive(Clone)]
struct Session {
    /// Identifies the session: the first is 1.
    number: u64,
    connection: MultiplexedConnection,
    interrupts: watch::Receiver<u64>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.number)
    }
}

impl State {
    fn fail(&mut self, why: String) {
        self.session = None;
        let pause = self.backoff.next_jittered_pause(getrandom::u32().unwrap_or_default());
        self.pause = Some((Instant::now() + pause, why));
    }
}

impl Connection {
    /// A connection that is made by the first request. `primary` is whether it refuses a server that is not a primary.
    pub(super) fn new(info: &ConnectionInfo, timeouts: Timeouts, primary: bool) -> Self {
        let info = info.clone().set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let state = Mutex::new(State { session: None, made: 0, backoff, pause: None, closed: None });
        Self { info, timeouts, primary, state, connecting: tokio::sync::Mutex::default(), interrupts: watch::Sender::default() }
    }

    /// Its address, as `host:port` or the path of a socket, for messages.
    pub(super) fn address(&self) -> String {
        host_and_port(self.info.addr())
    }

    /// Whether there is a connection, and its last reply has come.
    pub(super) fn is_open(&self) -> bool {
        self.state.lock().session.is_some()
    }

    /// How many sessions were made. While this is the same, one process answers.
    pub(super) fn sessions(&self) -> u64 {
        self.state.lock().made
    }

    /// Sends a request, once, and waits for its reply.
    pub(super) async fn run<R: Request>(&self, request: &R) -> Result<R::Reply, RequestError> {
        let mut session = self.session().await?;
        let reply = tokio::select! {
            biased;
            reply = request.send(&mut session.connection) => reply.map_err(RequestError::from),
            _ = session.interrupts.changed() => Err(RequestError::Lost(NO_PRIMARY.into())),
        };
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

    /// Drops the connection, and ends the requests in progress as if their replies were lost, because the server may never answer.
    pub(super) fn interrupt(&self) {
        let mut state = self.state.lock();
        state.session = None;
        // Before another request can store a session that was begun earlier.
        self.interrupts.send_modify(|count| *count += 1);
    }

    /// The same for good: later requests, of those who still have this connection, are refused.
    pub(super) fn retire(&self) {
        self.state.lock().closed = Some(NO_PRIMARY);
        self.interrupt();
    }

    /// Refuses all later requests. Requests in progress continue until they are answered.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = Some("it is closed");
        state.session = None;
    }

    /// Returns the session, and connects if there is none.
    async fn session(&self) -> Result<Session, RequestError> {
        if let Some(known) = self.known() {
            return known;
        }
        let mut interrupts = self.interrupts.subscribe();
        tokio::select! {
            biased;
            session = self.new_session() => session,
            _ = interrupts.changed() => Err(RequestError::Unsent(NO_PRIMARY.into())),
        }
    }

    /// Connects. Only one request does that to a server that did not answer before, because the others would wait in vain.
    async fn new_session(&self) -> Result<Session, RequestError> {
        let _connecting = match self.connecting.try_lock() {
            Ok(connecting) => connecting,
            Err(_) => match self.last_failure() {
                Some(why) => return Err(waiting(&why)),
                None => self.connecting.lock().await,
            },
        };
        // Another request can have connected while this one waited.
        if let Some(known) = self.known() {
            return known;
        }
        let interrupts = self.interrupts.subscribe();
        let made = self.connect().await;
        let mut state = self.state.lock();
        match (made, state.closed) {
            (_, Some(why)) => Err(RequestError::Unsent(why.into())),
            (Ok(_), None) if interrupts.has_changed().unwrap_or(true) => Err(RequestError::Unsent(NO_PRIMARY.into())),
            (Ok(connection), None) => {
                state.made += 1;
                let session = Session { number: state.made, connection, interrupts };
                state.session = Some(session.clone());
                state.pause = None;
                Ok(session)
            }
            (Err(reason), None) => {
                let why = format!("cannot connect to {}: {reason}", url_of(&self.info));
                state.fail(why.clone());
                Err(RequestError::Unsent(why))
            }
        }
    }

    fn last_failure(&self) -> Option<String> {
        self.state.lock().pause.as_ref().map(|(_, why)| why.clone())
    }

    /// The session, or why there is none; `None` if it is time to connect.
    fn known(&self) -> Option<Result<Session, RequestError>> {
        let state = self.state.lock();
        if let Some(why) = state.closed {
            return Some(Err(RequestError::Unsent(why.into())));
        }
        if let Some(session) = &state.session {
            return Some(Ok(session.clone()));
        }
        let (until, why) = state.pause.as_ref()?;
        (Instant::now() < *until).then(|| Err(waiting(why)))
    }

    /// Connects, and sends `PING` or `ROLE`, so that a server that refuses this user or is not the primary is reported before a
    /// request is sent. Also names the connection, so that `CLIENT LIST` shows whose it is. A server that refuses the name can be
    /// used.
    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(Some(self.timeouts.reply));
        let attempt = async {
            let client = Client::open(self.info.clone()).map_err(|error| error.to_string())?;
            let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| reason(&error))?;
            let mut clone = connection.clone();
            let (mut naming, question) = (redis::cmd("CLIENT"), redis::cmd(if self.primary { "ROLE" } else { "PING" }));
            naming.arg("SETNAME").arg(client_name());
            let (_, answer) = tokio::join!(naming.exec_async(&mut clone), question.query_async::<Value>(&mut connection));
            match answer.map_err(|error| RequestError::from(error).message())? {
                Value::Array(role) if role.first() != Some(&Value::BulkString(b"master".into())) => Err("it is not the primary".into()),
                _ => Ok(connection),
            }
        };
        let late = |_| format!("it did not answer within {:?}", self.timeouts.connect);
        timeout(self.timeouts.connect, attempt).await.map_err(late)?
    }
}

/// Why the requests to a server end before their time-out.
const NO_PRIMARY: &str = "it does not answer, or is no longer the primary";

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

/// The error of a request that does not wait for the next attempt to connect.
fn waiting(why: &str) -> RequestError {
    RequestError::Unsent(format!("waiting before the next attempt: {why}"))
}
