//! The files of `sites_dir`: a file for each portal.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

/// The maximum number of entries of the directory.
const MAX_ENTRIES: usize = 20_000;

/// Endings of what editors and package managers leave behind.
const LEFTOVERS: [&str; 8] = ["~", ".swp", ".swo", ".bak", ".orig", ".tmp", ".dpkg-old", ".rpmsave"];

/// The files with sites in the order of their names, and the mistakes in the others.
pub(super) fn files(dir: &Path) -> (Vec<PathBuf>, Vec<String>) {
    let names = match names(dir) {
        Ok(names) => names,
        Err(error) => return (Vec::new(), vec![format!("{}: {error}", dir.display())]),
    };
    let (mut files, mut mistakes) = (Vec::new(), Vec::new());
    for name in names {
        let path = dir.join(&name);
        let text = name.to_string_lossy();
        if text.starts_with(['.', '#']) || LEFTOVERS.iter().any(|end| text.ends_with(end)) {
            continue;
        }
        // A FIFO would be read for ever. A file that cannot be read is reported when it is read.
        let reason = if path.extension() != Some(OsStr::new("toml")) {
            "the name does not end in .toml"
        } else if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            "not a regular file"
        } else {
            files.push(path);
            continue;
        };
        mistakes.push(format!("{}: {reason}; move it elsewhere, or rename it to end in .bak", path.display()));
    }
    (files, mistakes)
}

fn names(dir: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let names = fs::read_dir(dir)?.take(MAX_ENTRIES + 1).map(|entry| entry.map(|entry| entry.file_name()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    if names.len() > MAX_ENTRIES {
        return Err(io::Error::other(format!("found more than {MAX_ENTRIES} entries")));
    }
    names.sort_unstable();
    Ok(names)
}
