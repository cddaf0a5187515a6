//! The program, started in a directory of its own and ended with the test.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::client::{Answer, Client};

/// How long anything may take that has no limit of its own. Generous: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The sites that are counted.
pub(crate) const SITES: [&str; 2] = ["portal", "khoa"];

/// Asks again and again until there is an answer.
pub(crate) fn within<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Where an instance has its files, and how it is set up.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    dir: Arc<TempDir>,
    pub(crate) journal: PathBuf,
    pub(crate) store: PathBuf,
    settings: Vec<(String, String)>,
    /// What the program is started by.
    launcher: Vec<String>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let (journal, store) = (dir.path().join("journal.db"), dir.path().join("truycap.db"));
        let place = Self { dir: Arc::new(dir), journal, store, settings: Vec::new(), launcher: Vec::new() };
        let sites = SITES.map(|id| format!("{{ id = \"{id}\", origins = [\"https://{id}.example.vn\"] }}")).join(", ");
        place
            .with("SITES", &format!("[{sites}]"))
            .with("LISTEN__PUBLIC", "127.0.0.1:0")
            .with("LISTEN__ADMIN", "127.0.0.1:0")
            .with("STORE__FLUSH_INTERVAL", "20ms")
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.settings.push((format!("TRUYCAP_{key}"), value.into()));
        self
    }

    /// The same with a journal elsewhere.
    pub(crate) fn with_journal(&self, path: impl Into<PathBuf>) -> Self {
        Self { journal: path.into(), ..self.clone() }
    }

    /// The same with a store elsewhere.
    pub(crate) fn with_store(&self, path: impl Into<PathBuf>) -> Self {
        Self { store: path.into(), ..self.clone() }
    }

    /// The same, started by another program, which is given this one's path and arguments.
    pub(crate) fn started_by(self, launcher: Vec<String>) -> Self {
        Self { launcher, ..self }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let words: Vec<_> = self.launcher.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_truycap")]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(arguments).current_dir(self.dir());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TRUYCAP_")) {
            command.env_remove(name);
        }
        command.env("TRUYCAP_JOURNAL__PATH", &self.journal);
        command.env("TRUYCAP_STORE__URL", format!("sqlite:{}", self.store.display()));
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        Process::spawn(self.command(arguments)).wait(PATIENCE)
    }

    /// Starts the service, and returns at once.
    pub(crate) fn spawn(&self) -> Process {
        Process::spawn(self.command(&["serve"]))
    }

    /// Starts the service, and returns when it takes views.
    pub(crate) fn start(&self) -> Service {
        let service = self.start_unready();
        within(PATIENCE, "the service is ready", || service.ready().filter(|answer| answer.status == 200));
        service
    }

    /// Starts the service, and returns when it listens.
    pub(crate) fn start_unready(&self) -> Service {
        let mut process = self.spawn();
        let (public, admin) = within(PATIENCE, "the service listens", || {
            let log = process.log();
            assert!(!process.has_ended(), "the service ended: {}", process.log());
            let address = |name: &str| log.split_once(&format!("{name}=\""))?.1.split_once('"').map(|(address, _)| address.to_owned());
            Some((address("public")?, address("admin")?))
        });
        Service { process, public, admin }
    }

    /// Copies a file that nobody has open, with what belongs to it.
    pub(crate) fn copy_aside(&self, path: &Path) -> PathBuf {
        let copy = path.with_extension("copy");
        let log = fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
        assert_eq!(log, 0, "{} is not closed", path.display());
        fs::copy(path, &copy).unwrap();
        copy
    }

    /// Puts a copy back in the place of a file that nobody has open.
    pub(crate) fn put_back(&self, path: &Path, copy: &Path) {
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(beside(path, suffix));
        }
        fs::copy(copy, path).unwrap();
    }
}

/// A file that SQLite keeps beside another.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", path.display()).into()
}

/// What a stream has said up to now.
#[derive(Debug)]
struct Captured {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Captured {
    fn new(mut stream: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut part) {
                copy.lock().unwrap().extend_from_slice(&part[..length]);
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn whole(&mut self) -> String {
        self.reader.take().unwrap().join().unwrap();
        self.text()
    }
}

/// How a process ended; the code is `None` where a signal ended it.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A process, killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    out: Captured,
    err: Captured,
}

impl Process {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (Captured::new(child.stdout.take().unwrap()), Captured::new(child.stderr.take().unwrap()));
        Self { child, out, err }
    }

    /// What it wrote to standard error up to now.
    pub(crate) fn log(&self) -> String {
        self.err.text()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(mut self, patience: Duration) -> Finished {
        let deadline = Instant::now() + patience;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "still running after {patience:?}: {}", self.log());
            thread::sleep(Duration::from_millis(2));
        };
        Finished { code: status.code(), out: self.out.whole(), err: self.err.whole() }
    }

    /// Ends it where it stands, as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let Output { status, stderr, .. } = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).output().unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) public: String,
    pub(crate) admin: String,
}

impl Service {
    /// What `/readyz` says, where it says anything.
    pub(crate) fn ready(&self) -> Option<Answer> {
        Client::connect(&self.admin).and_then(|mut client| client.get("/readyz")).ok()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        Client::connect(&self.public).and_then(|mut client| client.get(path)).unwrap()
    }

    /// Counts one view.
    pub(crate) fn view(&self, site: &str, article: &str) -> Answer {
        Client::connect(&self.public).and_then(|mut client| client.view(site, article)).unwrap()
    }

    /// Tells it to stop, and expects that it does as it should.
    pub(crate) fn stop(self) -> Finished {
        self.process.signal("TERM");
        let finished = self.process.wait(Duration::from_secs(10));
        assert_eq!(finished.code, Some(0), "{}", finished.err);
        finished
    }
}
