//! The log on standard error, with timestamps in UTC: text for people, or JSON for machines.

use std::{io, sync::OnceLock};

use tracing::Level;
use tracing_subscriber::{Layer, Registry, filter::LevelFilter, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};

/// What is logged, and in which format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The least serious messages that are logged.
    pub level: Level,
    /// The format of a line.
    pub format: Format,
}

/// The format of the log's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Text for people.
    Text,
    /// One JSON object.
    Json,
}

/// The level of the process's log, which can be changed.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// Starts the log for the whole process. With `terminal`, text is coloured. Only the first call has an effect.
pub fn init(config: Config, terminal: bool) {
    let (level, handle) = reload::Layer::new(LevelFilter::from_level(config.level));
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match config.format {
        Format::Json => lines.json().flatten_event(true).boxed(),
        Format::Auto if !terminal => lines.json().flatten_event(true).boxed(),
        Format::Auto | Format::Text => lines.with_ansi(terminal).boxed(),
    };
    // Fails if a log has been started already.
    if tracing_subscriber::registry().with(level).with(lines).try_init().is_ok() {
        let _ = LEVEL.set(handle);
    }
}

/// Logs messages of this level and more serious ones from now on.
pub fn set_level(level: Level) {
    if let Some(handle) = LEVEL.get() {
        // Fails only if the log is gone.
        let _ = handle.modify(|filter| *filter = LevelFilter::from_level(level));
    }
}
