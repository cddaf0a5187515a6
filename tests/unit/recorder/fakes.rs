//! A journal and a store in memory that do what a test tells them to.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use truycap::{
    domain::{
        article::ArticleId,
        counts::Deltas,
        period::Bucket,
        producer::{ProducerId, Seq},
        retention::Retention,
        site::SiteId,
    },
    journal::{Entry, Journal, JournalError, Replay, Usage},
    store::{Applied, Row, Snapshot, Store, StoreError, memory::MemoryStore},
};

pub(crate) const PRODUCER: ProducerId = ProducerId(1);

thread_local! {
    static BEGIN: Cell<Option<(Instant, DateTime<Utc>)>> = const { Cell::new(None) };
}

/// Sets the clock of this thread's test.
pub(crate) fn set_clock(begin: &str) {
    BEGIN.set(Some((Instant::now(), begin.parse().unwrap())));
}

pub(crate) fn now() -> DateTime<Utc> {
    let (at, begin) = BEGIN.get().expect("the clock is set");
    begin + TimeDelta::from_std(at.elapsed()).unwrap()
}

/// How something answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Works,
    Fails,
    Hangs,
}

impl Mode {
    /// Waits for as long as `mode` says that the thing hangs; answers whether it then works.
    async fn reached(mode: impl Fn() -> Self) -> bool {
        while mode() == Self::Hangs {
            sleep(Duration::from_millis(10)).await;
        }
        mode() == Self::Works
    }
}

#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) mode: Mode,
    /// How many entries fit.
    pub(crate) room: Option<usize>,
    pub(crate) read_delay: Duration,
    pub(crate) skip_delay: Duration,
    pub(crate) opened: Seq,
    pub(crate) head: Seq,
    pub(crate) trimmed: Seq,
    pub(crate) entries: BTreeMap<Seq, Arc<Entry>>,
    pub(crate) offsets: BTreeMap<SiteId, Seq>,
    /// What reads found missing.
    pub(crate) missing: Vec<(Seq, Seq)>,
}

#[derive(Clone, Default)]
pub(crate) struct FakeJournal(Arc<Mutex<Disk>>);

impl FakeJournal {
    pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// A journal that ends at an entry.
    pub(crate) fn at(head: Seq) -> Self {
        let journal = Self::default();
        (journal.disk().opened, journal.disk().head) = (head, head);
        journal
    }
}

#[async_trait::async_trait]
impl Journal for FakeJournal {
    fn producer(&self) -> ProducerId {
        PRODUCER
    }

    fn head_at_open(&self) -> Seq {
        let disk = self.disk();
        disk.opened
    }

    async fn append(&self, entry: Arc<Entry>) -> Result<Seq, JournalError> {
        sleep(Duration::from_millis(1)).await;
        if !Mode::reached(|| self.disk().mode).await {
            return Err(JournalError::Failed("as told".into()));
        }
        let mut disk = self.disk();
        if disk.room.is_some_and(|room| disk.entries.len() >= room) {
            return Err(JournalError::Full("as told".into()));
        }
        disk.head += 1;
        let head = disk.head;
        disk.entries.insert(head, entry);
        Ok(head)
    }

    async fn read(&self, site: &SiteId, after: Seq, upto: Seq) -> Result<Replay, JournalError> {
        let delay = self.disk().read_delay;
        sleep(delay).await;
        let mut disk = self.disk();
        let gone = disk.trimmed.min(disk.offsets.get(site).copied().unwrap_or(0));
        let mut replay = Replay { to: upto, missing: (after < gone).then_some((after + 1, gone)), ..Replay::default() };
        disk.missing.extend(replay.missing);
        for (count, (seq, entry)) in disk.entries.range(after + 1..=upto).enumerate() {
            // No more than a real one reads at once.
            if count == 8 || replay.days.values().map(|day| day.articles.len()).sum::<usize>() >= 400 {
                replay.to = seq - 1;
                break;
            }
            for ((_, day), views) in entry.views.iter().filter(|((id, _), _)| id == site) {
                replay.days.entry(*day).or_default().add(views);
            }
        }
        Ok(replay)
    }

    async fn trim(&self, offsets: Vec<(SiteId, Seq)>, upto: Seq, delete: Seq) -> Result<Usage, JournalError> {
        assert!(delete <= upto, "entries that are not applied are never deleted");
        let mut disk = self.disk();
        disk.offsets.extend(offsets);
        disk.trimmed = disk.trimmed.max(delete);
        disk.entries.retain(|seq, _| *seq > delete);
        Ok(Usage { room: disk.room.is_none_or(|room| disk.entries.len() < room), ..Usage::default() })
    }

    async fn skip(&self, seq: Seq) -> Result<(), JournalError> {
        let delay = self.disk().skip_delay;
        sleep(delay).await;
        let mut disk = self.disk();
        disk.head = disk.head.max(seq);
        Ok(())
    }

    async fn sites(&self) -> Result<Vec<SiteId>, JournalError> {
        let mut sites: Vec<_> = self.disk().entries.values().flat_map(|entry| entry.views.keys().map(|(id, _)| id.clone())).collect();
        sites.sort();
        sites.dedup();
        Ok(sites)
    }
}

#[derive(Default)]
pub(crate) struct Ways {
    pub(crate) mode: Mode,
    pub(crate) delay: Duration,
    /// What an apply takes beyond that.
    pub(crate) apply_delay: Duration,
    /// The most articles that one apply had.
    pub(crate) largest: usize,
    pub(crate) asked: usize,
    /// Whether it applies, and answers no question.
    pub(crate) mute: bool,
}

pub(crate) struct FakeStore {
    pub(crate) memory: MemoryStore,
    ways: Mutex<Ways>,
}

impl FakeStore {
    pub(crate) fn new() -> Self {
        Self { memory: MemoryStore::new(Retention::default(), now), ways: Mutex::default() }
    }

    pub(crate) fn ways(&self) -> MutexGuard<'_, Ways> {
        self.ways.lock().unwrap()
    }

    /// What the store holds of a site in all.
    pub(crate) async fn stored(&self, site: &str) -> u64 {
        self.memory.history(&SiteId::parse(site).unwrap(), None, &[Bucket::Total]).await.unwrap()[0]
    }

    async fn reach(&self) -> Result<(), StoreError> {
        let delay = self.ways().delay;
        sleep(delay).await;
        let reached = Mode::reached(|| self.ways().mode).await;
        if reached { Ok(()) } else { Err(StoreError::NotApplied("as told".into())) }
    }
}

#[async_trait::async_trait]
impl Store for FakeStore {
    async fn apply(&self, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, deltas: Arc<Deltas>) -> Result<Applied, StoreError> {
        assert!(from < to, "an apply moves the offset");
        let delay = self.ways().apply_delay;
        sleep(delay).await;
        self.reach().await?;
        let articles = deltas.0.get(&Bucket::Total).map_or(0, |increment| increment.articles.len());
        let largest = self.ways().largest.max(articles);
        self.ways().largest = largest;
        self.memory.apply(site, producer, from, to, deltas).await
    }

    async fn figures(&self, site: &SiteId, producer: ProducerId, today: NaiveDate, articles: &[ArticleId]) -> Result<Snapshot, StoreError> {
        self.ways().asked += 1;
        self.reach().await?;
        if self.ways().mute {
            return Err(StoreError::NotApplied("as told".into()));
        }
        self.memory.figures(site, producer, today, articles).await
    }

    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Seq, StoreError> {
        self.reach().await?;
        self.memory.offset(site, producer).await
    }

    async fn top(&self, site: &SiteId, bucket: Bucket, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        self.reach().await?;
        self.memory.top(site, bucket, limit).await
    }

    async fn history(&self, site: &SiteId, article: Option<&ArticleId>, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        self.reach().await?;
        self.memory.history(site, article, buckets).await
    }

    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        self.memory.export(site, rows).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.reach().await
    }
}
