//! Reads the files of the configuration, whose sizes have a bound.

use std::{fs::File, io::Read, os::unix::fs::MetadataExt, path::Path};

/// The maximum size of all TOML files together. 10 000 sites take about 1 MiB.
const MAX_BYTES: u64 = 16 << 20;

/// The maximum size of a file with a password or with tokens.
const MAX_SECRET: u64 = 4096;

/// What may still be read.
pub(super) struct Files {
    left: u64,
}

impl Files {
    pub(super) const fn new() -> Self {
        Self { left: MAX_BYTES }
    }

    /// Reads a file.
    pub(super) fn read(&mut self, path: &Path) -> Result<String, String> {
        let text = read(path, self.left)
            .map_err(|error| format!("cannot read it as {}: {error}", user()))?
            .ok_or_else(|| format!("the configuration is larger than {} MiB", MAX_BYTES >> 20))?;
        self.left -= text.len() as u64;
        Ok(text)
    }
}

/// Reads a password, without the line break at its end. An error names the path and, if the file cannot be read, the user.
pub(super) fn secret(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let text = secrets(path, "a password")?;
    let password = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    match password {
        "" => Err(format!("found no password in {shown}; the file is empty")),
        _ if password.contains('\n') => Err(format!("found several lines in {shown}; expected only the password")),
        _ => Ok(password.into()),
    }
}

/// Reads a file of secrets; `expected` names them.
pub(super) fn secrets(path: &Path, expected: &str) -> Result<String, String> {
    let shown = path.display();
    match read(path, MAX_SECRET) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(format!("found more than {MAX_SECRET} bytes in {shown}; expected {expected}")),
        Err(error) => Err(format!("cannot read {shown} as {}: {error}", user())),
    }
}

/// The user that this process runs as.
fn user() -> String {
    std::fs::metadata("/proc/self").map_or_else(|_| "this user".into(), |own| format!("uid {}", own.uid()))
}

/// Reads up to `max` bytes; `None` if there are more.
fn read(path: &Path, max: u64) -> Result<Option<String>, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(max + 1).read_to_string(&mut text)).map_err(|error| error.to_string())?;
    Ok((read as u64 <= max).then_some(text))
}
