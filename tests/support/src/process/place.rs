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

/// The directory and the settings of an instance. The directory is deleted with the last clone.
#[derive(Clone, Debug)]
pub struct Place {
    dir: Arc<TempDir>,
    /// Environment variables, in addition to those of the test.
    pub environment: BTreeMap<String, String>,
    /// The words of a command that starts the program; the program's path and arguments follow them.
    pub launcher: Vec<String>,
    /// Options of every command, before its own arguments.
    pub options: Vec<String>,
}

/// A loopback address that no other test uses. Otherwise the next service could get the port of a killed one, and would
/// count the views that are still sent to that.
fn own_address() -> String {
    static PLACES: AtomicU8 = AtomicU8::new(0);
    let [low, high, ..] = std::process::id().to_le_bytes();
    format!("127.{}.{low}.{}:0", high | 128, PLACES.fetch_add(1, Ordering::Relaxed))
}

/// The program, which cargo builds in the parent directory of the tests' `deps`.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().with_file_name("truycap");
    assert!(program.exists(), "{} is missing: these tests must be run by cargo", program.display());
    program
}

impl Place {
    /// The built-in settings, except that ports are free ones on a separate address, the log is text, and headless browsers
    /// are not bots.
    pub fn new() -> Self {
        let place =
            Self { dir: Arc::new(TempDir::new().unwrap()), environment: BTreeMap::new(), launcher: Vec::new(), options: Vec::new() };
        place
            .with("LISTEN__PUBLIC", &own_address())
            .with("LISTEN__ADMIN", "127.0.0.1:0")
            .with("LOG__FORMAT", "text")
            .with("BOTS__HEADLESS", "false")
    }

    /// Adds a setting.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.environment.insert(format!("TRUYCAP_{key}"), value.into());
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file and returns its path.
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

    /// Runs a command that must succeed with an empty standard error, and returns its standard output.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let finished = self.run(arguments);
        assert_eq!((finished.code, &*finished.err), (Some(0), ""), "{arguments:?}");
        finished.out
    }
}
