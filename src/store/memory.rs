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

use super::{Applied, Corrected, Done, Revision, Row, Snapshot, Step, Store, StoreError, TopList};
use crate::domain::{
    MAX_COUNT,
    article::{ArticleId, Section},
    clock::Clock,
    correction::{AuditEntry, BelowZero, Change, KEPT_CHANGES, totals},
    counts::{Deltas, Kind, Subject},
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
    /// Only counters above 0 are kept.
    views: BTreeMap<(Bucket, Subject), u64>,
    sections: BTreeSet<Section>,
    audit: Vec<AuditEntry>,
    /// The changes of each step of a correction.
    changes: BTreeMap<(u64, Seq), Vec<Change>>,
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

    /// Resets one site to an earlier state, as the fail-over of its server does.
    pub fn restore_site(&self, site: &SiteId, image: &Image) {
        let state = image.0.get(site).cloned().unwrap_or_default();
        self.state.lock().0.insert(site.clone(), state);
    }

    fn site(&self, site: &SiteId) -> SiteState {
        self.state.lock().0.get(site).cloned().unwrap_or_default()
    }

    /// Whether a reader does not see a counter any more.
    fn is_expired(&self, state: &SiteState, bucket: Bucket, subject: &Subject) -> bool {
        matches!(subject, Subject::Article(_)) && self.retention.expired(bucket, TrustedTime::day(state.time, self.clock.now()))
    }

    /// A counter as reads return it.
    fn count(&self, state: &SiteState, bucket: Bucket, subject: Subject) -> u64 {
        if self.is_expired(state, bucket, &subject) {
            return 0;
        }
        state.views.get(&(bucket, subject)).copied().unwrap_or_default()
    }

    /// All increments as one flat list.
    fn increments(deltas: &Deltas) -> Vec<((Bucket, Subject), u64)> {
        let mut list = Vec::new();
        for (set, views) in &deltas.0 {
            for bucket in set.buckets() {
                list.push(((bucket, Subject::Site), views.views));
                list.extend(views.kinds.iter().map(|(kind, &count)| ((bucket, Subject::Kind(*kind)), count)));
                list.extend(views.articles.iter().map(|(article, &views)| ((bucket, Subject::Article(article.clone())), views)));
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
        let expired =
            |bucket, subject: &Subject| matches!(subject, Subject::Article(_)) && observed.trusted && self.retention.expired(bucket, today);
        let mut saturated = false;
        for ((bucket, subject), views) in Self::increments(deltas) {
            if !expired(bucket, &subject) {
                let count = state.views.entry((bucket, subject)).or_default();
                saturated |= count.saturating_add(views) > MAX_COUNT;
                *count = saturating_count(*count, views);
            }
        }
        state.offsets.insert(producer, to);
        let before = state.revision;
        state.revision = next_revision(before, producer, to);
        Applied::Done(Done { before, after: state.revision, saturated, jumped: observed.jumped })
    }

    fn correct_now(&self, site: &SiteId, step: &Step) -> Corrected {
        let mut image = self.state.lock();
        let state = image.0.entry(site.clone()).or_default();
        let offset = state.offsets.get(&step.producer).copied().unwrap_or_default();
        if offset != step.from {
            return Corrected::Refused(offset);
        }
        let own = state.audit.iter().find(|entry| entry.producer == step.producer);
        let number = own.map_or(state.audit.len() as u64 + 1, |entry| entry.number);
        // A correction takes back earlier ones only.
        let undoes = step.note.undoes.filter(|target| *target < number);
        let target = undoes.and_then(|target| state.audit.iter().find(|entry| entry.number == target));
        let undone = own.and_then(|entry| entry.undone_by).or(target.and_then(|target| target.undone_by).filter(|by| *by != number));
        if let Some(by) = undone {
            return Corrected::Undone(by);
        }
        let observed = TrustedTime::observe(state.time, self.clock.now());
        let today = self.clock.now().date_naive();
        let mut views = state.views.clone();
        let mut saturated = false;
        for change in &step.changes {
            for bucket in change.buckets.buckets() {
                let of_article = matches!(change.subject, Subject::Article(_));
                if of_article && observed.trusted && self.retention.expired(bucket, today) {
                    continue;
                }
                let key = (bucket, change.subject.clone());
                let has = views.get(&key).copied().unwrap_or_default();
                let Some(new) = has.checked_add_signed(change.views) else {
                    return Corrected::BelowZero(BelowZero { subject: change.subject.clone(), bucket, has });
                };
                saturated |= new > MAX_COUNT;
                views.insert(key, new.min(MAX_COUNT));
            }
        }
        views.retain(|_, views| *views > 0);
        (state.views, state.time) = (views, Some(observed.time));
        let (site_views, article_views) = totals(&step.changes);
        if number > state.audit.len() as u64 {
            let (note, producer) = (step.note.clone(), step.producer);
            state.audit.push(AuditEntry { number, producer, note, steps: 0, site_views: 0, article_views: 0, undone_by: None });
        }
        for entry in &mut state.audit {
            if entry.number == number {
                entry.steps += 1;
                entry.site_views += site_views;
                entry.article_views += article_views;
                state.changes.insert((number, entry.steps), step.changes.clone());
            }
            if Some(entry.number) == undoes {
                entry.undone_by = Some(number);
            }
        }
        let latest = state.audit.len() as u64;
        state.changes.retain(|(of, _), _| *of + KEPT_CHANGES > latest);
        state.offsets.insert(step.producer, step.to);
        let before = state.revision;
        state.revision = next_revision(before, step.producer, step.to);
        Corrected::Done { done: Done { before, after: state.revision, saturated, jumped: observed.jumped }, number }
    }
}

fn next_revision(before: Revision, producer: ProducerId, to: Position) -> Revision {
    let mut hasher = DefaultHasher::new();
    (before, producer, to).hash(&mut hasher);
    Revision { number: before.number + 1, digest: Digest(hasher.finish()) }
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

    async fn correct(&self, site: &SiteId, step: Arc<Step>) -> Result<Corrected, StoreError> {
        Ok(self.correct_now(site, &step))
    }

    async fn audit(&self, site: &SiteId, after: u64) -> Result<Vec<AuditEntry>, StoreError> {
        Ok(self.site(site).audit.into_iter().filter(|entry| entry.number > after).collect())
    }

    async fn changes(&self, site: &SiteId, number: u64, step: Seq) -> Result<Option<Vec<Change>>, StoreError> {
        Ok(self.site(site).changes.remove(&(number, step)))
    }

    async fn counts(&self, site: &SiteId, subject: &Subject) -> Result<Vec<(Bucket, u64)>, StoreError> {
        let image = self.state.lock();
        let Some(state) = image.0.get(site) else { return Ok(Vec::new()) };
        let of_subject = state.views.iter().filter(|((bucket, of), _)| of == subject && !self.is_expired(state, *bucket, of));
        Ok(of_subject.map(|((bucket, _), &views)| (*bucket, views)).collect())
    }

    async fn figures(
        &self,
        site: &SiteId,
        producers: &[ProducerId],
        today: NaiveDate,
        articles: &[ArticleId],
    ) -> Result<Snapshot, StoreError> {
        let state = self.site(site);
        let figures = |subject: Subject| Figures::new(Figure::buckets(today).map(|bucket| self.count(&state, bucket, subject.clone())));
        Ok(Snapshot {
            offsets: producers.iter().map(|producer| state.offsets.get(producer).copied().unwrap_or_default()).collect(),
            revision: state.revision,
            site: figures(Subject::Site),
            visits: figures(Subject::Kind(Kind::Visits)),
            articles: articles.iter().map(|article| figures(Subject::Article(article.clone()))).collect(),
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
        let of_bucket = state.views.iter().filter(|((b, subject), _)| *b == bucket && !self.is_expired(&state, *b, subject));
        let top = of_bucket.filter_map(|((_, subject), &views)| match subject {
            Subject::Article(article) if visible(article) => Some((article.clone(), views)),
            _ => None,
        });
        let mut articles: Vec<_> = top.collect();
        articles.sort_by(|(a, a_views), (b, b_views)| b_views.cmp(a_views).then_with(|| a.cmp(b)));
        articles.truncate(limit);
        Ok(TopList { articles, revision: state.revision, whole: true })
    }

    async fn history(&self, site: &SiteId, subject: &Subject, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        let state = self.site(site);
        Ok(buckets.iter().map(|&bucket| self.count(&state, bucket, subject.clone())).collect())
    }

    /// The rows are those of one moment.
    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        let state = self.site(site);
        let kept = state.views.iter().filter(|((bucket, subject), _)| !self.is_expired(&state, *bucket, subject));
        let mut list: Vec<Row> = kept.map(|((bucket, subject), &views)| (*bucket, subject.clone(), views)).collect();
        list.sort_by_cached_key(|(bucket, subject, _)| (subject.clone(), bucket.to_string()));
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
