//! Shared by the tests of the HTTP interface: a server in this process, with a journal and a store that fail on demand,
//! and a client that sends exactly the given bytes.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{mpsc, watch},
    task::JoinHandle,
};
use truycap::{
    audience::{Audience, BotRules, ClientRules, MonotonicClock},
    domain::{
        article::Section,
        retention::Retention,
        site::{Origin, Rules, Site, SiteId},
    },
    http::{Admin, AdminConfig, Limits, Phase, Public, serve},
    journal::{
        JournalError,
        sqlite::{self, SqliteJournal},
    },
    recorder::{self, Recorder},
    report::Reports,
    store::{StoreError, memory::MemoryStore},
    titles::Titles,
};
use truycap_test_support::faulty::{FaultyJournal, FaultyStore, JournalCall, JournalFaults, StoreCall, StoreFaults};

/// The origin of the site `portal`.
pub(crate) const ORIGIN: &str = "https://portal.example.vn";

/// The `User-Agent` of a browser.
pub(crate) const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

/// A Monday, 10:00 in Hà Nội.
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-23T10:00:00+07:00").unwrap().to_utc()
}

/// Faults of the journal and the store behind the server.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// The journal is full.
    pub(crate) full: AtomicBool,
    /// The journal's disk does not answer.
    pub(crate) stuck: AtomicBool,
    /// All calls of the store fail.
    pub(crate) unreachable: AtomicBool,
}

#[async_trait]
impl JournalFaults for Faults {
    async fn before(&self, call: JournalCall<'_>) -> Result<(), JournalError> {
        if matches!(call, JournalCall::Append(_)) {
            while self.stuck.load(SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if self.full.load(SeqCst) {
                return Err(JournalError::Full("simulated failure".into()));
            }
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        !self.full.load(SeqCst)
    }
}

#[async_trait]
impl StoreFaults for Faults {
    async fn before(&self, _: StoreCall<'_>) -> Result<(), StoreError> {
        if self.unreachable.load(SeqCst) { Err(StoreError::NotApplied("simulated failure".into())) } else { Ok(()) }
    }
}

/// The options of a server. The default suits most tests.
pub(crate) struct Options {
    pub(crate) limits: Limits,
    pub(crate) max_connections: watch::Receiver<usize>,
    pub(crate) demo: bool,
    pub(crate) drain: Duration,
    /// Whether the store is unreachable from the beginning, so that nothing is known of it.
    pub(crate) store_unreachable: bool,
    /// The rules of the sites.
    pub(crate) rules: Rules,
    pub(crate) clients: ClientRules,
    pub(crate) bots: BotRules,
    pub(crate) clock: fn() -> DateTime<Utc>,
    /// The clock of the rate limits.
    pub(crate) ticks: MonotonicClock,
    /// Further origins of `portal`, as in a configuration.
    pub(crate) more_origins: &'static [&'static str],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            max_connections: watch::Sender::new(4096).subscribe(),
            demo: true,
            drain: Duration::from_secs(5),
            store_unreachable: false,
            rules: Rules::default(),
            clients: ClientRules::default(),
            bots: BotRules::default(),
            clock: now,
            ticks: Instant::now,
            more_origins: &[],
        }
    }
}

/// A public and an admin listener with one recorder. Dropping it stops everything.
pub(crate) struct Server {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) faults: Arc<Faults>,
    runtime: Runtime,
    phase: watch::Sender<Phase>,
    admin_pages: Arc<Admin>,
    serving: Option<JoinHandle<usize>>,
    _recorder: Recorder,
    _dir: TempDir,
}

/// A server with the sites `portal` and `khoa` and without views. `portal` has the sections `/tin/` and `/van-ban/`.
pub(crate) fn start(options: Options) -> Server {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let faults = Arc::new(Faults { unreachable: options.store_unreachable.into(), ..Faults::default() });
    let mut site = Site {
        id: SiteId::parse("portal").unwrap(),
        aliases: Vec::new(),
        origins: vec![Origin::parse("http://127.0.0.1:8080").unwrap(), Origin::parse(ORIGIN).unwrap()],
        timezone: chrono_tz::Asia::Ho_Chi_Minh,
        sections: ["/tin/", "/van-ban/"].map(|section| Section::parse(section).unwrap()).into(),
        rules: options.rules.clone(),
    };
    let khoa = Site { id: SiteId::parse("khoa").unwrap(), sections: vec![], ..site.clone() };
    site.origins.extend(options.more_origins.iter().map(|origin| Origin::parse_configured(origin).unwrap()));
    let config =
        recorder::Config { flush_interval: Duration::from_millis(10), retain: Duration::from_secs(900), apply_sums: recorder::APPLY_SUMS };
    let dir = TempDir::new().unwrap();
    let journal = SqliteJournal::open(sqlite::Config { path: dir.path().join("journal.db"), max_bytes: 1 << 24 }).unwrap();
    let journal = FaultyJournal::new(Arc::new(journal), faults.clone());
    let store = FaultyStore::new(Arc::new(MemoryStore::new(Retention::default(), options.clock)), faults.clone());
    let phase = watch::Sender::new(Phase::Serving);
    let (public, admin, admin_pages, recorder, serving) = runtime.block_on(async {
        let (handle, recorder) =
            recorder::spawn(config, vec![site, khoa], Arc::new(journal), Arc::new(store), options.clock).await.unwrap();
        let Options { limits, max_connections, demo, drain, clients, bots, ticks, .. } = options;
        let audience = Arc::new(Audience::new(clients, &bots, false, ticks).unwrap());
        let site = SiteId::parse("portal").unwrap();
        let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (public_address, admin_address) = (public.local_addr().unwrap(), admin.local_addr().unwrap());
        let titles = Titles::new(&[], handle.metrics().titles.clone());
        let reports = Arc::new(Reports::new(handle.clone(), Retention::default()));
        let admin_pages = Admin::new(
            handle.clone(),
            Arc::clone(&audience),
            Arc::clone(&reports),
            Arc::clone(&titles),
            AdminConfig { journal: "/journal.db".into(), per_site_metrics: true },
            mpsc::channel(1).0,
        );
        let responder = Public::new(handle, demo.then_some(&site), &limits, audience, reports, titles);
        let serving = tokio::spawn(serve(public, responder, limits.clone(), max_connections.clone(), phase.subscribe(), drain));
        tokio::spawn(serve(admin, Arc::clone(&admin_pages), limits, max_connections, phase.subscribe(), drain));
        (public_address, admin_address, admin_pages, recorder, serving)
    });
    Server { public, admin, faults, runtime, phase, admin_pages, serving: Some(serving), _recorder: recorder, _dir: dir }
}

impl Server {
    /// A connection to the public listener.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.public)
    }

    /// Sends one request on its own connection.
    pub(crate) fn ask(&self, method: &str, target: &str, headers: &[&str], body: &str) -> Answer {
        let mut client = self.connect();
        client.request(method, target, headers, body);
        if method == "HEAD" { client.head() } else { client.answer() }
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[], "")
    }

    /// Counts a view of an article.
    pub(crate) fn view(&self, article: &str) -> Answer {
        let body = serde_json::json!({ "article": article }).to_string();
        self.ask("POST", "/v1/sites/portal/views", &["Content-Type: application/json"], &body)
    }

    /// The site's total: how many views have been counted.
    pub(crate) fn total(&self) -> u64 {
        self.get("/v1/sites/portal/figures").json()["site"]["total"].as_u64().unwrap()
    }

    /// The answer of `/readyz`.
    pub(crate) fn ready(&self) -> Answer {
        let mut client = Client::connect(self.admin);
        client.request("GET", "/readyz", &[], "");
        client.answer()
    }

    /// Begins to drain both listeners.
    pub(crate) fn drain(&self) {
        self.admin_pages.begin_stop();
        self.phase.send_replace(Phase::Draining);
    }

    /// Begins to stop both listeners.
    pub(crate) fn stop(&self) {
        self.phase.send_replace(Phase::Stopping);
    }

    /// Waits until the public listener has stopped, and returns how many connections were dropped.
    pub(crate) fn stopped(&mut self) -> usize {
        self.runtime.block_on(self.serving.take().unwrap()).unwrap()
    }
}

/// An answer as it was received.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header's value; names are in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| &**value)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A connection that sends exactly the given bytes. Reading and writing time out after ten seconds.
pub(crate) struct Client(pub(crate) BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends bytes. Returns an error if the server does not take them.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), ErrorKind> {
        self.0.get_mut().write_all(bytes.as_ref()).map_err(|error| error.kind())
    }

    pub(crate) fn request(&mut self, method: &str, target: &str, headers: &[&str], body: &str) {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n");
        if !headers.iter().any(|header| header.starts_with("User-Agent:")) {
            head += &format!("User-Agent: {AGENT}\r\n");
        }
        for header in headers {
            head += &format!("{header}\r\n");
        }
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        self.send(head + "\r\n" + body);
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// An answer that has no body, whatever its `Content-Length`.
    pub(crate) fn head(&mut self) -> Answer {
        let status = self.line();
        let status = status.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("no answer: {status:?}"))[..3].parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        Answer { status, headers, body: Vec::new() }
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        answer.body = vec![0; length];
        self.0.read_exact(&mut answer.body).unwrap();
        answer
    }

    /// Whether the server closes the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    /// Whether nothing arrives within `time`.
    pub(crate) fn is_silent(&mut self, time: Duration) -> bool {
        self.0.get_ref().set_read_timeout(Some(time)).unwrap();
        let silent = self.0.fill_buf().is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        self.0.get_ref().set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        silent
    }
}

/// Waits up to ten seconds until something has happened.
pub(crate) fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(10), "timed out waiting for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
