//! What commands print: results to standard output, errors to standard error.

use std::io::{self, Write};

use serde::Serialize;

/// An error message for the user.
pub(super) type Message = String;

pub(super) fn print_error(message: &str) {
    // If standard error is closed, there is no place to report that.
    let _ = writeln!(io::stderr(), "truycap: {message}");
}

/// Writes to standard output. A closed pipe is not an error.
pub(super) fn print(text: &str) -> Result<(), Message> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("cannot write: {error}")),
        _ => Ok(()),
    }
}

/// Writes JSON on one line to standard output.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Message> {
    let text = serde_json::to_string(value).map_err(|error| error.to_string())?;
    print(&(text + "\n"))
}
