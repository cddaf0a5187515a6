//! `truycap import`.

use chrono::Utc;
use indicatif::ProgressBar;

use super::{
    args::{self, ImportArguments},
    import_logs,
    input::{name, open_twice},
    output::{Message, print, print_json},
    progress::{on_bar, style},
    stores::open_for_import,
};
use crate::{
    config::Config,
    transfer::{self, Format, Reading},
};

pub(super) async fn import(config: &Config, arguments: &ImportArguments) -> Result<(), Message> {
    if let Some(format) = import_logs::format(arguments) {
        return import_logs::import(config, arguments, format).await;
    }
    let reading = reading(config, arguments)?;
    let bar = ProgressBar::new(0).with_style(style("{msg} {wide_bar} {bytes}/{total_bytes} {eta}"));
    let (mut checked, mut mistakes) = (Vec::with_capacity(arguments.files.len()), Vec::new());
    for file in &arguments.files {
        bar.set_message(format!("checking {}", file.display()));
        let open = open_twice(config, file);
        let check = |open| transfer::check(file, open, &reading, on_bar(&bar)).map_err(|error| error.to_string());
        match open.and_then(check) {
            Ok(file) => checked.push(file),
            Err(error) => mistakes.push(error),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes.join("\n"));
    }
    let store = open_for_import(config, arguments.dry_run)?;
    for (path, file) in arguments.files.iter().zip(&checked) {
        bar.set_message(format!("importing {}", path.display()));
        let summary = match &store {
            None => Ok(transfer::preview_without_store(file)),
            Some(store) if arguments.dry_run => transfer::preview(&**store, file).await,
            Some(store) => transfer::import(&**store, file, Utc::now(), &arguments.reason, on_bar(&bar)).await,
        };
        let summary = summary.map_err(|error| format!("{}: {error}", name(path)))?;
        let json = || print_json(&summary.as_json(path));
        bar.suspend(|| if arguments.json { json() } else { print(&format!("{}: {summary}\n", name(path))) })?;
    }
    bar.finish_and_clear();
    if let Some(store) = store {
        store.close().await;
    }
    Ok(())
}

/// How the files are read.
fn reading(config: &Config, arguments: &ImportArguments) -> Result<Reading, Message> {
    let site = arguments.site.as_ref().map(|given| {
        config.site(given).map(|site| site.id.clone()).ok_or_else(|| format!("site {given:?} is not one of the configured sites"))
    });
    Ok(Reading {
        sites: config.sites.iter().map(|site| (site.id.clone(), site.timezone)).collect(),
        site: site.transpose()?,
        format: match arguments.format {
            // The formats of access logs are not read here.
            args::Format::Auto
            | args::Format::Combined
            | args::Format::Common
            | args::Format::Caddy
            | args::Format::NginxJson
            | args::Format::W3c => None,
            args::Format::Csv => Some(Format::Csv),
            args::Format::Goatcounter => Some(Format::GoatCounter),
            args::Format::Matomo => Some(Format::Matomo),
            args::Format::Ga4 => Some(Format::Ga4),
            args::Format::Plausible => Some(Format::Plausible),
            args::Format::Umami => Some(Format::Umami),
        },
        until: arguments.until,
        today: Utc::now().date_naive(),
    })
}
