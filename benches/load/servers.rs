//! The servers that are compared, and what they cost.

use std::{
    fmt::Write as _,
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{driver::site, redis_server};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Bare,
    Sqlite,
    Redis,
}

impl Subject {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare hyper",
            Self::Sqlite => "truycap, SQLite",
            Self::Redis => "truycap, Redis",
        }
    }
}

/// A running server, and what it needs. Everything ends with it.
pub(crate) struct Server {
    pub(crate) subject: Subject,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) started: Duration,
    child: Child,
    redis: Option<redis_server::Server>,
    _dir: TempDir,
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

impl Server {
    /// Starts a server for so many sites, on the disk that the build is on: memory would make fsync free.
    pub(crate) fn start(subject: Subject, sites: usize) -> Self {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let (address, admin) = (free_address(), free_address());
        let redis = (subject == Subject::Redis).then(|| redis_server::Server::start(&["--appendonly", "yes", "--appendfsync", "everysec"]));
        let mut command = match subject {
            Subject::Bare => {
                let mut command = Command::new(std::env::current_exe().expect("this program"));
                command.args(["bare", &address.to_string()]);
                command
            }
            Subject::Sqlite | Subject::Redis => {
                let store = redis.as_ref().map_or_else(|| "sqlite:truycap.db".into(), redis_server::Server::url);
                let mut config = format!(
                    "demo = false\n[listen]\npublic = \"{address}\"\nadmin = \"{admin}\"\n[store]\nurl = \"{store}\"\n[journal]\npath = \"journal.db\"\n[log]\nlevel = \"warn\"\n"
                );
                for number in 0..sites {
                    let _ = write!(config, "[[sites]]\nid = \"{}\"\norigins = [\"https://example.vn\"]\n", site(number));
                }
                fs::write(dir.path().join("truycap.toml"), config).expect("a file");
                let mut command = Command::new(env!("CARGO_BIN_EXE_truycap"));
                command.args(["serve", "--config", "truycap.toml"]);
                command
            }
        };
        let begin = Instant::now();
        let child = command.current_dir(dir.path()).stdin(Stdio::null()).spawn().expect("the server starts");
        let mut server = Self { subject, address, admin, started: Duration::ZERO, child, redis, _dir: dir };
        server.started = server.wait(begin);
        server
    }

    /// How long it takes from the start to the first answer.
    fn wait(&self, begin: Instant) -> Duration {
        while begin.elapsed() < Duration::from_secs(20) {
            if ureq::get(format!("http://{}/v1/sites/{}/figures", self.address, site(0))).call().is_ok() {
                return begin.elapsed();
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("{} does not answer", self.subject.name());
    }

    /// What it has used up to now, for the difference of two.
    pub(crate) fn usage(&self) -> Usage {
        let (commits, views) = self.commits();
        Usage { server: cpu(self.child.id()), redis: self.redis.as_ref().and_then(|redis| redis.pid()).map(cpu), commits, views }
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.expect("Linux") * 1024
    }

    /// How many entries the journal was given, and views with them.
    fn commits(&self) -> (f64, f64) {
        if self.subject == Subject::Bare {
            return (0.0, 0.0);
        }
        let metrics = ureq::get(format!("http://{}/metrics", self.admin)).call().and_then(|mut answer| answer.body_mut().read_to_string());
        let metrics = metrics.expect("metrics");
        let value = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0);
        (value("truycap_journal_batch_views_count"), value("truycap_journal_batch_views_sum"))
    }

    /// The views of all sites, once nothing waits for the store any more.
    pub(crate) fn counted(&self, sites: usize) -> u64 {
        let total = |number| {
            let url = format!("http://{}/v1/sites/{}/figures", self.address, site(number));
            let body: serde_json::Value = ureq::get(url).call().and_then(|mut answer| answer.body_mut().read_json()).expect("figures");
            body["site"]["total"].as_u64().expect("a total")
        };
        (0..sites).map(total).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was used since the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Processor time in seconds.
    pub(crate) server: f64,
    pub(crate) redis: Option<f64>,
    pub(crate) commits: f64,
    pub(crate) views: f64,
}

/// The processor time of a process in seconds.
fn cpu(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    // After the name, which may hold anything: user time is the 12th, system time the 13th, in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks = |place: usize| fields[place].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}
