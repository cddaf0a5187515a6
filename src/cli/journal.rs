//! `truycap journal`: what waits in the journal for the store, and how it gets there.

use std::{collections::HashSet, fs, path::Path, process::ExitCode, time::Duration};

use chrono::SecondsFormat;
use serde::Serialize;

use super::{
    health,
    missing_store::{is_missing, refuse_missing_store},
    output::{Message, print, print_json},
};
use crate::{
    app::{RunError, StartError, drain},
    config::Config,
    http::JournalAnswer,
    journal::{
        Backlog,
        sqlite::{OpenError, SurveyError, survey},
    },
};

/// The exit code of `truycap journal status` if something waits.
const WAITS: u8 = 3;

/// The most sites that a text names.
const NAMED: usize = 20;

/// What waits in the configured journal.
pub(super) struct Status {
    /// Whether a running service said so.
    pub(super) running: bool,
    pub(super) backlog: Backlog,
}

/// Looks into the journal, or asks the running service if that has it open.
pub(super) fn look(config: &Config) -> Result<Status, Message> {
    match survey(&config.journal.path) {
        Ok(survey) => Ok(Status { running: false, backlog: survey.backlog() }),
        Err(held @ SurveyError::Held { .. }) => {
            let backlog = ask(config).map_err(|error| format!("{held}, which was not reached by listen.admin: {error}"))?;
            Ok(Status { running: true, backlog })
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Asks the service at the configured admin listener, which must be the one with this journal.
fn ask(config: &Config) -> Result<Backlog, Message> {
    let address = config.listen.admin;
    let (status, body) = health::get(address, "/-/journal")?;
    if status != 200 {
        return Err(format!("{address} is not the admin listener of a truycap of this version"));
    }
    let JournalAnswer { journal, backlog } = serde_json::from_str(&body).map_err(|error| error.to_string())?;
    let real = |path: &Path| fs::canonicalize(path).ok();
    match real(&journal) {
        Some(path) if Some(&path) == real(&config.journal.path).as_ref() => Ok(backlog),
        _ => Err(format!("{address} is a truycap with another journal, {}", journal.display())),
    }
}

/// Prints what waits.
pub(super) fn status(config: &Config, json: bool) -> Result<ExitCode, Message> {
    #[derive(Serialize)]
    struct Report<'a> {
        journal: &'a Path,
        running: bool,
        #[serde(flatten)]
        backlog: &'a Backlog,
    }
    let Status { running, backlog } = look(config)?;
    let journal = config.journal.path.as_path();
    if json {
        print_json(&Report { journal, running, backlog: &backlog })?;
    } else {
        let source = match (running, backlog.is_empty()) {
            (true, _) => "by what the running service knows\n",
            (false, true) => "by what the journal knows of the store\n",
            (false, false) => "by what the journal knows of the store; the store can have some of it already\n",
        };
        print(&format!("journal: {}: {}\n{source}", journal.display(), text(&backlog, config)))?;
    }
    Ok(if backlog.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(WAITS) })
}

/// What waits, in a line for all sites and one for each.
pub(super) fn text(backlog: &Backlog, config: &Config) -> String {
    let Some(oldest) = backlog.oldest else { return "nothing waits for the store".into() };
    let time = |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let Backlog { entries, views, sites, .. } = backlog;
    let mut text = format!("{views} views in {entries} entries wait for the store, the oldest since {}", time(oldest));
    let configured: HashSet<_> = config.sites.iter().map(|site| site.id.as_str()).collect();
    for site in sites.iter().take(NAMED) {
        let note = if configured.contains(site.site.as_str()) { "" } else { "; not configured" };
        text += &format!("\n  {}: {} views in {} entries, since {}{note}", site.site, site.views, site.entries, time(site.oldest));
    }
    if sites.len() > NAMED {
        text += &format!("\n  and {} more sites; --json names all", sites.len() - NAMED);
    }
    text
}

/// Applies what waits, and prints what was applied. What is left is an error.
pub(super) async fn drain(config: &Config, patience: Duration) -> Result<(), Message> {
    let journal = config.journal.path.display();
    if is_missing(&config.journal.path) {
        return Err(SurveyError::Missing(config.journal.path.clone()).to_string());
    }
    refuse_missing_store(config)?;
    let report = drain::drain(config, patience).await.map_err(|error| match error {
        RunError::Start(StartError::OpenJournal(OpenError::InUse(_))) => {
            format!("the journal {journal} is held by another process: a running service applies what waits itself; stop it first")
        }
        RunError::Start(error) => error.to_string(),
        error => error.to_string(),
    })?;
    if report.complete {
        let Backlog { views, sites, .. } = &report.before;
        let applied = if sites.is_empty() { String::new() } else { format!("{views} views of {} sites were applied; ", sites.len()) };
        return print(&format!("journal: {journal}: {applied}the store has everything\n"));
    }
    if report.after.is_empty() {
        return Err(format!("the journal {journal} is not drained: the store has not answered for all of its sites"));
    }
    Err(format!("the journal {journal} is not drained: {}", text(&report.after, config)))
}
