//! The log: lines of text on standard error, with instants in UTC.

use std::io;

use tracing::Level;

/// Starts the log for the whole process: messages of `level` and more serious ones.
///
/// With `terminal`, levels are coloured. Only the first call has an effect.
pub fn init(level: Level, terminal: bool) {
    // An error says that somebody has started a log already.
    let _ = tracing_subscriber::fmt().with_max_level(level).with_ansi(terminal).with_writer(io::stderr).try_init();
}
