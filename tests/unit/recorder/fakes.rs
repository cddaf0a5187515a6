//! A journal and a store in memory that do what a test tells them to.

use std::{
    cell::Cell,
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, sleep};
use truycap::{
    domain::{
        period::Bucket,
        producer::{ProducerId, Seq},
        retention::Retention,
        site::SiteId,
    },
    journal::JournalError,
    store::{Store, StoreError, memory::MemoryStore},
};
use truycap_test_support::{
    faulty::{FaultyJournal, FaultyStore, JournalCall, JournalFaults, StoreCall, StoreFaults},
    memory_journal::MemoryJournal,
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

/// What a test sets while the recorder runs.
#[derive(Default)]
pub(crate) struct Switches<T>(Mutex<T>);

impl<T> Switches<T> {
    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

/// How many entries a read looks at.
const READ: usize = 8;

#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) mode: Mode,
    pub(crate) read_delay: Duration,
    pub(crate) skip_delay: Duration,
}

#[derive(Clone)]
pub(crate) struct FakeJournal {
    pub(crate) memory: Arc<MemoryJournal>,
    disk: Arc<Switches<Disk>>,
}

#[async_trait]
impl JournalFaults for Switches<Disk> {
    async fn before(&self, call: JournalCall<'_>) -> Result<(), JournalError> {
        let delay = match call {
            JournalCall::Append(_) => Duration::from_millis(1),
            JournalCall::Read => self.lock().read_delay,
            JournalCall::Skip => self.lock().skip_delay,
            JournalCall::Trim | JournalCall::Sites => return Ok(()),
        };
        sleep(delay).await;
        if matches!(call, JournalCall::Append(_)) && !Mode::reached(|| self.lock().mode).await {
            return Err(JournalError::Failed("as told".into()));
        }
        Ok(())
    }
}

impl FakeJournal {
    pub(crate) fn new() -> Self {
        Self::at(0)
    }

    /// A journal that ends at an entry.
    pub(crate) fn at(head: Seq) -> Self {
        Self { memory: Arc::new(MemoryJournal::new(PRODUCER, head, READ)), disk: Arc::default() }
    }

    pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock()
    }

    pub(crate) fn faulty(&self) -> FaultyJournal<Arc<Switches<Disk>>> {
        FaultyJournal::new(self.memory.clone(), Arc::clone(&self.disk))
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
    /// The sites whose figures cannot be read.
    pub(crate) corrupt: BTreeSet<SiteId>,
}

pub(crate) struct FakeStore {
    pub(crate) memory: Arc<MemoryStore>,
    ways: Arc<Switches<Ways>>,
}

#[async_trait]
impl StoreFaults for Switches<Ways> {
    async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        let mut delay = self.lock().delay;
        match call {
            StoreCall::Apply(_) => delay += self.lock().apply_delay,
            StoreCall::Figures(_) => self.lock().asked += 1,
            StoreCall::Export => return Ok(()),
            _ => {}
        }
        sleep(delay).await;
        if !Mode::reached(|| self.lock().mode).await {
            return Err(StoreError::NotApplied("as told".into()));
        }
        let mut ways = self.lock();
        match call {
            StoreCall::Apply(apply) => {
                let articles = apply.deltas.0.get(&Bucket::Total).map_or(0, |increment| increment.articles.len());
                ways.largest = ways.largest.max(articles);
            }
            StoreCall::Figures(site) if ways.corrupt.contains(site) => return Err(StoreError::Corrupt("as told".into())),
            StoreCall::Figures(_) if ways.mute => return Err(StoreError::NotApplied("as told".into())),
            _ => {}
        }
        Ok(())
    }
}

impl FakeStore {
    pub(crate) fn new() -> Self {
        Self { memory: Arc::new(MemoryStore::new(Retention::default(), now)), ways: Arc::default() }
    }

    pub(crate) fn ways(&self) -> MutexGuard<'_, Ways> {
        self.ways.lock()
    }

    /// What the store holds of a site in all.
    pub(crate) async fn stored(&self, site: &str) -> u64 {
        self.memory.history(&SiteId::parse(site).unwrap(), None, &[Bucket::Total]).await.unwrap()[0]
    }

    pub(crate) fn faulty(&self) -> FaultyStore<Arc<Switches<Ways>>> {
        FaultyStore::new(self.memory.clone(), Arc::clone(&self.ways))
    }
}
