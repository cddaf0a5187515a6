//! The log on standard error, with timestamps in UTC: text for people, or JSON for machines.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io, panic,
    sync::OnceLock,
    thread,
    time::Duration,
};

use prometheus::IntCounter;
use tracing::{Level, error};
use tracing_subscriber::{
    Layer, Registry,
    filter::LevelFilter,
    fmt::{self, writer::BoxMakeWriter},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use super::log_queue::{self, LogWriter};

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

/// How long the end of the process waits for standard error to take the last lines.
pub(crate) const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Starts the log of a command for the whole process: what it logs is written before it continues. With `terminal`, text is
/// coloured. Only the first call has an effect.
pub fn init(config: Config, terminal: bool) {
    subscribe(config, terminal, BoxMakeWriter::new(io::stderr));
}

/// Starts the log of the service for the whole process. A thread of its own writes it, so that nothing waits for standard error,
/// and panics are lines of the log too. Keep the guard until the process ends. Only the first call has an effect.
///
/// # Errors
/// If the thread cannot be started.
pub fn init_service(config: Config, terminal: bool) -> io::Result<LogGuard> {
    log_queue::start()?;
    subscribe(config, terminal, BoxMakeWriter::new(LogWriter));
    panic::set_hook(Box::new(log_panic));
    Ok(LogGuard(()))
}

/// Dropping it gives standard error a second to take the last lines.
#[derive(Debug)]
#[must_use]
pub struct LogGuard(());

impl Drop for LogGuard {
    fn drop(&mut self) {
        log_queue::flush(FLUSH_TIMEOUT);
    }
}

/// The counter of log lines that were left out because standard error did not take them.
#[must_use]
pub fn dropped_lines() -> IntCounter {
    log_queue::dropped()
}

fn subscribe(config: Config, terminal: bool, writer: BoxMakeWriter) {
    let (level, handle) = reload::Layer::new(LevelFilter::from_level(config.level));
    // The layer would report its own errors to standard error too.
    let lines = fmt::layer().with_writer(writer).log_internal_errors(false);
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

/// The default hook would write to standard error itself, and wait for it.
fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    let thread = thread::current();
    let payload = panic.payload();
    let reason = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let (thread, reason) = (thread.name().unwrap_or("unnamed"), reason.unwrap_or("no message"));
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    // Empty unless RUST_BACKTRACE asks for it.
    let backtrace = match Backtrace::capture() {
        captured if captured.status() == BacktraceStatus::Captured => captured.to_string(),
        _ => String::new(),
    };
    error!(event = "thread_panicked", thread, location, reason, backtrace, "a thread panicked: this is a mistake in truycap");
}

/// Logs messages of this level and more serious ones from now on.
pub fn set_level(level: Level) {
    if let Some(handle) = LEVEL.get() {
        // Fails only if the log is gone.
        let _ = handle.modify(|filter| *filter = LevelFilter::from_level(level));
    }
}
