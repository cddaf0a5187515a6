//! What becomes of a view, whichever way it came.

use super::Call;
use crate::{
    domain::{article::ArticleId, figures::Figure, outcome::Outcome},
    http::respond::Problem,
    readers::{Claim, Hold},
};

/// What became of a view.
#[derive(Clone, Debug)]
pub(super) enum Decision {
    /// Counted for the site, and for this article of it; or why for none of it, where one was named.
    Counted { article: Option<ArticleId>, reason: Option<&'static str> },
    /// Not counted, and why.
    NotCounted(&'static str),
}

/// The article does not match the site's pattern.
const PATTERN: &str = "article_pattern";

/// The site has had as many new articles today as it may.
const LIMIT: &str = "article_limit";

impl Call<'_> {
    /// Counts a view, if it is one by a reader and none that was counted before.
    pub(super) async fn count(&self, article: Option<ArticleId>) -> Result<Decision, Problem> {
        let site = self.site;
        if let Some(outcome) = self.audience.not_a_reader(&self.head.headers) {
            return Ok(self.ignore(outcome));
        }
        let mut hold = match self.audience.arrive(self.peer, &self.head.headers, site, article.as_ref(), || self.handle.now()) {
            Claim::Repeat => return Ok(self.ignore(Outcome::Repeat)),
            Claim::First(hold) => Some(hold),
            Claim::Unknown => None,
        };
        // What is held is let go where it is refused here, or below.
        self.audience.let_count(site).inspect_err(|_| self.counter.note(Outcome::Limited))?;
        let (article, reason) = self.admit(article).await;
        let written = self.record(article.clone());
        // Whoever leaves from here on has been counted, and must not count again by leaving each time.
        hold.iter_mut().for_each(Hold::keep);
        if let Err(problem) = written.await {
            hold.iter_mut().for_each(Hold::give_up);
            return Err(problem);
        }
        Ok(Decision::Counted { article, reason })
    }

    fn ignore(&self, outcome: Outcome) -> Decision {
        self.counter.note(outcome);
        Decision::NotCounted(outcome.name())
    }

    /// The article, if its views are to be counted; else why they are not.
    async fn admit(&self, article: Option<ArticleId>) -> (Option<ArticleId>, Option<&'static str>) {
        let Some(id) = article else { return (None, None) };
        let site = self.site;
        if site.rules.articles.as_ref().is_some_and(|pattern| !pattern.is_match(id.as_str())) {
            return (None, Some(PATTERN));
        }
        let most = site.rules.max_new_articles_per_day;
        if most == 0 || self.is_known(&id).await {
            return (Some(id), None);
        }
        let day = site.day(self.handle.now());
        let admitted = self.audience.readers.new_articles.admit(&site.id, &id, day, usize::try_from(most).unwrap_or(usize::MAX));
        if admitted { (Some(id), None) } else { (None, Some(LIMIT)) }
    }

    /// Whether the article has views already. One of which the store cannot tell is not known.
    async fn is_known(&self, id: &ArticleId) -> bool {
        let figures = self.handle.figures(self.counter, std::slice::from_ref(id)).await;
        figures.articles.first().is_some_and(|(_, figures)| figures[Figure::Total] > 0)
    }
}
