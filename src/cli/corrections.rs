//! `truycap adjust`, `rename`, `merge`, `delete`, `undo` and `audit`.

use std::{fmt::Write as _, path::Path, sync::Arc};

use chrono::{SecondsFormat, Utc};
use chrono_tz::Tz;
use indicatif::ProgressBar;
use serde_json::json;

use super::{
    args::OrderArguments,
    input::open_twice,
    missing_store::refuse_missing_store,
    output::{Message, print, print_json},
    progress::style,
    stores::{open, open_existing, unknown_site},
};
use crate::{
    config::Config,
    domain::{
        article::ArticleId,
        correction::AuditEntry,
        counts::{Kind, Subject},
        period::Bucket,
        site::SiteId,
        visible::visible,
    },
    store::Store,
    transfer::corrections::{self, Adjust, Changed, CorrectionError, Order, Pairs, Report, holds_site},
};

/// A store and the arguments that all corrections take.
struct Session<'a> {
    store: Arc<dyn Store>,
    arguments: &'a OrderArguments,
}

impl<'a> Session<'a> {
    fn open(config: &Config, arguments: &'a OrderArguments) -> Result<Self, Message> {
        refuse_missing_store(config)?;
        let store = if arguments.dry_run { open_existing(config)? } else { open(config)? };
        Ok(Self { store, arguments })
    }

    fn order(&self) -> Order<'_> {
        Order { store: &*self.store, at: Utc::now(), reason: &self.arguments.reason, dry_run: self.arguments.dry_run }
    }

    /// Shows the result, and closes the store.
    async fn end(self, report: Result<Report, CorrectionError>) -> Result<(), Message> {
        self.store.close().await;
        let report = report.map_err(|error| error.to_string())?;
        if self.arguments.json { print_json(&report) } else { print(&text(&report, self.arguments.dry_run)) }
    }
}

pub(super) async fn adjust(
    config: &Config,
    site: &str,
    (views, period): (i64, Bucket),
    (of, article): (Option<Kind>, Option<&str>),
    arguments: &OrderArguments,
) -> Result<(), Message> {
    let subject = match of {
        Some(kind) => Subject::Kind(kind),
        None => article.map(parsed).transpose()?.into(),
    };
    let adjust = Adjust { views, period, subject };
    let session = Session::open(config, arguments)?;
    let site = known_site(config, &*session.store, site).await?;
    let today = Utc::now().with_timezone(&timezone(config, &site)).date_naive();
    let report = corrections::adjust(&session.order(), &site, &adjust, today).await;
    session.end(report).await
}

pub(super) async fn rename(
    config: &Config,
    site: &str,
    pair: Option<(String, String)>,
    file: Option<&Path>,
    arguments: &OrderArguments,
) -> Result<(), Message> {
    let pairs = match (pair, file) {
        (_, Some(file)) => {
            let name = file.display();
            Pairs::read(&open_twice(config, file)?, &name.to_string()).map_err(|error| format!("{name}: {error}"))?
        }
        (Some((old, new)), None) => Pairs::one(parsed(&old)?, parsed(&new)?).map_err(|error| error.to_string())?,
        (None, None) => return Err("name the old and the new id, or a file with --file".into()),
    };
    let session = Session::open(config, arguments)?;
    let site = known_site(config, &*session.store, site).await?;
    let bar = bar("renaming {human_pos} articles {elapsed}");
    let report = corrections::rename(&session.order(), &site, &pairs, |done| bar.set_position(done)).await;
    bar.finish_and_clear();
    session.end(report).await
}

pub(super) async fn merge(config: &Config, from: &str, into: &str, arguments: &OrderArguments) -> Result<(), Message> {
    let session = Session::open(config, arguments)?;
    let from = known_site(config, &*session.store, from).await?;
    // Only a configured site is counted and shown.
    let into = config.sites.iter().find(|site| site.id.as_str() == into).ok_or_else(|| unknown_site(config, into))?;
    let bar = bar("merging {human_pos} articles {elapsed}");
    let report = corrections::merge(&session.order(), &from, &into.id, |done| bar.set_position(done)).await;
    bar.finish_and_clear();
    session.end(report).await
}

pub(super) async fn delete(config: &Config, site: &str, article: Option<&str>, arguments: &OrderArguments) -> Result<(), Message> {
    let article = article.map(parsed).transpose()?;
    let session = Session::open(config, arguments)?;
    let site = known_site(config, &*session.store, site).await?;
    let report = corrections::delete(&session.order(), &site, article.as_ref()).await;
    session.end(report).await
}

pub(super) async fn undo(config: &Config, site: &str, number: u64, arguments: &OrderArguments) -> Result<(), Message> {
    let session = Session::open(config, arguments)?;
    let site = known_site(config, &*session.store, site).await?;
    let bar = bar("taking back step {human_pos} {elapsed}");
    let report = corrections::undo(&session.order(), &site, number, |done, _| bar.set_position(done)).await;
    bar.finish_and_clear();
    session.end(report).await
}

pub(super) async fn audit(config: &Config, site: &str, json: bool) -> Result<(), Message> {
    let store = open_existing(config)?;
    let site = known_site(config, &*store, site).await?;
    let entries = corrections::audit_list(&*store, &site).await;
    store.close().await;
    let entries = entries.map_err(|error| error.to_string())?;
    if json {
        return print_json(&entries.iter().map(as_json).collect::<Vec<_>>());
    }
    if entries.is_empty() {
        return print(&format!("site {site} has no imports and no corrections\n"));
    }
    print(&corrections::audit_table(&entries, timezone(config, &site)))
}

fn as_json(entry: &AuditEntry) -> serde_json::Value {
    let AuditEntry { number, note, steps, site_views, article_views, undone_by, .. } = entry;
    json!({
        "number": number, "at": note.at.to_rfc3339_opts(SecondsFormat::Secs, true), "kind": note.kind.name(), "what": note.what,
        "reason": note.reason, "undoes": note.undoes, "undone_by": undone_by, "steps": steps, "site_views": site_views,
        "article_views": article_views,
    })
}

/// A site by its own id: one that is configured, or that the store has. Aliases do not count, because an old site can still have counts.
async fn known_site(config: &Config, store: &dyn Store, id: &str) -> Result<SiteId, Message> {
    let site = SiteId::parse(id).map_err(|error| error.to_string())?;
    if config.sites.iter().any(|known| known.id == site) || holds_site(store, &site).await.map_err(|error| error.to_string())? {
        return Ok(site);
    }
    match config.site(id) {
        Some(other) => Err(format!("{id} is an alias of site {}, and the store holds nothing under it", other.id)),
        None => Err(format!("{}; and the store holds nothing for it", unknown_site(config, id))),
    }
}

/// The time zone of a site, or of the one that it is an alias of.
fn timezone(config: &Config, site: &SiteId) -> Tz {
    config.site(site.as_str()).map_or(Tz::UTC, |site| site.timezone)
}

fn parsed(article: &str) -> Result<ArticleId, Message> {
    ArticleId::parse(article).map_err(|error| error.to_string())
}

fn bar(template: &str) -> ProgressBar {
    ProgressBar::no_length().with_style(style(template))
}

fn text(report: &Report, dry_run: bool) -> String {
    let Report { kind, site, number, changed, article_views, undo, notes } = report;
    let mut text = match number {
        Some(number) => format!("{kind}: correction {number} of site {site}\n"),
        None if dry_run => format!("{kind}: nothing was changed; it would change\n"),
        None => format!("{kind}: nothing was changed\n"),
    };
    for Changed { site, article, of, bucket, before, after } in changed {
        let of = of.map_or_else(String::new, |of| format!(", {of}"));
        let name = article.as_ref().map_or_else(|| format!("site {site}{of}"), |article| format!("{site} {}", visible(article)));
        let _ = writeln!(text, "  {name}: {bucket}: {before} → {after}");
    }
    if *article_views != 0 && changed.iter().all(|changed| changed.article.is_none()) {
        let _ = writeln!(text, "  articles: {article_views:+} views");
    }
    for note in notes {
        let _ = writeln!(text, "  {note}");
    }
    if let Some(undo) = undo {
        let _ = writeln!(text, "take it back with: {undo}");
    }
    text
}
