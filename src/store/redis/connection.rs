//! One connection for all requests, made when it is needed and never repaired.
//!
//! Requests share it without waiting for each other's answers. Where one of them gets no answer, the connection is
//! dropped: what is still under way on it ends without an answer too, and the next request makes another one.
//!
//! Nothing is ever sent twice from here: a request whose answer is lost may have been carried out, and only the offset
//! tells. `redis` has retries of its own in its connection manager and its cluster client, and neither is used.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, Pipeline, RedisError, RedisResult, Value, aio::MultiplexedConnection,
    io::tcp::TcpSettings,
};
use tokio::time::{Instant, timeout};

use super::{errors::Failure, url::Url};

/// How long connecting may take, login included. Near enough to the reply's limit that an outage looks the same to a
/// caller however it came about, and long enough for a lost packet or two on the way to another data centre.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an answer may take. The largest apply keeps Redis busy for a tenth of this; a service that stops has three
/// seconds for the last of them.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);

/// How long nothing is tried after a failure; doubled after each further one. Shorter than a reader's patience at first,
/// and never so long that a Redis that is back would wait noticeably.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Something that can be sent.
pub(super) trait Request {
    type Answer;

    fn send(&self, connection: &mut MultiplexedConnection) -> impl Future<Output = RedisResult<Self::Answer>> + Send;
}

impl Request for Cmd {
    type Answer = Value;

    async fn send(&self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        self.query_async(connection).await
    }
}

/// An answer for each command.
impl Request for Pipeline {
    type Answer = Vec<Value>;

    async fn send(&self, connection: &mut MultiplexedConnection) -> RedisResult<Vec<Value>> {
        self.query_async(connection).await
    }
}

/// The connection to one Redis.
pub(super) struct Connection {
    info: ConnectionInfo,
    /// The place, without the password.
    place: String,
    state: Mutex<State>,
    /// Held by the one that connects.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    link: Option<Link>,
    /// How many connections were made.
    made: u64,
    /// Failures since the last answer.
    failures: u32,
    /// Until when nothing is tried, and why.
    pause: Option<(Instant, String)>,
    closed: bool,
}

#[derive(Clone)]
struct Link {
    /// Which connection it is.
    number: u64,
    connection: MultiplexedConnection,
}

impl State {
    fn fail(&mut self, why: String) {
        self.link = None;
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(8)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.pause = Some((Instant::now() + jittered(pause), why));
    }
}

/// Half of the pause and a random part of the other half, so that instances do not come back all at once.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or_default();
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

impl Connection {
    pub(super) fn new(url: &Url) -> Self {
        let info = url.info().clone().set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Self { info, place: url.to_string(), state: Mutex::default(), connecting: tokio::sync::Mutex::default() }
    }

    /// Sends a request, once, and waits for its answer.
    pub(super) async fn run<R: Request>(&self, request: &R) -> Result<R::Answer, Failure> {
        let mut link = self.link().await?;
        let answer = request.send(&mut link.connection).await.map_err(Failure::of);
        let mut state = self.lock();
        match &answer {
            // Another request may have dropped the connection already, and a new one may have been made.
            Err(failure) if failure.needs_another_connection() => {
                if state.link.as_ref().is_some_and(|current| current.number == link.number) {
                    state.fail(failure.sentence());
                }
            }
            _ => state.failures = 0,
        }
        answer
    }

    /// Refuses all that comes from now on. What is under way goes on until it is answered.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.link = None;
    }

    /// The connection, which is made where there is none.
    async fn link(&self) -> Result<Link, Failure> {
        if let Some(known) = self.known() {
            return known;
        }
        let _only_one = self.connecting.lock().await;
        // Whoever connected meanwhile did so for all that waited.
        if let Some(known) = self.known() {
            return known;
        }
        let made = self.connect().await;
        let mut state = self.lock();
        match made {
            Ok(_) if state.closed => Err(closed()),
            Ok(connection) => {
                state.made += 1;
                let link = Link { number: state.made, connection };
                state.link = Some(link.clone());
                state.pause = None;
                Ok(link)
            }
            Err(reason) => {
                let why = format!("cannot connect to {}: {reason}", self.place);
                state.fail(why.clone());
                Err(Failure::Unsent(why))
            }
        }
    }

    /// What can be said without connecting.
    fn known(&self) -> Option<Result<Link, Failure>> {
        let state = self.lock();
        if state.closed {
            return Some(Err(closed()));
        }
        if let Some(link) = &state.link {
            return Some(Ok(link.clone()));
        }
        let (until, why) = state.pause.as_ref()?;
        (Instant::now() < *until).then(|| Err(Failure::Unsent(format!("waiting before another try: {why}"))))
    }

    /// Connects, and sees to it that the server answers: what it does not let us do is told before anything is at stake.
    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(Some(REPLY_TIMEOUT));
        let greeted = async {
            let client = Client::open(self.info.clone()).map_err(|error| error.to_string())?;
            let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| reason(&error))?;
            match redis::cmd("PING").exec_async(&mut connection).await.map_err(Failure::of) {
                Ok(()) => Ok(connection),
                Err(failure) => Err(failure.sentence()),
            }
        };
        let late = |_| format!("it did not answer within {} seconds", CONNECT_TIMEOUT.as_secs());
        timeout(CONNECT_TIMEOUT, greeted).await.map_err(late)?
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reason(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::AuthenticationFailed => "it does not accept the user or the password of store.url".into(),
        _ => match error.to_string() {
            text if text.contains("certificate") => format!("this system does not trust its certificate ({text})"),
            text => text,
        },
    }
}

fn closed() -> Failure {
    Failure::Unsent("it is closed".into())
}
