//! The command line.
//!
//! Exit codes: 0 done; 1 it did not work, and standard error says why; 2 the command line or the configuration is wrong.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use chrono::Utc;
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime;
use tracing::Level;

use crate::{
    app::{self, ConfiguredStore},
    config::{Config, StoreUrl},
    domain::{article::ArticleId, site::SiteId},
    telemetry::logging,
    transfer,
};

mod check;

/// Something that did not work, in a sentence for a person.
type Sentence = String;

/// A visitor counter for web portals: each view is counted exactly once.
#[derive(Debug, Parser)]
#[command(name = "truycap", version)]
struct Cli {
    /// The configuration file; without it, and for what it does not say, the built-in configuration holds
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service (the same as no command)
    Serve,
    /// Add counts from elsewhere: CSV files with the columns site,article,period,views or site,article,bucket,views
    ///
    /// All files are checked before anything is added. A file that was imported before adds nothing; one whose import
    /// broke off goes on where it stopped. The service may run meanwhile.
    Import {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Write every bucket as CSV to standard output, in a form that import reads
    Export {
        /// Only this site, which need not be configured any more
        #[arg(long)]
        site: Option<String>,
    },
    /// Show the nine figures of a site, or of one of its articles
    Figures {
        /// The site's id
        site: String,
        /// The article's id
        #[arg(long)]
        article: Option<String>,
    },
    /// Tell whether the configuration is right, and whether journal and store can be used
    Check,
}

/// Runs the command that the arguments name.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: impl IntoIterator<Item = (OsString, OsString)>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        // Help and version come as errors too; clap knows the exit code and the stream of each.
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let config = match Config::load(cli.config.as_deref(), environment) {
        Ok(config) => config,
        Err(mistakes) => {
            complain(&format!("the configuration is wrong:\n{mistakes}"));
            return ExitCode::from(2);
        }
    };
    match carry_out(cli.command.unwrap_or(Command::Serve), config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            complain(&sentence);
            ExitCode::FAILURE
        }
    }
}

fn complain(sentence: &str) {
    // Where standard error is gone, nobody is left to tell.
    let _ = writeln!(io::stderr(), "truycap: {sentence}");
}

fn carry_out(command: Command, config: Config) -> Result<(), Sentence> {
    let serving = matches!(command, Command::Serve);
    // What other commands say is for whoever called them.
    let log = if serving { config.log } else { logging::Config { level: Level::WARN, format: logging::Format::Text } };
    logging::init(log, io::stderr().is_terminal());
    let mut builder = if serving { runtime::Builder::new_multi_thread() } else { runtime::Builder::new_current_thread() };
    let runtime = builder.enable_all().build().map_err(|error| format!("cannot start: {error}"))?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Serve => serve(config).await,
            Command::Import { files } => import(&config, &files).await,
            Command::Export { site } => export(&config, site.as_deref()).await,
            Command::Figures { site, article } => figures(&config, &site, article.as_deref()).await,
            Command::Check => check::check(&config).await,
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn serve(config: Config) -> Result<(), Sentence> {
    // Each connection takes a descriptor; the usual soft limit is less than the connections allowed.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    app::run(config).await.map_err(|failure| failure.to_string())
}

async fn import(config: &Config, files: &[PathBuf]) -> Result<(), Sentence> {
    let sites: BTreeSet<SiteId> = config.sites.iter().map(|site| site.id.clone()).collect();
    let bar = ProgressBar::new(0).with_style(style("{msg} {wide_bar} {bytes}/{total_bytes} {eta}"));
    let (mut checked, mut mistakes) = (Vec::with_capacity(files.len()), Vec::new());
    for file in files {
        bar.set_message(format!("checking {}", file.display()));
        match transfer::check(file, &sites, Utc::now().date_naive(), &bar) {
            Ok(file) => checked.push(file),
            Err(error) => mistakes.push(error.to_string()),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes.join("\n"));
    }
    let store = open(config)?;
    for (path, file) in files.iter().zip(&checked) {
        bar.set_message(format!("importing {}", path.display()));
        let outcome = transfer::import(&store, file, &bar).await.map_err(|error| format!("{}: {error}", path.display()))?;
        bar.suspend(|| say(&format!("{}: {outcome}\n", path.display())))?;
    }
    bar.finish_and_clear();
    store.close().await;
    Ok(())
}

async fn export(config: &Config, site: Option<&str>) -> Result<(), Sentence> {
    let mut sites: Vec<SiteId> = match site {
        Some(site) => vec![SiteId::parse(site).map_err(|error| error.to_string())?],
        None => config.sites.iter().map(|site| site.id.clone()).collect(),
    };
    sites.sort();
    let store = open_existing(config)?;
    let bar = ProgressBar::no_length().with_style(style("exporting {human_pos} rows {elapsed}"));
    transfer::export(&store, &sites, io::BufWriter::new(io::stdout().lock()), &bar).await.map_err(|error| error.to_string())?;
    bar.finish_and_clear();
    store.close().await;
    match sites.iter().find(|site| config.sites.iter().all(|known| known.id != **site)) {
        // More likely misspelt than taken out of the configuration before it was counted once.
        Some(unknown) if bar.position() == 0 => {
            Err(format!("there is no site {unknown}: it is not configured, and {} has nothing of it", config.store))
        }
        _ => Ok(()),
    }
}

async fn figures(config: &Config, site: &str, article: Option<&str>) -> Result<(), Sentence> {
    let site = config.sites.iter().find(|known| known.id.as_str() == site).ok_or_else(|| {
        let known: Vec<_> = config.sites.iter().map(|site| site.id.as_str()).collect();
        format!("there is no site {site:?}; configured: {}", known.join(", "))
    })?;
    let article = article.map(ArticleId::parse).transpose().map_err(|error| error.to_string())?;
    let store = open_existing(config)?;
    let text = transfer::figures(&store, &site.id, article.as_ref(), site.day(Utc::now())).await.map_err(|error| error.to_string())?;
    store.close().await;
    say(&text)
}

fn open(config: &Config) -> Result<ConfiguredStore, Sentence> {
    app::open_store(config).map_err(|failure| failure.to_string())
}

/// Opens the store for a command that only reads. A new file would have nothing in it, and hide that the old one is elsewhere.
fn open_existing(config: &Config) -> Result<ConfiguredStore, Sentence> {
    match &config.store {
        StoreUrl::Sqlite(path) if matches!(path.try_exists(), Ok(false)) => {
            Err(format!("there is no store {}; is this the right directory, and the right configuration?", config.store))
        }
        _ => open(config),
    }
}

/// Writes to standard output; a reader that has gone away is no mistake.
fn say(text: &str) -> Result<(), Sentence> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("cannot write: {error}")),
        _ => Ok(()),
    }
}

/// A progress bar's look. It is drawn on standard error, and only on a terminal.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
