//! Real Redis servers for tests. A server ends with the process that started it, even if that is killed.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::ports::free_port;

/// Starts a server and prints its process id. When standard input ends, as it does with the process at the other end, the
/// server is killed and its files are deleted; if a line came before, the files stay.
const WATCH: &str = r#"redis-server "$@" >/dev/null & echo $!; read -r keep; kill -9 $!; wait; [ "$keep" ] || rm -rf -- "$0""#;

/// A Redis server.
pub struct Server {
    pub dir: PathBuf,
    /// 0 if the server has only a socket.
    pub port: u16,
    /// The parameters of its URL, such as `?pass=secret`.
    pub login: String,
    /// Its configuration file, which a sentinel rewrites.
    config: Option<PathBuf>,
    options: Vec<String>,
    running: Option<Running>,
}

struct Running {
    watch: Child,
    pid: String,
}

impl Server {
    /// A server that is not started yet.
    pub fn new(port: u16, options: &[&str]) -> Self {
        let dir = TempDir::new().unwrap().keep();
        let options = options.iter().map(|option| String::from(*option)).collect();
        Self { dir, port, login: String::new(), config: None, options, running: None }
    }

    /// A sentinel on a socket, with the lines of its configuration. It is not started yet.
    pub fn sentinel(config: &str, options: &[&str]) -> Self {
        let mut sentinel = Self::new(0, &[&["--sentinel"], options].concat());
        let file = sentinel.file("sentinel.conf");
        fs::write(&file, config).unwrap();
        sentinel.config = Some(file);
        sentinel
    }

    /// Adds an option for the next start.
    pub fn option(&mut self, name: &str, value: &str) {
        self.options.extend([name.into(), value.into()]);
    }

    /// Starts a server on a socket, with further options.
    pub fn start(options: &[&str]) -> Self {
        let mut server = Self::new(0, options);
        server.run();
        server
    }

    /// Starts a server on a socket and a port.
    pub fn start_on_port(options: &[&str]) -> Self {
        let mut server = Self::new(free_port(), options);
        server.run();
        server
    }

    /// Starts the server with its existing files, and waits until it accepts connections.
    pub fn run(&mut self) {
        fs::create_dir_all(&self.dir).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", WATCH]).arg(&self.dir).args(&self.config).args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
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

    /// Kills the server and deletes its files.
    pub fn kill(&mut self) {
        self.end("");
    }

    /// Kills the server. `last` is the last input of its watch: empty, or a line to keep the files.
    pub fn end(&mut self, last: &str) {
        if let Some(mut running) = self.running.take() {
            let mut input = running.watch.stdin.take().unwrap();
            input.write_all(last.as_bytes()).unwrap();
            drop(input);
            running.watch.wait().unwrap();
        }
    }

    /// Sends the server a signal, such as `STOP`.
    pub fn signal(&self, signal: &str) {
        let pid = self.pid().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// The process id, if the server is running.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref()?.pid.parse().ok()
    }

    /// A path in its directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.file("socket")
    }

    /// The URL of the socket.
    pub fn url(&self) -> String {
        format!("redis+unix://{}{}", self.socket().display(), self.login)
    }

    /// A plain connection, as `redis-cli` opens it.
    pub fn raw(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
