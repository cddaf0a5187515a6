//! `truycap delete`: the counters of an article, or of a site, taken away.

use super::{
    contents::Contents,
    course::Course,
    error::CorrectionError,
    order::{Order, quoted, take_away},
    report::Report,
};
use crate::domain::{
    article::ArticleId,
    correction::{Change, CorrectionKind, MAX_CHANGES, totals},
    counts::Subject,
    site::SiteId,
    visible::visible,
};

const KIND: CorrectionKind = CorrectionKind::Delete;

/// Takes away all counters of a site, or those of one article. The views of an article happened, so the figures of its site stay.
///
/// What is counted meanwhile stays.
///
/// # Errors
/// If there is nothing, or the store cannot be used.
pub async fn delete(order: &Order<'_>, site: &SiteId, article: Option<&ArticleId>) -> Result<Report, CorrectionError> {
    let what = article.map_or_else(|| site.to_string(), |article| format!("{site} --article {}", quoted(article.as_str())));
    let name = article.map_or("", ArticleId::as_str);
    let command = [KIND.name(), site.as_str(), name];
    let mut report = Report::new(KIND, site);
    let mut chunks = Chunks::of(order, site, article).await?;
    if order.dry_run {
        return match chunks.sums().await? {
            Some(sums) => reported(order, report, site, article, sums).await,
            None => Err(nothing(site, article)),
        };
    }
    let mut course = Course::of_command(order.store, site, &command, order.note(KIND, what)).await?;
    loop {
        let (chunk, is_last) = chunks.next().await?;
        if is_last {
            course.finish(chunk).await?;
            break;
        }
        course.make(chunk, false).await?;
    }
    let entry = course.entry().await?.ok_or_else(|| nothing(site, article))?;
    report.numbered(entry.number);
    report.notes = course.warnings();
    reported(order, report, site, article, (entry.site_views, entry.article_views)).await
}

fn nothing(site: &SiteId, article: Option<&ArticleId>) -> CorrectionError {
    let name = article.map_or_else(|| format!("site {site}"), |article| format!("article {} of site {site}", visible(article.as_str())));
    CorrectionError::Refused(format!("{name} has no views"))
}

async fn reported(
    order: &Order<'_>,
    mut report: Report,
    site: &SiteId,
    article: Option<&ArticleId>,
    (of_site, of_articles): (i64, i64),
) -> Result<Report, CorrectionError> {
    report.total(order, site, article, if article.is_some() { of_articles } else { of_site }).await?;
    report.article_views = of_articles;
    Ok(report)
}

/// What is taken away.
enum Chunks<'a> {
    Article(Vec<Change>),
    Site(Contents<'a>),
}

impl<'a> Chunks<'a> {
    async fn of(order: &'a Order<'a>, site: &'a SiteId, article: Option<&ArticleId>) -> Result<Self, CorrectionError> {
        let Some(article) = article else { return Ok(Self::Site(Contents::new(order, site))) };
        let subject = Subject::Article(article.clone());
        Ok(Self::Article(take_away(&subject, &order.counts(site, &subject).await?)))
    }

    /// By how much the totals of the site and of articles would change; `None` if there is nothing.
    async fn sums(&self) -> Result<Option<(i64, i64)>, CorrectionError> {
        Ok(match self {
            Self::Article(changes) => (!changes.is_empty()).then(|| totals(changes)),
            Self::Site(contents) => {
                let sums = contents.sums().await?;
                (sums.counters > 0).then(|| (-sums.site.cast_signed(), -sums.article_views.cast_signed()))
            }
        })
    }

    async fn next(&mut self) -> Result<(Vec<Change>, bool), CorrectionError> {
        match self {
            Self::Site(contents) => contents.next().await,
            Self::Article(changes) => {
                let rest = changes.split_off(changes.len().min(MAX_CHANGES));
                let chunk = std::mem::replace(changes, rest);
                Ok((chunk, changes.is_empty()))
            }
        }
    }
}
