//! Sums of views on their way from a journal into a store.
//!
//! A journal keeps views by day; a store keeps them by bucket ([`Deltas`], collected from days).

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;

use super::{
    article::ArticleId,
    period::{Bucket, BucketSet},
};

/// Views of a site and of its articles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteViews {
    /// Views of the site. In a journal they include those of its articles.
    pub views: u64,
    /// Views of each article.
    pub articles: HashMap<ArticleId, u64>,
}

impl SiteViews {
    /// Counts one view of the site, and of the article if there is one.
    pub fn count(&mut self, article: Option<ArticleId>) {
        self.views += 1;
        if let Some(article) = article {
            *self.articles.entry(article).or_default() += 1;
        }
    }

    /// Adds another sum to this one.
    pub fn add(&mut self, other: &Self) {
        self.views += other.views;
        for (article, views) in &other.articles {
            match self.articles.get_mut(article) {
                Some(sum) => *sum += views,
                None => {
                    self.articles.insert(article.clone(), *views);
                }
            }
        }
    }
}

/// What one `apply` adds to the counters of a site: for each set of buckets, the views that each of its buckets takes.
///
/// An article, or the site, can be in several sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deltas(pub BTreeMap<BucketSet, SiteViews>);

impl Deltas {
    /// Adds views to the buckets of an article, or of the site if `article` is `None`. The sum of one article in one set
    /// stays at 2^64 − 1 if it would exceed that.
    pub fn add(&mut self, buckets: BucketSet, article: Option<ArticleId>, views: u64) {
        let sums = self.0.entry(buckets).or_default();
        let sum = match article {
            None => &mut sums.views,
            Some(article) => sums.articles.entry(article).or_default(),
        };
        *sum = sum.saturating_add(views);
    }

    /// The site's own views, by bucket.
    #[must_use]
    pub fn of_site(&self) -> BTreeMap<Bucket, u64> {
        let mut sums = BTreeMap::new();
        for (set, views) in self.0.iter().filter(|(_, views)| views.views > 0) {
            for bucket in set.buckets() {
                let sum: &mut u64 = sums.entry(bucket).or_default();
                *sum = sum.saturating_add(views.views);
            }
        }
        sums
    }
}

/// Adds the views of each day to the day's five buckets.
impl<'a> FromIterator<(NaiveDate, &'a SiteViews)> for Deltas {
    fn from_iter<I: IntoIterator<Item = (NaiveDate, &'a SiteViews)>>(days: I) -> Self {
        Self(days.into_iter().map(|(day, views)| (BucketSet::of_day(day), views.clone())).collect())
    }
}
