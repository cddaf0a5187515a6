//! Sums of views on their way from a journal into a store.
//!
//! A journal keeps views by day; a store keeps them by bucket ([`Deltas`], collected from days).

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    str::FromStr,
};

use chrono::NaiveDate;

use super::{
    article::ArticleId,
    period::{Bucket, BucketSet},
};

/// A count of a site beside its views: its visits; and by the reason, requests that were not counted as views, or not for their
/// article.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Views that begin a visit: the reader did not come from a page of the same site.
    Visits,
    /// Not counted: the client is a bot.
    Bot,
    /// Not counted: the browser loads the page before the visitor opens it.
    Prefetch,
    /// Not counted: a repeat by the same visitor.
    Repeat,
    /// Refused: it comes from a page of another site.
    Foreign,
    /// Refused: too many views at once.
    RateLimited,
    /// Counted for the site alone: the article does not match the site's pattern.
    ArticlePattern,
    /// Counted for the site alone: the site had its maximum of new articles on that day.
    ArticleLimit,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] =
        [Self::Visits, Self::Bot, Self::Prefetch, Self::Repeat, Self::Foreign, Self::RateLimited, Self::ArticlePattern, Self::ArticleLimit];

    /// Its name in stores, responses and exports; the same as in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Visits => "visits",
            Self::Bot => "bot",
            Self::Prefetch => "prefetch",
            Self::Repeat => "repeat",
            Self::Foreign => "foreign",
            Self::RateLimited => "rate_limited",
            Self::ArticlePattern => "article_pattern",
            Self::ArticleLimit => "article_limit",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that does not name a [`Kind`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of visits, bot, prefetch, repeat, foreign, rate_limited, article_pattern and article_limit")]
pub struct KindError(pub String);

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| KindError(text.into()))
    }
}

/// What counters belong to: those of a site's views, of one of its articles, or of another kind of count of the site. In the order
/// of an export.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The views of the site.
    Site,
    /// Another count of the site.
    Kind(Kind),
    /// The views of an article.
    Article(ArticleId),
}

impl Subject {
    /// The article, if it is one.
    #[must_use]
    pub fn article(&self) -> Option<&ArticleId> {
        match self {
            Self::Article(article) => Some(article),
            Self::Site | Self::Kind(_) => None,
        }
    }
}

/// The views of an article, or of the site if there is none.
impl From<Option<ArticleId>> for Subject {
    fn from(article: Option<ArticleId>) -> Self {
        article.map_or(Self::Site, Self::Article)
    }
}

/// Views of a site and of its articles, and its other counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteViews {
    /// Views of the site. In a journal they include those of its articles.
    pub views: u64,
    /// Views of each article.
    pub articles: HashMap<ArticleId, u64>,
    /// The other counts of the site. Each is above 0.
    pub kinds: BTreeMap<Kind, u64>,
}

impl SiteViews {
    /// Counts one view of the site, and of the article if there is one.
    pub fn count(&mut self, article: Option<ArticleId>) {
        self.views += 1;
        if let Some(article) = article {
            *self.articles.entry(article).or_default() += 1;
        }
    }

    /// Counts one of another kind.
    pub fn count_kind(&mut self, kind: Kind) {
        *self.kinds.entry(kind).or_default() += 1;
    }

    /// How many there are of another kind.
    #[must_use]
    pub fn of_kind(&self, kind: Kind) -> u64 {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }

    /// Adds another sum to this one.
    pub fn add(&mut self, other: &Self) {
        self.views += other.views;
        for (kind, count) in &other.kinds {
            *self.kinds.entry(*kind).or_default() += count;
        }
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
    /// Adds to the buckets of a subject. The sum of one subject in one set stays at 2^64 − 1 if it would exceed that.
    pub fn add(&mut self, buckets: BucketSet, subject: impl Into<Subject>, views: u64) {
        let sums = self.0.entry(buckets).or_default();
        let sum = match subject.into() {
            Subject::Site => &mut sums.views,
            Subject::Kind(kind) => sums.kinds.entry(kind).or_default(),
            Subject::Article(article) => sums.articles.entry(article).or_default(),
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

    /// The site's other counts, by bucket.
    #[must_use]
    pub fn of_kinds(&self) -> BTreeMap<(Kind, Bucket), u64> {
        let mut sums = BTreeMap::new();
        for (set, views) in &self.0 {
            for (kind, count) in &views.kinds {
                for bucket in set.buckets() {
                    let sum: &mut u64 = sums.entry((*kind, bucket)).or_default();
                    *sum = sum.saturating_add(*count);
                }
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
