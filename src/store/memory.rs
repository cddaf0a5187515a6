//! The reference model: a map of counters and a map of offsets under one lock.
//!
//! Tests compare the other stores with it, so it does everything in the simplest way: it keeps no records and no lists. The
//! simulation uses [`MemoryStore::image`] and [`MemoryStore::restore`] to play fail-overs.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use async_trait::async_trait;
use chrono::NaiveDate;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{Applied, Done, Revision, Row, Snapshot, Store, StoreError, TopList};
use crate::domain::{
    MAX_COUNT,
    article::{ArticleId, Section},
    clock::Clock,
    counts::Deltas,
    figures::{Figure, Figures},
    period::Bucket,
    producer::{Digest, Position, ProducerId, Seq},
    record::saturating_count,
    retention::{Retention, TrustedTime},
    site::SiteId,
};

/// Everything that a store holds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image(BTreeMap<SiteId, SiteState>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct SiteState {
    revision: Revision,
    time: Option<TrustedTime>,
    offsets: BTreeMap<ProducerId, Position>,
    /// The site's own counters have the key `None`. Only counters above 0 are kept.
    views: BTreeMap<(Bucket, Option<ArticleId>), u64>,
    sections: BTreeSet<Section>,
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

    /// Whether a reader does not see a counter any more.
    fn is_expired(&self, state: &SiteState, bucket: Bucket, article: Option<&ArticleId>) -> bool {
        article.is_some() && self.retention.expired(bucket, TrustedTime::day(state.time, self.clock.now()))
    }

    /// A counter as reads return it.
    fn count(&self, state: &SiteState, bucket: Bucket, article: Option<&ArticleId>) -> u64 {
        if self.is_expired(state, bucket, article) {
            return 0;
        }
        state.views.get(&(bucket, article.cloned())).copied().unwrap_or_default()
    }

    /// All increments as one flat list.
    fn increments(deltas: &Deltas) -> Vec<((Bucket, Option<ArticleId>), u64)> {
        let mut list = Vec::new();
        for (set, views) in &deltas.0 {
            for bucket in set.buckets() {
                list.push(((bucket, None), views.views));
                list.extend(views.articles.iter().map(|(article, &views)| ((bucket, Some(article.clone())), views)));
            }
        }
        list.retain(|(_, views)| *views > 0);
        list
    }

    fn apply_now(
        &self,
        site: &SiteId,
        earlier: Option<(ProducerId, Seq)>,
        producer: ProducerId,
        from: Position,
        to: Position,
        deltas: &Deltas,
    ) -> Applied {
        let mut image = self.state.lock();
        let state = image.0.entry(site.clone()).or_default();
        let offset = |producer: &ProducerId| state.offsets.get(producer).copied().unwrap_or_default();
        if offset(&producer) != from || earlier.is_some_and(|(earlier, seq)| offset(&earlier).seq < seq) {
            return Applied::Refused(offset(&producer));
        }
        let observed = TrustedTime::observe(state.time, self.clock.now());
        state.time = Some(observed.time);
        let today = self.clock.now().date_naive();
        let expired = |bucket, article: &Option<ArticleId>| article.is_some() && observed.trusted && self.retention.expired(bucket, today);
        let mut saturated = false;
        for ((bucket, article), views) in Self::increments(deltas) {
            if !expired(bucket, &article) {
                let count = state.views.entry((bucket, article)).or_default();
                saturated |= count.saturating_add(views) > MAX_COUNT;
                *count = saturating_count(*count, views);
            }
        }
        state.offsets.insert(producer, to);
        let before = state.revision;
        let mut hasher = DefaultHasher::new();
        (before, producer, to).hash(&mut hasher);
        state.revision = Revision { number: before.number + 1, digest: Digest(hasher.finish()) };
        Applied::Done(Done { before, after: state.revision, saturated, jumped: observed.jumped })
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn apply_after(
        &self,
        site: &SiteId,
        earlier: Option<(ProducerId, Seq)>,
        producer: ProducerId,
        from: Position,
        to: Position,
        deltas: Arc<Deltas>,
    ) -> Result<Applied, StoreError> {
        Ok(self.apply_now(site, earlier, producer, from, to, &deltas))
    }

    async fn figures(
        &self,
        site: &SiteId,
        producers: &[ProducerId],
        today: NaiveDate,
        articles: &[ArticleId],
    ) -> Result<Snapshot, StoreError> {
        let state = self.site(site);
        let figures = |article| Figures::new(Figure::buckets(today).map(|bucket| self.count(&state, bucket, article)));
        Ok(Snapshot {
            offsets: producers.iter().map(|producer| state.offsets.get(producer).copied().unwrap_or_default()).collect(),
            revision: state.revision,
            site: figures(None),
            articles: articles.iter().map(|article| figures(Some(article))).collect(),
        })
    }

    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Position, StoreError> {
        Ok(self.site(site).offsets.get(&producer).copied().unwrap_or_default())
    }

    async fn top(&self, site: &SiteId, section: Option<&Section>, bucket: Bucket, limit: usize) -> Result<TopList, StoreError> {
        let state = self.site(site);
        if section.is_some_and(|section| !state.sections.contains(section)) {
            return Ok(TopList { articles: Vec::new(), revision: state.revision, whole: false });
        }
        let visible = |article: &ArticleId| section.is_none_or(|section| section.contains(article));
        let of_bucket = state.views.iter().filter(|((b, article), _)| *b == bucket && !self.is_expired(&state, *b, article.as_ref()));
        let top = of_bucket.filter_map(|((_, article), &views)| Some((article.clone().filter(visible)?, views)));
        let mut articles: Vec<_> = top.collect();
        articles.sort_by(|(a, a_views), (b, b_views)| b_views.cmp(a_views).then_with(|| a.cmp(b)));
        articles.truncate(limit);
        Ok(TopList { articles, revision: state.revision, whole: true })
    }

    async fn history(&self, site: &SiteId, article: Option<&ArticleId>, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        let state = self.site(site);
        Ok(buckets.iter().map(|&bucket| self.count(&state, bucket, article)).collect())
    }

    /// The rows are those of one moment.
    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        let state = self.site(site);
        let list = state.views.iter().map(|((bucket, article), &views)| (*bucket, article.clone(), views));
        let mut list: Vec<Row> = list.filter(|(bucket, article, _)| !self.is_expired(&state, *bucket, article.as_ref())).collect();
        list.sort_by_cached_key(|(bucket, article, _)| (article.clone(), bucket.to_string()));
        for row in list {
            if rows.send(row).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn maintain(&self, site: &SiteId, sections: &[Section]) -> Result<bool, StoreError> {
        let mut image = self.state.lock();
        let state = image.0.entry(site.clone()).or_default();
        state.sections = sections.iter().cloned().collect();
        state.time = state.time.map(|time| time.pass(self.clock.now()).unwrap_or(time));
        Ok(false)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
