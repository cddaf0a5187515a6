//! The recorder: from a view to a durable entry, from entries to counters, and back to figures.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{
    domain::{article::ArticleId, calendar::Bucket, figures::Figures, producer::Seq, site::Site},
    store::StoreError,
};

/// How a recorder works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How often each site's views are folded and applied to the store.
    pub flush_interval: Duration,
    /// How long applied entries stay in the journal, so that a store that went back can be made whole.
    pub retain: Duration,
}

/// Why a view was not acknowledged. It may be counted at most once, later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The journal cannot take more for now; the view is not counted.
    #[error("the journal is full")]
    Full,
    /// More views wait to be written than the recorder holds; the view is not counted.
    #[error("too many views wait to be written")]
    Busy,
    /// The recorder has stopped, or stops because its journal failed.
    #[error("the service is stopping")]
    Stopped,
}

/// The figures of a site and of some of its articles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The site's figures; `None` where the store is away and they are not known.
    pub site: Option<Figures>,
    /// The articles whose figures are known, in the order asked for.
    pub articles: Vec<(ArticleId, Figures)>,
    /// When the store was last in step with the figures: now, unless they are stale.
    pub as_of: DateTime<Utc>,
    /// Whether the store could not be asked lately: views counted elsewhere may be missing.
    pub stale: bool,
}

/// How the recorder is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether views can be journaled.
    pub journal_ok: bool,
    /// Whether the store answered when it was last asked.
    pub store_ok: bool,
    /// The journal's last entry.
    pub head: Seq,
}

/// One site being counted; obtained from [`Handle::site`].
#[derive(Debug)]
pub struct Counter {
    /// The site.
    pub site: Site,
}

/// The recorder, as handlers of requests see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle;

impl Handle {
    /// The configured site of that id.
    #[must_use]
    pub fn site(&self, _id: &str) -> Option<&Counter> {
        None
    }

    /// Counts a view that was received now, and returns once it is durable.
    ///
    /// # Errors
    /// Where the view could not be made durable; see [`RecordError`].
    pub async fn record(&self, _site: &Counter, _article: Option<ArticleId>) -> Result<(), RecordError> {
        Err(RecordError::Stopped)
    }

    /// The figures of a site and of articles of it, everything this process has acknowledged included.
    pub async fn figures(&self, _site: &Counter, _articles: &[ArticleId]) -> Answer {
        Answer { site: None, articles: Vec::new(), as_of: Utc::now(), stale: true }
    }

    /// The most-read articles of a bucket, as the store has them.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn top(&self, _site: &Counter, _bucket: Bucket, _limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        Err(StoreError::NotApplied(String::new()))
    }

    /// The views in buckets of a site or of one article, as the store has them.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn history(&self, _site: &Counter, _article: Option<ArticleId>, _buckets: Vec<Bucket>) -> Result<Vec<u64>, StoreError> {
        Err(StoreError::NotApplied(String::new()))
    }

    /// How the recorder is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        Health { journal_ok: false, store_ok: false, head: 0 }
    }

    /// The instant now, by the recorder's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}
