//! Whether two paths name the same file, also through links and `..`, and before the file exists.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{self, Component, Path, PathBuf},
};

/// The most symbolic links that one path can follow, as on Linux.
const MAX_LINKS: usize = 40;

/// What SQLite appends to the name of a file for those that it keeps beside it.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Whether two SQLite files would be the same, or one would be a file that SQLite keeps beside the other.
#[must_use]
pub fn collide(one: &Path, other: &Path) -> bool {
    let beside = |path: &Path, other: &Path| {
        let path = real_path(path).into_os_string();
        BESIDE.iter().any(|suffix| {
            let mut name = path.clone();
            name.push(suffix);
            same_file(Path::new(&name), other)
        })
    };
    same_file(one, other) || beside(one, other) || beside(other, one)
}

/// Whether two paths name the same file. A file that does not exist yet is compared by the path at which it would be made.
fn same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    match (identity(one), identity(other)) {
        (Some(one), Some(other)) => one == other,
        _ => real_path(one) == real_path(other),
    }
}

/// The absolute path without links and `..`.
fn real_path(path: &Path) -> PathBuf {
    let mut path = path::absolute(path).unwrap_or_else(|_| path.into());
    // A link to a file that does not exist yet.
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path.pop();
        path.push(target);
    }
    let existing = path.ancestors().find_map(|ancestor| Some((ancestor, fs::canonicalize(ancestor).ok()?)));
    let Some((ancestor, mut real)) = existing else { return path };
    for component in path.strip_prefix(ancestor).unwrap_or(&path).components() {
        match component {
            Component::ParentDir => drop(real.pop()),
            component => real.push(component),
        }
    }
    real
}
