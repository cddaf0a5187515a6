//! Real Redis servers for tests. They end with the process that started them, however it ends.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use chrono::Utc;
use tempfile::TempDir;
use truycap::{
    domain::retention::Retention,
    store::redis::{Config, RedisStore},
};

use crate::Clock;

/// Starts a server and says its process id. When standard input ends, as it does with the process that holds the other
/// end, the server and its files go.
const WATCH: &str = r#"redis-server "$@" >/dev/null & echo $!; read -r _; kill -9 $!; wait; rm -rf -- "$0""#;

/// A server of one's own.
pub(crate) struct Server {
    dir: PathBuf,
    /// 0 where it has a socket only.
    port: u16,
    options: Vec<String>,
    running: Option<Running>,
}

struct Running {
    watch: Child,
    pid: String,
}

/// The server that tests share; each has a prefix of its own.
pub(crate) fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[]))
}

/// A prefix that no other test has.
pub(crate) fn new_prefix() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A store of any URL.
pub(crate) fn open(url: &str, prefix: &str) -> RedisStore<Clock> {
    let clock: Clock = Utc::now;
    RedisStore::open(Config { url: url.parse().unwrap(), prefix: prefix.parse().unwrap() }, Retention::default(), clock)
}

impl Server {
    /// A server that is not started yet, and where it will be.
    pub(crate) fn new(port: u16, options: &[&str]) -> Self {
        let dir = TempDir::new().unwrap().keep();
        Self { dir, port, options: options.iter().map(|option| String::from(*option)).collect(), running: None }
    }

    /// A server on a socket, with further options.
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut server = Self::new(0, options);
        server.run();
        server
    }

    /// A server on a port too.
    pub(crate) fn start_on_port(options: &[&str]) -> Self {
        let mut server = Self::new(free_port(), options);
        server.run();
        server
    }

    /// Starts the server, which holds nothing, and waits until it answers.
    pub(crate) fn run(&mut self) {
        fs::create_dir_all(&self.dir).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", WATCH]).arg(&self.dir).args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
        command.args(["--port", &self.port.to_string(), "--unixsocket"]).arg(self.socket()).arg("--dir").arg(&self.dir);
        command.args(&self.options).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut watch = command.spawn().unwrap();
        let mut pid = String::new();
        BufReader::new(watch.stdout.take().unwrap()).read_line(&mut pid).unwrap();
        self.running = Some(Running { watch, pid: pid.trim().into() });
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not start; scripts/set-up.sh installs it");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills the server, and all it holds is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.watch.stdin.take());
            running.watch.wait().unwrap();
        }
    }

    /// Sends the server a signal, such as `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = &self.running.as_ref().unwrap().pid;
        assert!(Command::new("kill").args(["-s", signal, pid]).status().unwrap().success());
    }

    /// A place in its directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn socket(&self) -> PathBuf {
        self.file("socket")
    }

    /// The URL of the socket.
    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// The URL of the port.
    pub(crate) fn tcp_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A store on this server.
    pub(crate) fn store(&self, prefix: &str) -> RedisStore<Clock> {
        open(&self.url(), prefix)
    }

    /// A plain connection, as an operator has it.
    pub(crate) fn raw(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
