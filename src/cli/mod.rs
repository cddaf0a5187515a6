//! The command line.
//!
//! Exit codes: 0 success; 1 failure, with the reason on standard error; 2 an invalid command line or configuration; 3 views wait
//! in the journal.

use std::{
    ffi::OsString,
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use chrono::Utc;
use clap::{CommandFactory, Parser};
use clap_complete::Shell;
use indicatif::ProgressBar;
use serde_json::json;
use tokio::runtime;
use tracing::{Level, error, warn};

use crate::{
    app::{self, RunError},
    config::{Config, DEFAULT, Mistakes},
    domain::{article::ArticleId, site::SiteId},
    telemetry::logging,
    transfer::{self, Dialect},
};

mod args;
mod backup;
mod check;
mod corrections;
mod explain;
mod file_place;
mod health;
mod import;
mod import_logs;
mod input;
mod journal;
mod missing_store;
mod output;
mod progress;
mod reload;
mod stores;

use args::{Cli, Command, JournalCommand};
use output::{Message, print, print_error, print_json};
use progress::style;
use stores::{open_existing, unknown_site};

/// How long the runtime's threads can take to end after a command.
const END_THREADS: Duration = Duration::from_secs(1);

// Container engines kill a service that has not stopped within ten seconds.
const _: () = assert!(app::STOP.saturating_add(END_THREADS).saturating_add(logging::FLUSH_TIMEOUT).as_millis() < 10_000);

/// Runs the command that the arguments name.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: impl IntoIterator<Item = (OsString, OsString)>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        // clap returns help and version as errors too; it knows the stream of each.
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let environment: Vec<_> = environment.into_iter().collect();
    let admin = || Config::admin_listener(cli.config.as_deref(), environment.iter().cloned());
    match cli.command {
        Some(Command::Completions { shell }) => return exit_code(completions(shell)),
        Some(Command::Config { effective: false }) => return exit_code(print(DEFAULT)),
        // A service that refused its new configuration goes on with the previous one, so mistakes do not matter here.
        Some(Command::Health { json }) => return admin().map_or_else(invalid, |admin| exit_code(health::health(admin, json))),
        Some(Command::Reload { json }) => return admin().map_or_else(invalid, |admin| exit_code(reload::reload(admin, json))),
        _ => {}
    }
    let load = move || Config::load(cli.config.as_deref(), environment.iter().cloned());
    let config = match load() {
        Ok(config) => config,
        Err(mistakes) => return invalid(mistakes),
    };
    run_command(cli.command.unwrap_or(Command::Serve), config, load)
}

fn invalid(mistakes: Mistakes) -> ExitCode {
    print_error(&format!("the configuration is invalid:\n{mistakes}"));
    ExitCode::from(2)
}

fn exit_code(result: Result<(), Message>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            print_error(&message);
            ExitCode::FAILURE
        }
    }
}

fn run_command(command: Command, config: Config, load: impl Fn() -> Result<Config, Mistakes> + Send + Sync + 'static) -> ExitCode {
    let serving = matches!(command, Command::Serve);
    // The output of other commands is for the user, not for a log collector.
    let terminal = io::stderr().is_terminal();
    // Outlives the runtime, whose last tasks can still log.
    let _log = if serving {
        match logging::init_service(config.log, terminal) {
            Ok(guard) => Some(guard),
            Err(error) => return exit_code(Err(format!("cannot start: {error}"))),
        }
    } else {
        logging::init(logging::Config { level: Level::WARN, format: logging::Format::Text }, terminal);
        None
    };
    let mut builder = if serving { runtime::Builder::new_multi_thread() } else { runtime::Builder::new_current_thread() };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit_code(Err(format!("cannot start: {error}"))),
    };
    let code = runtime.block_on(async {
        match command {
            Command::Serve => serve(config, load).await,
            Command::Import(arguments) => exit_code(import::import(&config, &arguments).await),
            Command::Export { site, excel } => exit_code(export(&config, site.as_deref(), excel).await),
            Command::Backup { file, replace } => exit_code(backup::backup(&config, &file, replace).await),
            Command::Restore { file, replace } => exit_code(backup::restore(&config, &file, replace).await),
            Command::Figures { site, article, json } => exit_code(figures(&config, &site, article.as_deref(), json).await),
            Command::Adjust { site, views, period, article, of, order } => {
                exit_code(corrections::adjust(&config, &site, (views, period), (of, article.as_deref()), &order).await)
            }
            Command::Rename { site, old, new, file, order } => {
                exit_code(corrections::rename(&config, &site, old.zip(new), file.as_deref(), &order).await)
            }
            Command::Merge { from, into, order } => exit_code(corrections::merge(&config, &from, &into, &order).await),
            Command::Delete { site, article, order } => exit_code(corrections::delete(&config, &site, article.as_deref(), &order).await),
            Command::Undo { site, number, order } => exit_code(corrections::undo(&config, &site, number, &order).await),
            Command::Audit { site, json } => exit_code(corrections::audit(&config, &site, json).await),
            Command::Explain(arguments) => exit_code(explain::explain(&config, &arguments).await),
            Command::Check { full, json } => exit_code(check::check(&config, full, json).await),
            Command::Journal(JournalCommand::Status { json }) => match journal::status(&config, json) {
                Ok(code) => code,
                Err(message) => exit_code(Err(message)),
            },
            Command::Journal(JournalCommand::Drain { timeout }) => exit_code(journal::drain(&config, timeout).await),
            Command::Config { .. } => exit_code(print(&config.to_toml())),
            // Done before the configuration was loaded.
            Command::Health { .. } | Command::Reload { .. } | Command::Completions { .. } => ExitCode::SUCCESS,
        }
    });
    runtime.shutdown_timeout(END_THREADS);
    code
}

/// Runs the service. Its errors are lines of the log, in the log's format.
async fn serve(config: Config, load: impl Fn() -> Result<Config, Mistakes> + Send + Sync + 'static) -> ExitCode {
    // Each connection needs a file descriptor, and the usual soft limit is less than the maximum number of connections.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        warn!(event = "open_files_not_raised", %error, "cannot raise the limit of open files");
    }
    match app::run(config, load).await {
        Ok(()) => return ExitCode::SUCCESS,
        Err(RunError::Start(error)) => error!(event = "start_failed", %error, "cannot start"),
        Err(error) => error!(event = "service_failed", %error, "the service failed"),
    }
    ExitCode::FAILURE
}

fn completions(shell: Shell) -> Result<(), Message> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "truycap", &mut script);
    print(&String::from_utf8_lossy(&script))
}

async fn export(config: &Config, site: Option<&str>, excel: bool) -> Result<(), Message> {
    let mut sites: Vec<SiteId> = match site {
        Some(site) => vec![SiteId::parse(site).map_err(|error| error.to_string())?],
        None => config.sites.iter().map(|site| site.id.clone()).collect(),
    };
    sites.sort();
    let store = open_existing(config)?;
    let bar = ProgressBar::no_length().with_style(style("exporting {human_pos} rows {elapsed}"));
    let mut rows = 0;
    let progress = |written| {
        rows = written;
        bar.set_position(written);
    };
    let dialect = if excel { Dialect::Excel } else { Dialect::Plain };
    let out = io::BufWriter::new(io::stdout().lock());
    transfer::export(&*store, &sites, dialect, out, progress).await.map_err(|error| error.to_string())?;
    bar.finish_and_clear();
    store.close().await;
    match sites.iter().find(|site| config.sites.iter().all(|known| known.id != **site)) {
        // More likely misspelt than removed from the configuration before its first view.
        Some(unknown) if rows == 0 => {
            Err(format!("there is no site {unknown}: it is not configured, and {} holds nothing for it", config.store))
        }
        _ => Ok(()),
    }
}

async fn figures(config: &Config, site: &str, article: Option<&str>, json: bool) -> Result<(), Message> {
    let site = config.site(site).ok_or_else(|| unknown_site(config, site))?;
    let article = article.map(ArticleId::parse).transpose().map_err(|error| error.to_string())?;
    let store = open_existing(config)?;
    let today = site.day(Utc::now());
    let figures = transfer::figures(&*store, &site.id, article.as_ref(), today).await.map_err(|error| error.to_string())?;
    store.close().await;
    if json {
        return print_json(
            &json!({ "site": site.id.as_str(), "article": article.as_ref().map(ArticleId::as_str), "day": today.to_string(), "figures": figures }),
        );
    }
    print(&transfer::as_text(&figures))
}
