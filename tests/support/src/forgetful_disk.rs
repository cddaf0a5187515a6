//! A disk that forgets what was not synced when the power is cut, and whose syncs and writes can fail.
//!
//! `disk/forgetful.c` is preloaded into the processes. It describes what it keeps, and the text of faults.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use rand::{RngExt, rngs::StdRng};

use crate::process::Place;

/// The bytes that a disk writes as a whole, as in the library.
const UNIT: usize = 512;

/// What reaches the disk, of what was written but not synced, before the power is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    Lost,
    /// A random half, in pieces of this many bytes: 512 or 4096.
    Half(usize),
}

/// A directory whose files are on such a disk. One process at a time can use it.
#[derive(Debug)]
pub struct ForgetfulDisk {
    files: PathBuf,
    state: PathBuf,
}

impl ForgetfulDisk {
    /// Makes an empty disk in a directory that does not exist yet.
    pub fn new(directory: &Path) -> Self {
        let disk = Self { files: directory.join("files"), state: directory.join("state") };
        for made in [&disk.files, &disk.live(), &disk.durable(), &disk.state.join("dirty")] {
            fs::create_dir_all(made).unwrap();
        }
        disk
    }

    /// The path of a file on it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.files.join(name)
    }

    /// The names of its files, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names = listed(&self.files);
        names.sort();
        names
    }

    fn live(&self) -> PathBuf {
        self.state.join("live")
    }

    fn durable(&self) -> PathBuf {
        self.state.join("disk")
    }

    /// The same place, with this disk under its processes; see [`Self::environment`].
    pub fn under(&self, place: &Place, seed: u64, faults: &str) -> Place {
        let mut place = place.clone();
        place.environment.extend(self.environment(seed, faults).map(|(name, value)| (name.to_owned(), value)));
        place
    }

    /// The variables that put this disk under a process. The seed decides what happens by chance.
    pub fn environment(&self, seed: u64, faults: &str) -> [(&'static str, String); 5] {
        [
            ("LD_PRELOAD", library().display().to_string()),
            ("FORGETFUL_DIR", self.files.display().to_string()),
            ("FORGETFUL_STATE", self.state.display().to_string()),
            ("FORGETFUL_SEED", seed.to_string()),
            ("FORGETFUL_FAULTS", faults.into()),
        ]
    }

    /// The faults that have happened since the disk was made, one each line.
    pub fn fired(&self) -> String {
        fs::read_to_string(self.state.join("fired")).unwrap_or_default()
    }

    /// Cuts the power: replaces the selected files by what the disk has of them. No process may use them.
    pub fn cut(&self, pending: Pending, rng: &mut StdRng, selected: impl Fn(&str) -> bool) {
        let names: BTreeSet<_> = [self.live(), self.durable()].iter().flat_map(|names| listed(names)).collect();
        let names: Vec<_> = names.into_iter().filter(|name| !name.starts_with('.') && selected(name)).collect();
        // All are read before one is replaced, because a file can have different names before and after the cut.
        let contents: Vec<_> = names.iter().map(|name| self.content_after_cut(name, pending, rng)).collect();
        for (name, content) in names.iter().zip(contents) {
            let (live, durable, file) = (self.live().join(name), self.durable().join(name), self.path(name));
            for old in [&live, &durable, &file, &self.path(&format!("{name}-shm"))] {
                remove(old);
            }
            if let Some(content) = content {
                fs::write(&file, &content).unwrap();
                fs::write(&live, &content).unwrap();
                fs::hard_link(&live, &durable).unwrap();
                remove(&self.dirty(inode(&live).unwrap()));
            }
        }
    }

    /// What a name leads to after the cut.
    fn content_after_cut(&self, name: &str, pending: Pending, rng: &mut StdRng) -> Option<Vec<u8>> {
        let durable = inode(&self.durable().join(name)).map(|_| self.durable().join(name));
        let shadow = match pending {
            Pending::Half(_) if rng.random() => Some(self.live().join(name)).filter(|live| live.exists() && self.path(name).exists()),
            _ => durable,
        }?;
        let mut content = fs::read(&shadow).unwrap();
        if let (Pending::Half(bytes), Some(file)) = (pending, self.file_of(&shadow)) {
            let file = fs::read(file).unwrap();
            let dirty = fs::read(self.dirty(inode(&shadow).unwrap())).unwrap_or_default();
            write_some(&mut content, &file, &dirty, bytes, rng);
        }
        Some(content)
    }

    /// The file that has this shadow, if it still has a name.
    fn file_of(&self, shadow: &Path) -> Option<PathBuf> {
        let name = listed(&self.live()).into_iter().find(|name| inode(&self.live().join(name)) == inode(shadow))?;
        Some(self.path(&name)).filter(|file| file.exists())
    }

    fn dirty(&self, inode: u64) -> PathBuf {
        self.state.join("dirty").join(inode.to_string())
    }
}

/// Writes a random half of the dirty units, in pieces of `bytes`, and perhaps the end of a file that has become shorter.
fn write_some(content: &mut Vec<u8>, file: &[u8], dirty: &[u8], bytes: usize, rng: &mut StdRng) {
    for (piece, units) in dirty.chunks(bytes / UNIT).enumerate() {
        if units.iter().all(|unit| *unit == 0) || rng.random() {
            continue;
        }
        for unit in (0..units.len()).filter(|unit| units[*unit] != 0) {
            let from = piece * bytes + unit * UNIT;
            let to = (from + UNIT).min(file.len());
            if from < to {
                content.resize(content.len().max(to), 0);
                content[from..to].copy_from_slice(&file[from..to]);
            }
        }
    }
    if file.len() < content.len() && rng.random() {
        content.truncate(file.len());
    }
}

/// Compiles the library, once for each content of its source.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = include_str!("../disk/forgetful.c");
        // Beside the test binary, so that other processes of it find it.
        let library = std::env::current_exe().unwrap().with_file_name(format!("forgetful-{:016x}.so", hash(source)));
        if !library.exists() {
            let build = tempfile::tempdir_in(library.parent().unwrap()).unwrap();
            let (input, output) = (build.path().join("forgetful.c"), build.path().join("forgetful.so"));
            fs::write(&input, source).unwrap();
            let words = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-pthread", "-o"];
            let done = Command::new("cc").args(words).args([&output, &input]).output().expect("a C compiler is needed");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            fs::rename(output, &library).unwrap();
        }
        library
    })
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn listed(directory: &Path) -> Vec<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|found| found.ino())
}

fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}
