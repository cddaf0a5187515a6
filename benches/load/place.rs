//! The directory, configuration, ports and optional Redis of a truycap process.

use std::{
    fmt::Write as _,
    fs,
    io::{BufWriter, Write as _},
    net::SocketAddr,
    process::{Command, Stdio},
};

use tempfile::TempDir;
use truycap_test_support::{cluster::Cluster, ports::free_address, redis_server::Server};

use super::{machine, requests::site, subject::Subject};

/// Everything is removed when it is dropped.
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// The servers of the store; primaries come first.
    pub(crate) redis: Vec<Server>,
    pub(crate) dir: TempDir,
}

/// The URL of a store, and its servers.
fn store(subject: Subject) -> (String, Vec<Server>) {
    let options = ["--appendonly", "yes", "--appendfsync", "everysec"];
    let cluster = |replicas| {
        let cluster = Cluster::start(&[(0, 5460), (5461, 10922), (10923, 16383)], replicas, &options);
        (cluster.url_of_all(), cluster.nodes.into_iter().map(|node| node.server).collect())
    };
    match subject {
        Subject::Bare | Subject::Sqlite => ("sqlite:truycap.db".into(), Vec::new()),
        Subject::Redis => {
            let server = Server::start(&options);
            (server.url(), vec![server])
        }
        Subject::Port => {
            let server = Server::start_on_port(&options);
            (format!("redis://127.0.0.1:{}", server.port), vec![server])
        }
        Subject::Cluster => cluster(false),
        Subject::Replicated => cluster(true),
    }
}

impl Place {
    /// A place for `sites` sites on the disk of the build, because a file system in memory would make fsync free.
    pub(crate) fn new(subject: Subject, sites: usize) -> Self {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let (store, redis) = store(subject);
        let place = Self { address: free_address(), admin: free_address(), redis, dir };
        let mut config = format!(
            "demo = false\n[listen]\npublic = \"{}\"\nadmin = \"{}\"\n[store]\nurl = \"{store}\"\n[journal]\npath = \"journal.db\"\n[log]\nlevel = \"warn\"\n",
            place.address, place.admin
        );
        for number in 0..sites {
            let _ = write!(config, "[[sites]]\nid = \"{}\"\norigins = [\"https://example.vn\"]\n", site(number));
        }
        fs::write(place.dir.path().join("truycap.toml"), config).expect("a file");
        place
    }

    /// A command of truycap in this place.
    pub(crate) fn truycap(&self, command: &str) -> Command {
        let mut truycap = Command::new(env!("CARGO_BIN_EXE_truycap"));
        truycap.args([command, "--config", "truycap.toml"]).current_dir(self.dir.path()).stdin(Stdio::null());
        truycap
    }

    /// Imports rows; `head` names their columns. The same rows count once.
    pub(crate) fn import(&self, head: &str, rows: impl Iterator<Item = String>) {
        let file = fs::File::create(self.dir.path().join("rows.csv")).expect("a file");
        let mut file = BufWriter::new(file);
        writeln!(file, "{head}").expect("the disk has room");
        rows.for_each(|row| writeln!(file, "{row}").expect("the disk has room"));
        file.flush().expect("the disk has room");
        let done = self.truycap("import").arg("rows.csv").output().expect("it starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// The size of the store in bytes: memory of Redis, or files of SQLite.
    pub(crate) fn store_bytes(&self) -> u64 {
        if self.redis.is_empty() {
            let files = ["truycap.db", "truycap.db-wal"].map(|name| fs::metadata(self.dir.path().join(name)).map_or(0, |file| file.len()));
            return files.iter().sum();
        }
        self.info("memory", "used_memory:") as u64
    }

    /// The sum of a number that all servers report.
    fn info(&self, section: &str, name: &str) -> f64 {
        let number = |server: &Server| {
            let info: String = redis::cmd("INFO").arg(section).query(&mut server.raw()).expect("Redis answers");
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
            line.expect("Redis reports it")
        };
        self.redis.iter().map(number).sum()
    }

    /// The commands that all servers have executed, with those of scripts.
    pub(crate) fn commands(&self) -> Option<f64> {
        (!self.redis.is_empty()).then(|| self.info("stats", "total_commands_processed:"))
    }

    /// The processor time of all servers in seconds.
    pub(crate) fn redis_cpu(&self) -> Option<f64> {
        (!self.redis.is_empty()).then(|| self.redis.iter().filter_map(Server::pid).map(machine::cpu).sum())
    }
}
