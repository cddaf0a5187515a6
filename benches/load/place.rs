//! The directory, configuration, ports and optional Redis of a truycap process.

use std::{
    fmt::Write as _,
    fs,
    io::{BufWriter, Write as _},
    net::{SocketAddr, TcpListener},
    process::{Command, Stdio},
};

use tempfile::TempDir;
use truycap_test_support::redis_server::Server;

use super::requests::site;

/// Everything is removed when it is dropped.
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) redis: Option<Server>,
    pub(crate) dir: TempDir,
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

impl Place {
    /// A place for `sites` sites on the disk of the build, because a file system in memory would make fsync free.
    pub(crate) fn new(redis: bool, sites: usize) -> Self {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let redis = redis.then(|| Server::start(&["--appendonly", "yes", "--appendfsync", "everysec"]));
        let place = Self { address: free_address(), admin: free_address(), redis, dir };
        let store = place.redis.as_ref().map_or_else(|| "sqlite:truycap.db".into(), Server::url);
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
        let Some(redis) = &self.redis else {
            let files = ["truycap.db", "truycap.db-wal"].map(|name| fs::metadata(self.dir.path().join(name)).map_or(0, |file| file.len()));
            return files.iter().sum();
        };
        let info: String = redis::cmd("INFO").arg("memory").query(&mut redis.raw()).expect("Redis answers");
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok());
        used.expect("Redis reports its memory")
    }
}
