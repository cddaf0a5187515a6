//! The reference model: a map of counters and a map of offsets under one lock.
//!
//! Tests compare the other stores with it, so it does everything in the simplest way. The simulation uses
//! [`MemoryStore::image`] and [`MemoryStore::restore`] to play fail-overs.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use chrono::NaiveDate;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{Applied, Row, Snapshot, Store, StoreError};
use crate::domain::{
    MAX_COUNT,
    article::ArticleId,
    clock::Clock,
    counts::Deltas,
    figures::{Figure, Figures},
    period::Bucket,
    producer::{ProducerId, Seq},
    retention::Retention,
    site::SiteId,
};

/// Everything that a store holds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image(BTreeMap<SiteId, SiteState>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct SiteState {
    offsets: BTreeMap<ProducerId, Seq>,
    /// The site's own counters have the key `None`. Only counters above 0 are kept.
    views: BTreeMap<(Bucket, Option<ArticleId>), u64>,
}

impl SiteState {
    fn others(&self, producer: ProducerId) -> u64 {
        self.offsets.iter().filter(|(id, _)| **id != producer).map(|(_, offset)| offset).sum()
    }
}

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    retention: Retention,
    clock: Clock,
    state: Mutex<Image>,
}

impl MemoryStore {
    /// An empty store. Article buckets expire by `clock`.
    pub fn new(retention: Retention, clock: impl Into<Clock>) -> Self {
        Self { retention, clock: clock.into(), state: Mutex::default() }
    }

    /// A copy of everything that the store holds.
    pub fn image(&self) -> Image {
        self.state.lock().clone()
    }

    /// Resets the store to an earlier state.
    pub fn restore(&self, image: Image) {
        *self.state.lock() = image;
    }

    fn site(&self, site: &SiteId) -> SiteState {
        self.state.lock().0.get(site).cloned().unwrap_or_default()
    }

    fn is_expired(&self, bucket: Bucket, article: Option<&ArticleId>) -> bool {
        article.is_some() && self.retention.expired(bucket, self.clock.now().date_naive())
    }

    /// A counter as reads return it.
    fn count(&self, state: &SiteState, bucket: Bucket, article: Option<&ArticleId>) -> u64 {
        if self.is_expired(bucket, article) {
            return 0;
        }
        state.views.get(&(bucket, article.cloned())).copied().unwrap_or_default()
    }

    /// All increments that are not dropped, as one flat list.
    fn increments(&self, deltas: &Deltas) -> Vec<((Bucket, Option<ArticleId>), u64)> {
        let mut list = Vec::new();
        for (&bucket, increment) in &deltas.0 {
            list.push(((bucket, None), increment.views));
            list.extend(increment.articles.iter().map(|(article, &views)| ((bucket, Some(article.clone())), views)));
        }
        list.retain(|((bucket, article), views)| *views > 0 && !self.is_expired(*bucket, article.as_ref()));
        list
    }

    fn apply_now(&self, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, deltas: &Deltas) -> Result<Applied, StoreError> {
        let mut image = self.state.lock();
        let mut state = image.0.get(site).cloned().unwrap_or_default();
        let offset = state.offsets.get(&producer).copied().unwrap_or_default();
        if offset != from {
            return Ok(Applied::Refused(offset));
        }
        for (key, views) in self.increments(deltas) {
            let bucket = key.0;
            let count = state.views.entry(key).or_default();
            *count = count.saturating_add(views);
            if *count > MAX_COUNT {
                return Err(StoreError::TooMany { site: site.clone(), bucket });
            }
        }
        state.offsets.insert(producer, to);
        let others = state.others(producer);
        image.0.insert(site.clone(), state);
        Ok(Applied::Done(others))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn apply(&self, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, deltas: Arc<Deltas>) -> Result<Applied, StoreError> {
        self.apply_now(site, producer, from, to, &deltas)
    }

    async fn figures(&self, site: &SiteId, producer: ProducerId, today: NaiveDate, articles: &[ArticleId]) -> Result<Snapshot, StoreError> {
        let state = self.site(site);
        let figures = |article| Figures::new(Figure::buckets(today).map(|bucket| self.count(&state, bucket, article)));
        Ok(Snapshot {
            offset: state.offsets.get(&producer).copied().unwrap_or_default(),
            others: state.others(producer),
            site: figures(None),
            articles: articles.iter().map(|article| figures(Some(article))).collect(),
        })
    }

    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Seq, StoreError> {
        Ok(self.site(site).offsets.get(&producer).copied().unwrap_or_default())
    }

    async fn top(&self, site: &SiteId, bucket: Bucket, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        let state = self.site(site);
        let of_bucket = state.views.into_iter().filter(|((b, article), _)| *b == bucket && !self.is_expired(*b, article.as_ref()));
        let mut top: Vec<_> = of_bucket.filter_map(|((_, article), views)| Some((article?, views))).collect();
        top.sort_by(|(a, a_views), (b, b_views)| b_views.cmp(a_views).then_with(|| a.cmp(b)));
        top.truncate(limit);
        Ok(top)
    }

    async fn history(&self, site: &SiteId, article: Option<&ArticleId>, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        let state = self.site(site);
        Ok(buckets.iter().map(|&bucket| self.count(&state, bucket, article)).collect())
    }

    /// The rows are those of one moment.
    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        let state = self.site(site);
        let mut list: Vec<Row> = state.views.into_iter().map(|((bucket, article), views)| (bucket, article, views)).collect();
        list.retain(|(bucket, article, _)| !self.is_expired(*bucket, article.as_ref()));
        list.sort_by_cached_key(|(bucket, article, _)| (bucket.to_string(), article.clone()));
        for row in list {
            if rows.send(row).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
