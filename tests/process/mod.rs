//! What tests of the real binary share: a place of their own on disk, processes that end with the test, a clock that can be
//! stepped, and a client.

#![allow(dead_code, reason = "each test target uses a part of it")]

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The names of the nine figures.
pub(crate) const NAMES: [&str; 9] =
    ["total", "today", "yesterday", "this_week", "last_week", "this_month", "last_month", "this_year", "last_year"];

/// Calls `look` until it finds something.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A directory with journal, store and files of a test, and how truycap is run in it.
pub(crate) struct Place {
    dir: TempDir,
    sites: Option<String>,
    clock: bool,
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    /// With the built-in site `portal`, and the system's clock.
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), sites: None, clock: false }
    }

    /// With sites of its own, as TOML.
    pub(crate) fn with_sites(sites: &str) -> Self {
        Self { sites: Some(sites.into()), ..Self::new() }
    }

    /// Has all processes here see another time: this one now, and from there on as time goes by. Those that run are
    /// stepped.
    pub(crate) fn set_clock(&mut self, rfc3339: &str) {
        self.clock = true;
        let offset = DateTime::parse_from_rfc3339(rfc3339).unwrap().timestamp() - Utc::now().timestamp();
        // Renamed into place: whoever reads it, with each look at the clock, must not find half of it.
        fs::write(self.path("clock.new"), format!("{offset:+}\n")).unwrap();
        fs::rename(self.path("clock.new"), self.path("clock")).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file and answers with its path.
    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), contents).unwrap();
        self.path(name).to_str().unwrap().into()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_truycap"));
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("TRUYCAP_LISTEN__PUBLIC", "127.0.0.1:0").env("TRUYCAP_LISTEN__ADMIN", "127.0.0.1:0");
        if let Some(sites) = &self.sites {
            command.env("TRUYCAP_SITES", sites);
        }
        if self.clock {
            command.env("LD_PRELOAD", libfaketime()).env("FAKETIME_TIMESTAMP_FILE", self.path("clock"));
            // Timers go by the monotonic clock, and must go on as ever.
            command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a command that must work, and answers with what it wrote.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!((done.code, &*done.err), (Some(0), ""), "{arguments:?}");
        done.out
    }

    /// The nine figures as the command line gives them.
    pub(crate) fn figures(&self, arguments: &[&str]) -> [u64; 9] {
        let text = self.ok(&[&["figures"], arguments].concat());
        let lines: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
        let names: Vec<_> = lines.iter().map(|line| line[0]).collect();
        assert_eq!(names, NAMES);
        std::array::from_fn(|i| lines[i][1].parse().unwrap())
    }

    /// The store's file, opened beside whoever uses it.
    pub(crate) fn store(&self) -> rusqlite::Connection {
        let store = rusqlite::Connection::open(self.path("data/truycap.db")).unwrap();
        store.busy_timeout(PATIENCE).unwrap();
        store
    }
}

fn libfaketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut paths = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    paths.find(|path| path.exists()).expect("libfaketime is missing: run scripts/set-up.sh")
}

/// A process that does not outlive the test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Asks it to stop, and waits until it has.
    pub(crate) fn terminate(&mut self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = eventually("the end after SIGTERM", || self.0.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }

    /// Kills it where it stands.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // libfaketime leaves these behind where it is killed.
        let id = self.0.id();
        for name in [format!("faketime_shm_{id}"), format!("sem.faketime_sem_{id}")] {
            let _ = fs::remove_file(PathBuf::from("/dev/shm").join(name));
        }
    }
}

/// A serving process.
pub(crate) struct Service {
    pub(crate) process: Process,
    /// `http://127.0.0.1:` and the port.
    pub(crate) origin: String,
    agent: ureq::Agent,
}

impl Service {
    pub(crate) fn start(place: &Place) -> Self {
        let log = place.path("log");
        let mut process = Process(place.command(&[]).stderr(fs::File::create(&log).unwrap()).spawn().unwrap());
        let address = eventually("the start", || {
            let text = fs::read_to_string(&log).unwrap();
            assert!(process.0.try_wait().unwrap().is_none(), "it did not start: {text}");
            // Whole lines only: a line that is being written may lack a digit.
            let (lines, _) = text.rsplit_once('\n')?;
            Some(lines.split_once("public=\"")?.1.split_once('"')?.0.to_owned())
        });
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        Self { process, origin: format!("http://{address}"), agent: config.new_agent() }
    }

    /// A client with connections of its own.
    pub(crate) fn client(&self) -> Client {
        let config = self.agent.config().clone();
        Client { origin: self.origin.clone(), agent: config.new_agent() }
    }

    /// Sends one view, and answers with what the service says.
    pub(crate) fn view(&self, site: &str, article: Option<&str>) -> Value {
        self.client().view(site, article)
    }

    /// Sends views of an article, or of the site alone, over a few connections at a time.
    pub(crate) fn views(&self, site: &str, article: Option<&str>, count: usize) {
        const CONNECTIONS: usize = 16;
        std::thread::scope(|scope| {
            for connection in 0..CONNECTIONS.min(count) {
                let client = self.client();
                scope.spawn(move || {
                    for _ in (connection..count).step_by(CONNECTIONS) {
                        client.view(site, article);
                    }
                });
            }
        });
    }

    /// What the service says of a site and articles when it is in step with the store.
    pub(crate) fn answer(&self, site: &str, articles: &[&str]) -> Value {
        let url = format!("{}/v1/sites/{site}/figures", self.origin);
        eventually("an answer that is not stale", || {
            let request = articles.iter().fold(self.agent.get(&url), |request, article| request.query("article", *article));
            let answer: Value = request.call().unwrap().body_mut().read_json().unwrap();
            (answer["stale"] == json!(false)).then_some(answer)
        })
    }

    /// The nine figures of a site.
    pub(crate) fn site(&self, site: &str) -> [u64; 9] {
        nine(&self.answer(site, &[])["site"])
    }

    /// The nine figures of an article.
    pub(crate) fn article(&self, site: &str, article: &str) -> [u64; 9] {
        nine(&self.answer(site, &[article])["articles"][article])
    }
}

/// A client with connections of its own.
pub(crate) struct Client {
    origin: String,
    agent: ureq::Agent,
}

impl Client {
    /// Sends one view, which must be counted.
    pub(crate) fn view(&self, site: &str, article: Option<&str>) -> Value {
        let url = format!("{}/v1/sites/{site}/views", self.origin);
        let body = article.map_or_else(|| json!({}), |article| json!({ "article": article }));
        let mut response = self.agent.post(&url).send_json(&body).unwrap();
        let answer: Value = response.body_mut().read_json().unwrap();
        assert_eq!((response.status().as_u16(), &answer["counted"]), (200, &json!(true)), "{answer}");
        answer
    }
}

/// The nine figures of an answer, and no more.
pub(crate) fn nine(figures: &Value) -> [u64; 9] {
    assert_eq!(figures.as_object().map(serde_json::Map::len), Some(9), "{figures}");
    NAMES.map(|name| figures[name].as_u64().unwrap())
}
