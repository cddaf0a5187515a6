//! The command line.
//!
//! Exit codes: 0 done; 1 it did not work, and standard error says why; 2 the command line or the configuration is wrong.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use chrono::Utc;
use clap::{CommandFactory, Parser};
use clap_complete::Shell;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;
use tokio::runtime;
use tracing::{Level, error};

use crate::{
    app,
    config::{Config, Mistakes, StoreUrl},
    domain::{article::ArticleId, site::SiteId},
    store::Store,
    telemetry::logging,
    transfer,
};

mod args;
mod check;
mod health;

use args::{Cli, Command};

/// Something that did not work, in a sentence for a person.
type Sentence = String;

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
    if let Some(Command::Completions { shell }) = cli.command {
        return ended(completions(shell));
    }
    let environment: Vec<_> = environment.into_iter().collect();
    let load = || Config::load(cli.config.as_deref(), environment.iter().cloned());
    let config = match load() {
        Ok(config) => config,
        Err(mistakes) => {
            complain(&format!("the configuration is wrong:\n{mistakes}"));
            return ExitCode::from(2);
        }
    };
    carry_out(cli.command.unwrap_or(Command::Serve), config, load)
}

fn ended(outcome: Result<(), Sentence>) -> ExitCode {
    match outcome {
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

fn carry_out(command: Command, config: Config, load: impl Fn() -> Result<Config, Mistakes>) -> ExitCode {
    let serving = matches!(command, Command::Serve);
    // What other commands say is for whoever called them.
    let log = if serving { config.log } else { logging::Config { level: Level::WARN, format: logging::Format::Text } };
    logging::init(log, io::stderr().is_terminal());
    let mut builder = if serving { runtime::Builder::new_multi_thread() } else { runtime::Builder::new_current_thread() };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ended(Err(format!("cannot start: {error}"))),
    };
    let outcome = runtime.block_on(async {
        match command {
            Command::Serve => serve(config, load).await,
            Command::Import { files, json } => import(&config, &files, json).await,
            Command::Export { site } => export(&config, site.as_deref()).await,
            Command::Figures { site, article, json } => figures(&config, &site, article.as_deref(), json).await,
            Command::Check { json } => check::check(&config, json).await,
            Command::Health { json } => health::health(config.listen.admin, json),
            // Was carried out before there was a configuration.
            Command::Completions { .. } => Ok(()),
        }
    });
    let code = match outcome {
        // Whoever reads the log of a service finds its end there, and in the log's form.
        Err(error) if serving => {
            error!(error, "the service ends");
            ExitCode::FAILURE
        }
        outcome => ended(outcome),
    };
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

async fn serve(config: Config, load: impl Fn() -> Result<Config, Mistakes>) -> Result<(), Sentence> {
    // Each connection takes a descriptor; the usual soft limit is less than the connections allowed.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    app::run(config, load).await.map_err(|failure| failure.to_string())
}

fn completions(shell: Shell) -> Result<(), Sentence> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "truycap", &mut script);
    say(&String::from_utf8_lossy(&script))
}

async fn import(config: &Config, files: &[PathBuf], json: bool) -> Result<(), Sentence> {
    let sites: BTreeSet<SiteId> = config.sites.iter().map(|site| site.id.clone()).collect();
    let bar = ProgressBar::new(0).with_style(style("{msg} {wide_bar} {bytes}/{total_bytes} {eta}"));
    let (mut checked, mut mistakes) = (Vec::with_capacity(files.len()), Vec::new());
    for file in files {
        bar.set_message(format!("checking {}", file.display()));
        match transfer::check(file, &sites, Utc::now().date_naive(), on_bar(&bar)) {
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
        let outcome = transfer::import(&*store, file, on_bar(&bar)).await.map_err(|error| format!("{}: {error}", path.display()))?;
        bar.suspend(|| if json { say_json(&imported(path, outcome)) } else { say(&format!("{}: {outcome}\n", path.display())) })?;
    }
    bar.finish_and_clear();
    store.close().await;
    Ok(())
}

fn imported(path: &Path, outcome: transfer::ImportSummary) -> impl Serialize {
    json!({ "file": path, "rows": outcome.rows, "chunks": outcome.chunks, "applied": outcome.applied })
}

async fn export(config: &Config, site: Option<&str>) -> Result<(), Sentence> {
    let mut sites: Vec<SiteId> = match site {
        Some(site) => vec![SiteId::parse(site).map_err(|error| error.to_string())?],
        None => config.sites.iter().map(|site| site.id.clone()).collect(),
    };
    sites.sort();
    let store = open_existing(config)?;
    let bar = ProgressBar::no_length().with_style(style("exporting {human_pos} rows {elapsed}"));
    let progress = |rows| bar.set_position(rows);
    transfer::export(&*store, &sites, io::BufWriter::new(io::stdout().lock()), progress).await.map_err(|error| error.to_string())?;
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

async fn figures(config: &Config, site: &str, article: Option<&str>, json: bool) -> Result<(), Sentence> {
    let site = config.sites.iter().find(|known| known.id.as_str() == site).ok_or_else(|| {
        let known: Vec<_> = config.sites.iter().map(|site| site.id.as_str()).collect();
        format!("there is no site {site:?}; configured: {}", known.join(", "))
    })?;
    let article = article.map(ArticleId::parse).transpose().map_err(|error| error.to_string())?;
    let store = open_existing(config)?;
    let today = site.day(Utc::now());
    let figures = transfer::figures(&*store, &site.id, article.as_ref(), today).await.map_err(|error| error.to_string())?;
    store.close().await;
    if json {
        return say_json(
            &json!({ "site": site.id.as_str(), "article": article.as_ref().map(ArticleId::as_str), "day": today.to_string(), "figures": figures }),
        );
    }
    say(&transfer::as_text(&figures))
}

fn open(config: &Config) -> Result<Arc<dyn Store>, Sentence> {
    app::open_store(config).map_err(|failure| failure.to_string())
}

/// Opens the store for a command that only reads. A new file would have nothing in it, and hide that the old one is elsewhere.
fn open_existing(config: &Config) -> Result<Arc<dyn Store>, Sentence> {
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

/// Writes JSON on one line to standard output.
fn say_json(value: &impl Serialize) -> Result<(), Sentence> {
    let text = serde_json::to_string(value).map_err(|error| error.to_string())?;
    say(&(text + "\n"))
}

/// Shows a file's progress on a bar that another file has used.
fn on_bar(bar: &ProgressBar) -> impl FnMut(u64, u64) {
    bar.reset();
    let mut shown_length = None;
    move |bytes, length| {
        if shown_length.replace(length) != Some(length) {
            bar.set_length(length);
        }
        bar.set_position(bytes);
    }
}

/// A progress bar's look. It is drawn on standard error, and only on a terminal.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
