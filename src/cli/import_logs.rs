//! `truycap import` of access logs.

use std::{
    collections::HashMap,
    fs::{self, File},
    os::unix::fs::FileTypeExt,
    path::Path,
};

use chrono::Utc;
use indicatif::ProgressBar;

use super::{
    args::{self, ImportArguments},
    input::{is_standard_input, name, open_input},
    output::{Message, print, print_json},
    progress::{on_bar, style},
    stores::open_for_import,
};
use crate::{
    audience::Bots,
    config::Config,
    domain::{
        correction::{CorrectionKind, Note},
        site::Site,
    },
    transfer::logs::{Format, Log, LogSummary, Target, ViewRules, import_log},
};

/// A file: a log that is open already if it can be read only once.
struct Input<'a> {
    path: &'a Path,
    length: u64,
    log: Option<Log>,
}

/// Imports logs. Without a format, the first lines of each show it.
pub(super) async fn import(config: &Config, arguments: &ImportArguments, format: Option<Format>) -> Result<(), Message> {
    let site = site(config, arguments.site.as_deref())?;
    let bots = Bots::new(&config.bots).map_err(|error| error.to_string())?;
    let not_pages = arguments.not_pages.clone();
    let rules = ViewRules { site, bots: &bots, not_pages, until: arguments.until, now: Utc::now() };
    let (mut inputs, mut mistakes) = (Vec::new(), Vec::new());
    for path in &arguments.files {
        match check(path, format) {
            Ok(input) => inputs.push(input),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes.join("\n"));
    }
    let store = open_for_import(config, arguments.dry_run)?;
    let mut target = match (&store, arguments.dry_run) {
        (Some(store), false) => Target::Store(&**store),
        (store, _) => Target::DryRun(store.as_deref(), HashMap::new()),
    };
    let bar = ProgressBar::new(0).with_style(style("{msg} {wide_bar} {bytes}/{total_bytes} {eta}"));
    for input in inputs {
        let path = input.path;
        bar.set_message(format!("importing {}", path.display()));
        let summary = match import_one(&mut target, input, format, &rules, arguments, on_bar(&bar)).await {
            Ok(summary) => summary,
            // The other logs do not depend on this one.
            Err(error) => {
                mistakes.push(format!("{}: {error}", name(path)));
                continue;
            }
        };
        let print_summary = || {
            if arguments.json {
                return print_json(&summary.json(&path.display().to_string()));
            }
            print(&format!("{}: {summary}\n", name(path)))
        };
        bar.suspend(print_summary)?;
    }
    bar.finish_and_clear();
    if let Some(store) = store {
        store.close().await;
    }
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes.join("\n")) }
}

fn site<'a>(config: &'a Config, id: Option<&str>) -> Result<&'a Site, Message> {
    let known = || config.sites.iter().map(|site| site.id.as_str()).collect::<Vec<_>>().join(", ");
    let id = id.ok_or_else(|| format!("an access log does not name its site: add --site ID; configured: {}", known()))?;
    config.site(id).ok_or_else(|| format!("there is no site {id:?}; configured: {}", known()))
}

/// Looks at the first lines of a file. A regular file is opened again later, so that many do not need to be open at once.
fn check(path: &Path, format: Option<Format>) -> Result<Input<'_>, Message> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", name(path));
    let metadata = if is_standard_input(path) { None } else { Some(fs::metadata(path).map_err(|error| failed(&error))?) };
    let (length, is_file) = match &metadata {
        Some(metadata) if metadata.is_file() => (metadata.len(), true),
        Some(metadata) if !metadata.file_type().is_fifo() => {
            return Err(failed(&"not a file; name a file, a pipe, or - for standard input"));
        }
        _ => (0, false),
    };
    let log = Log::open(open_input(path)?, format).map_err(|error| failed(&format!("nothing was imported: {error}")))?;
    Ok(Input { path, length, log: Some(log).filter(|_| !is_file) })
}

/// The format of the files if they are access logs. If no format is given, the first file that has a complete line decides.
pub(super) fn format(arguments: &ImportArguments) -> Option<Option<Format>> {
    use args::Format as Named;
    match arguments.format {
        Named::Combined => Some(Some(Format::Combined)),
        Named::Common => Some(Some(Format::Common)),
        Named::Caddy => Some(Some(Format::Caddy)),
        Named::NginxJson => Some(Some(Format::NginxJson)),
        Named::W3c => Some(Some(Format::W3c)),
        Named::Auto => arguments.files.iter().find_map(|path| is_log(path)).filter(|is_log| *is_log).map(|_| None),
        _ => None,
    }
}

/// Whether a file is an access log, by its first lines. `None` if it has no complete line yet, as after a rotation, or cannot be
/// opened, which is reported later.
fn is_log(path: &Path) -> Option<bool> {
    if is_standard_input(path) {
        return Some(false);
    }
    // The open of a pipe would take lines from it.
    if !fs::metadata(path).ok()?.is_file() {
        return Some(false);
    }
    Log::open(File::open(path).ok()?, None).map_or(Some(false), |log| log.format().map(|_| true))
}

async fn import_one(
    target: &mut Target<'_>,
    input: Input<'_>,
    format: Option<Format>,
    rules: &ViewRules<'_>,
    arguments: &ImportArguments,
    mut progress: impl FnMut(u64, u64),
) -> Result<LogSummary, Message> {
    let log = match input.log {
        Some(log) => log,
        None => Log::open(open_input(input.path)?, format).map_err(|error| error.to_string())?,
    };
    let what = format!("{}{}", input.path.display(), options(log.format(), arguments));
    let note = Note { at: rules.now, kind: CorrectionKind::Import, what, reason: arguments.reason.clone(), undoes: None };
    let shown = |read: u64| progress(read, input.length.max(read));
    import_log(target, log, rules, note, shown).await.map_err(|error| error.to_string())
}

/// The options of the command, as the audit list shows them after the file.
fn options(format: Option<Format>, arguments: &ImportArguments) -> String {
    let format = format.map(|format| format!(" --format {}", format.name()));
    let site = arguments.site.as_ref().map(|site| format!(" --site {site}"));
    let until = arguments.until.map(|until| format!(" --until {until}"));
    let not_pages = arguments.not_pages.iter().map(|pattern| format!(" --not-pages {pattern}"));
    [format, site, until].into_iter().flatten().chain(not_pages).collect()
}
