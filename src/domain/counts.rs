//! Sums of views on their way from a journal into a store.
//!
//! A journal keeps views by day ([`DayViews`]); a store keeps them by bucket ([`Deltas`], collected from days).

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;

use super::{article::ArticleId, period::Bucket};

/// Views of one site on one day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayViews {
    /// Views of the site, including those of its articles.
    pub views: u64,
    /// Views of each article.
    pub articles: HashMap<ArticleId, u64>,
}

impl DayViews {
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

/// What one `apply` adds to one bucket of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Increment {
    /// Views added to the site's bucket.
    pub views: u64,
    /// Views added to the bucket of each article.
    pub articles: BTreeMap<ArticleId, u64>,
}

/// What one `apply` adds to the counters of a site, by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deltas(pub BTreeMap<Bucket, Increment>);

impl Deltas {
    /// Adds views to one bucket of an article, or of the site if `article` is `None`.
    pub fn add(&mut self, bucket: Bucket, article: Option<ArticleId>, views: u64) {
        let increment = self.0.entry(bucket).or_default();
        match article {
            None => increment.views += views,
            Some(article) => *increment.articles.entry(article).or_default() += views,
        }
    }
}

/// Adds the views of each day to the day's five buckets.
impl<'a> FromIterator<(NaiveDate, &'a DayViews)> for Deltas {
    fn from_iter<I: IntoIterator<Item = (NaiveDate, &'a DayViews)>>(days: I) -> Self {
        let mut deltas = Self::default();
        for (day, sum) in days {
            for bucket in Bucket::of_day(day) {
                let increment = deltas.0.entry(bucket).or_default();
                increment.views += sum.views;
                for (article, views) in &sum.articles {
                    *increment.articles.entry(article.clone()).or_default() += views;
                }
            }
        }
        deltas
    }
}
