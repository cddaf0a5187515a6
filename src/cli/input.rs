//! Files that commands read: regular files, pipes and standard input.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsFd, unix::fs::FileTypeExt},
    path::Path,
};

use super::output::Message;
use crate::{
    config::Config,
    domain::visible::visible,
    transfer::spool::{directory_of, spool},
};

/// The name of a file, as it is shown.
pub(super) fn name(file: &Path) -> String {
    visible(&file.display().to_string()).into_owned()
}

/// Whether a file is `-`.
pub(super) fn is_standard_input(file: &Path) -> bool {
    file == Path::new("-")
}

/// Opens a file or, if it is `-`, standard input.
pub(super) fn open_input(file: &Path) -> Result<File, Message> {
    let open = || if is_standard_input(file) { io::stdin().as_fd().try_clone_to_owned().map(File::from) } else { File::open(file) };
    open().map_err(|error| format!("{}: {error}", name(file)))
}

/// Opens a file that is read twice. What comes from standard input or a pipe is copied to the disk of the journal first, and
/// deleted when the file is closed.
pub(super) fn open_twice(config: &Config, path: &Path) -> Result<File, Message> {
    let failed = |error: io::Error| format!("{}: {error}", name(path));
    // Before the file is opened: opening a device can have effects.
    let kind = if is_standard_input(path) { None } else { Some(fs::metadata(path).map_err(failed)?.file_type()) };
    match kind {
        Some(kind) if kind.is_file() => open_input(path),
        Some(kind) if !kind.is_fifo() => Err(format!("{}: not a file; name a file, a pipe, or - for standard input", path.display())),
        _ => {
            let directory = directory_of(&config.journal.path);
            let failed = |error: io::Error| format!("cannot copy {} to {}: {error}", path.display(), directory.display());
            fs::create_dir_all(directory).map_err(failed)?;
            spool(open_input(path)?, directory, config.journal.max_bytes).map_err(failed)
        }
    }
}
