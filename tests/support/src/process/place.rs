//! A directory for the files of a test, and how the program is run in it.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use tempfile::TempDir;

use super::{
    child::{Finished, Process},
    wait::PATIENCE,
};

/// Where an instance has its files, and how it is set up. The directory goes with the last copy.
#[derive(Clone, Debug)]
pub struct Place {
    dir: Arc<TempDir>,
    /// What the environment says, besides what it says to the test itself.
    pub environment: BTreeMap<String, String>,
    /// The words of another program that starts this one, whose path and arguments follow them.
    pub launcher: Vec<String>,
    /// What every command is told before its own arguments.
    pub options: Vec<String>,
}

/// An address of this machine that no other test has. The port of a service that was killed may be the next one's, which
/// would count what is still sent to the first.
fn own_address() -> String {
    static PLACES: AtomicU8 = AtomicU8::new(0);
    let [low, high, ..] = std::process::id().to_le_bytes();
    format!("127.{}.{low}.{}:0", high | 128, PLACES.fetch_add(1, Ordering::Relaxed))
}

/// The program, which cargo builds beside the tests: they are in `deps`, next to it.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().with_file_name("truycap");
    assert!(program.exists(), "{} is missing: these tests must be run by cargo", program.display());
    program
}

impl Place {
    /// Set up as the program is by itself, with free ports on an address of its own, a log in text, and readers whose browsers have no screen.
    pub fn new() -> Self {
        let place =
            Self { dir: Arc::new(TempDir::new().unwrap()), environment: BTreeMap::new(), launcher: Vec::new(), options: Vec::new() };
        place
            .with("LISTEN__PUBLIC", &own_address())
            .with("LISTEN__ADMIN", "127.0.0.1:0")
            .with("LOG__FORMAT", "text")
            .with("BOTS__HEADLESS", "false")
    }

    /// The same with another setting.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.environment.insert(format!("TRUYCAP_{key}"), value.into());
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file and answers with its path.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), contents).unwrap();
        self.path(name).to_str().unwrap().into()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let program = program();
        let program = program.to_str().unwrap();
        let words: Vec<_> = self.launcher.iter().map(String::as_str).chain([program]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(&self.options).args(arguments).current_dir(self.dir.path());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TRUYCAP_")) {
            command.env_remove(name);
        }
        command.envs(&self.environment);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Process::spawn(self.command(arguments)).wait(PATIENCE)
    }

    /// Runs a command that must work and complain of nothing, and answers with what it wrote.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let finished = self.run(arguments);
        assert_eq!((finished.code, &*finished.err), (Some(0), ""), "{arguments:?}");
        finished.out
    }
}
