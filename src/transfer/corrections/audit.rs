//! `truycap audit`: the corrections of a site.

use std::fmt::Write as _;

use chrono_tz::Tz;

use super::error::CorrectionError;
use crate::{
    domain::{correction::AuditEntry, site::SiteId, visible::visible},
    store::Store,
    transfer::steps::audit,
};

/// The width of the table, in characters.
const WIDTH: usize = 100;

/// The corrections of a site, in the order of their numbers.
///
/// # Errors
/// If the store cannot be used.
pub async fn audit_list(store: &dyn Store, site: &SiteId) -> Result<Vec<AuditEntry>, CorrectionError> {
    Ok(audit(store, site).await?)
}

/// A table of corrections with the times of a time zone.
#[must_use]
pub fn audit_table(entries: &[AuditEntry], timezone: Tz) -> String {
    let signed = |views: i64| if views == 0 { "0".into() } else { format!("{views:+}") };
    let rows = entries.iter().map(|entry| [entry.number.to_string(), signed(entry.site_views), signed(entry.article_views)]);
    let rows: Vec<_> = rows.collect();
    let heads = ["no.", "site", "articles"];
    let width = |column: usize| rows.iter().map(|row| row[column].len()).chain([heads[column].len()]).max().unwrap_or_default();
    let [number, site, articles] = [0, 1, 2].map(width);
    let mut text = format!("{:>number$}  {:<16}  {:<6}  {:>site$}  {:>articles$}  what\n", heads[0], "time", "kind", heads[1], heads[2]);
    let room = WIDTH.saturating_sub(number + site + articles + 32).max(16);
    for (entry, [no, of_site, of_articles]) in entries.iter().zip(&rows) {
        let (time, kind) = (entry.note.at.with_timezone(&timezone).format("%Y-%m-%d %H:%M"), entry.note.kind.name());
        let what = cut(&entry.note.what, room);
        let _ = writeln!(text, "{no:>number$}  {time}  {kind:<6}  {of_site:>site$}  {of_articles:>articles$}  {what}");
        let reason = (!entry.note.reason.is_empty()).then(|| format!("reason: {}", entry.note.reason));
        let undone = entry.undone_by.map(|by| format!("undone by {by}"));
        for line in [undone, reason].into_iter().flatten() {
            let _ = writeln!(text, "{:number$}  {}", "", cut(&line, WIDTH - number - 2));
        }
    }
    text
}

/// At most so many characters of a text, with hidden ones as escapes.
fn cut(text: &str, room: usize) -> String {
    let text = visible(text);
    if text.chars().count() <= room { text.into_owned() } else { text.chars().take(room - 1).chain(['…']).collect() }
}
