//! `truycap rename`: the views of articles moved to other ids.

use sha2::{Digest as _, Sha256};

use super::{
    course::Course,
    error::CorrectionError,
    order::{Order, quoted, take_away},
    pairs::Pairs,
    report::Report,
};
use crate::domain::{
    article::ArticleId,
    correction::{Change, CorrectionKind, MAX_CHANGES},
    counts::Subject,
    period::Bucket,
    site::SiteId,
    visible::visible,
};

const KIND: CorrectionKind = CorrectionKind::Rename;

/// Moves all views of each old article to the new one. The site's figures do not change. `progress` is called with the number of
/// articles done.
///
/// Each step moves what the old article has at that moment, from one to the other. What is counted for the old article later
/// stays there until the command is given again.
///
/// # Errors
/// If no old article has views, or the store cannot be used.
pub async fn rename(order: &Order<'_>, site: &SiteId, pairs: &Pairs, mut progress: impl FnMut(u64)) -> Result<Report, CorrectionError> {
    let mut report = Report::new(KIND, site);
    let mut course = None;
    if !order.dry_run {
        let digest = digest(pairs);
        let command = [KIND.name(), site.as_str(), &digest];
        course = Some(Course::of_command(order.store, site, &command, order.note(KIND, arguments(site, pairs))).await?);
    }
    let (mut step, mut moved, mut empty) = (Vec::new(), 0_i64, 0_u64);
    for (number, (old, new)) in (1..).zip(&pairs.pairs) {
        let counts = order.counts(site, &Subject::Article(old.clone())).await?;
        empty += u64::from(counts.is_empty());
        moved = moved.saturating_add_unsigned(counts.iter().find(|(bucket, _)| *bucket == Bucket::Total).map_or(0, |(_, views)| *views));
        for part in take_away(&Subject::Article(old.clone()), &counts).chunks(MAX_CHANGES / 2) {
            if step.len() + 2 * part.len() > MAX_CHANGES {
                let step = std::mem::take(&mut step);
                if let Some(course) = &mut course {
                    course.make(step, false).await?;
                }
            }
            step.extend(part.iter().flat_map(|change| [change.clone(), given_to(new, change)]));
        }
        progress(number);
    }
    let nothing = || CorrectionError::Refused(nothing(site, pairs));
    if let Some(course) = &mut course {
        course.finish(step).await?;
        report.numbered(course.entry().await?.ok_or_else(nothing)?.number);
        report.notes = course.warnings();
    } else if empty == pairs.pairs.len() as u64 {
        return Err(nothing());
    }
    if let [(old, new)] = &pairs.pairs[..] {
        report.total(order, site, Some(old), -moved).await?;
        report.total(order, site, Some(new), moved).await?;
    } else {
        report.notes.push(format!("{moved} views of {} articles; {empty} others had no views", pairs.pairs.len() as u64 - empty));
    }
    Ok(report)
}

/// The change of the new article that belongs to one of the old article.
fn given_to(new: &ArticleId, change: &Change) -> Change {
    Change { subject: Subject::Article(new.clone()), ..change.inverse() }
}

fn arguments(site: &SiteId, pairs: &Pairs) -> String {
    match (&pairs.file, &pairs.pairs[..]) {
        (None, [(old, new)]) => format!("{site} {} {}", quoted(old.as_str()), quoted(new.as_str())),
        (file, _) => format!("{site} --file {}", quoted(file.as_deref().unwrap_or_default())),
    }
}

fn nothing(site: &SiteId, pairs: &Pairs) -> String {
    match &pairs.pairs[..] {
        [(old, _)] => format!("article {} of site {site} has no views", visible(old.as_str())),
        pairs => format!("none of the {} articles has views in site {site}", pairs.len()),
    }
}

/// Two files with the same articles are the same command.
fn digest(pairs: &Pairs) -> String {
    let mut hash = Sha256::new();
    for (old, new) in &pairs.pairs {
        hash.update(format!("{} {old} {} {new}\n", old.as_str().len(), new.as_str().len()));
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
