//! What a correction did.

use serde::Serialize;

use super::{error::CorrectionError, order::Order};
use crate::{
    domain::{article::ArticleId, correction::CorrectionKind, counts::Subject, period::Bucket, site::SiteId},
    transfer::steps::retried,
};

/// A counter that was changed, or that would be in a dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The site's id.
    pub site: String,
    /// The article's id; `None` for the site.
    pub article: Option<String>,
    /// The name of the kind; `None` for views.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<&'static str>,
    /// The bucket.
    pub bucket: String,
    /// Its count before.
    pub before: u64,
    /// Its count after.
    pub after: u64,
}

impl Changed {
    /// A counter that has `before` and changes by `views`.
    pub(super) fn by(site: &SiteId, subject: &Subject, bucket: Bucket, before: u64, views: i64) -> Self {
        let article = subject.article().map(|article| article.as_str().to_owned());
        let of = if let Subject::Kind(kind) = subject { Some(kind.name()) } else { None };
        let after = before.saturating_add_signed(views);
        Self { site: site.to_string(), article, of, bucket: bucket.to_string(), before, after }
    }
}

/// What a correction did, or would do in a dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What it is.
    pub kind: &'static str,
    /// The site whose audit list has it.
    pub site: String,
    /// Its number there; `None` if nothing was changed.
    pub number: Option<u64>,
    /// The counters that the operator knows: those named in the command, and totals.
    pub changed: Vec<Changed>,
    /// By how much it changed the totals of articles.
    pub article_views: i64,
    /// The command that takes it back.
    pub undo: Option<String>,
    /// What the operator should know, one sentence each.
    pub notes: Vec<String>,
}

impl Report {
    /// A correction that has changed nothing yet.
    pub(super) fn new(kind: CorrectionKind, site: &SiteId) -> Self {
        let (changed, notes) = (Vec::new(), Vec::new());
        Self { kind: kind.name(), site: site.to_string(), number: None, changed, article_views: 0, undo: None, notes }
    }

    /// Takes in the correction's number.
    pub(super) fn numbered(&mut self, number: u64) {
        self.number = Some(number);
        if self.kind != CorrectionKind::Undo.name() {
            self.undo = Some(format!("truycap undo {} {number}", self.site));
        }
    }

    /// Adds the total of a site, or of an article, which changed by `views`, or will change.
    pub(super) async fn total(
        &mut self,
        order: &Order<'_>,
        site: &SiteId,
        article: Option<&ArticleId>,
        views: i64,
    ) -> Result<(), CorrectionError> {
        let subject = article.map_or(Subject::Site, |article| Subject::Article(article.clone()));
        let now = retried(async || order.store.history(site, &subject, &[Bucket::Total]).await).await?;
        let now = now.first().copied().unwrap_or_default();
        let before = if order.dry_run { now } else { now.saturating_add_signed(views.saturating_neg()) };
        self.changed.push(Changed::by(site, &subject, Bucket::Total, before, views));
        Ok(())
    }
}
