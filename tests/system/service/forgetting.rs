//! The disk that forgets what was not synced, with the programs of coreutils on it.

use std::{
    fs,
    process::{Command, Stdio},
};

use rand::{SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use super::forgetful_disk::{ForgetfulDisk, Pending};

/// More units than are copied at once.
const UNITS: usize = 200;

struct Shell {
    disk: ForgetfulDisk,
    rng: StdRng,
    _dir: TempDir,
}

impl Shell {
    /// A disk with one file that is synced, and so is its name.
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let shell = Self { disk: ForgetfulDisk::new(dir.path()), rng: StdRng::seed_from_u64(7), _dir: dir };
        shell.fill("file", 'a');
        assert!(shell.run("", "sync file ."));
        shell
    }

    /// Runs a script in the directory; returns whether it succeeds.
    fn run(&self, faults: &str, script: &str) -> bool {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(self.disk.path("")).envs(self.disk.environment(1, faults));
        command.stderr(Stdio::null()).status().unwrap().success()
    }

    /// Overwrites all units of a file with a letter.
    fn fill(&self, name: &str, letter: char) {
        assert!(self.run("", &format!("head -c {} /dev/zero | tr '\\0' {letter} | dd of={name} conv=notrunc", UNITS * 512)));
    }

    fn cut(&mut self, pending: Pending) {
        self.disk.cut(pending, &mut self.rng, |_| true);
    }

    /// How many units of a file have only this letter; `None` if the file does not exist.
    fn units(&self, name: &str, letter: char) -> Option<usize> {
        let bytes = fs::read(self.disk.path(name)).ok()?;
        Some(bytes.chunks(512).filter(|unit| unit.iter().all(|byte| *byte == letter as u8)).count())
    }
}

#[test]
fn a_power_cut_loses_what_is_not_synced() {
    let mut shell = Shell::new();
    shell.fill("file", 'b');
    assert_eq!(shell.units("file", 'b'), Some(UNITS));
    shell.cut(Pending::Lost);
    assert_eq!(shell.units("file", 'a'), Some(UNITS));
    shell.fill("file", 'c');
    assert!(shell.run("", "sync file"));
    shell.cut(Pending::Lost);
    assert_eq!(shell.units("file", 'c'), Some(UNITS));
}

#[test]
fn half_of_what_is_not_synced_can_outlive_a_power_cut() {
    let mut shell = Shell::new();
    shell.fill("file", 'b');
    shell.cut(Pending::Half(512));
    let (old, new) = (shell.units("file", 'a').unwrap(), shell.units("file", 'b').unwrap());
    assert!(old > UNITS / 4 && new > UNITS / 4 && old + new == UNITS, "{old} old and {new} new units");
}

#[test]
fn after_a_failed_sync_only_what_is_written_again_reaches_the_disk() {
    let mut shell = Shell::new();
    shell.fill("file", 'b');
    assert!(!shell.run("sync file 1-1", "sync file"));
    assert!(shell.run("", "sync file"));
    assert_eq!(shell.disk.fired(), "sync file 1\n");
    assert_eq!(shell.units("file", 'b'), Some(UNITS), "the program sees what the kernel has");
    shell.cut(Pending::Half(512));
    assert!(shell.units("file", 'a').unwrap() > UNITS / 4);

    shell.fill("file", 'c');
    assert!(!shell.run("sync file 1-1", "sync file"));
    shell.fill("file", 'c');
    assert!(shell.run("", "sync file"));
    shell.cut(Pending::Lost);
    assert_eq!(shell.units("file", 'c'), Some(UNITS));
}

#[test]
fn names_outlive_a_power_cut_after_a_sync_of_the_directory() {
    let changes = [("echo > new && sync new", ["file", "new"].as_slice()), ("mv file moved", &["moved"]), ("rm file", &[])];
    for (change, names) in changes {
        let mut shell = Shell::new();
        assert!(shell.run("", change));
        assert_eq!(shell.disk.names(), names);
        shell.cut(Pending::Lost);
        assert_eq!(shell.disk.names(), ["file"], "after {change}");
        assert!(shell.run("", &format!("{change} && sync .")));
        shell.cut(Pending::Lost);
        assert_eq!(shell.disk.names(), names);
    }
}

#[test]
fn a_file_that_becomes_shorter_is_so_after_the_next_sync() {
    let mut shell = Shell::new();
    assert!(shell.run("", "truncate -s 700 file"));
    shell.cut(Pending::Lost);
    assert_eq!(shell.units("file", 'a'), Some(UNITS));
    assert!(shell.run("", "truncate -s 700 file && truncate -s 5000 file && sync file"));
    shell.cut(Pending::Lost);
    let bytes = fs::read(shell.disk.path("file")).unwrap();
    assert!(bytes.len() == 5000 && bytes[..700] == [b'a'; 700] && bytes[700..] == [0; 4300]);
}

#[test]
fn writes_are_refused_or_short_as_chosen() {
    let shell = Shell::new();
    let write = |faults| shell.run(faults, "printf xxxx | dd of=file bs=4 conv=notrunc");
    assert!(!write("full file 1-1"));
    assert!(write("full other 1-1;full fil? 2-9"));
    assert_eq!(fs::read(shell.disk.path("file")).unwrap()[..5], *b"xxxxa");
    assert!(!shell.run("full file 1-1", "truncate -s 1000000 file"));
    // The rest is written by the next call.
    assert!(write("short file 1-1"));
    assert_eq!(shell.disk.fired(), "full file 1\nfull file 1\nshort file 1\n");
}
