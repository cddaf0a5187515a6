//! A journal and a store in memory that fail, hang or slow down on demand.

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
        counts::Subject,
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

const PRODUCER: ProducerId = ProducerId(1);

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

/// How the journal or the store answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Works,
    Fails,
    Hangs,
}

impl Mode {
    /// Waits while `mode` is `Hangs`. Returns whether it is `Works` then.
    async fn reached(mode: impl Fn() -> Self) -> bool {
        while mode() == Self::Hangs {
            sleep(Duration::from_millis(10)).await;
        }
        mode() == Self::Works
    }
}

/// Settings that a test changes while the recorder runs.
#[derive(Default)]
pub(crate) struct Switches<T>(Mutex<T>);

impl<T> Switches<T> {
    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

/// The most entries that one read covers.
const READ_ENTRIES: usize = 8;

#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) mode: Mode,
    pub(crate) read_delay: Duration,
    /// Whether the file was deleted.
    pub(crate) gone: bool,
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
            JournalCall::Trim if self.lock().gone => return Err(JournalError::Gone("simulated".into())),
            JournalCall::Digest | JournalCall::Part | JournalCall::Trim | JournalCall::Sites => return Ok(()),
        };
        sleep(delay).await;
        if matches!(call, JournalCall::Append(_)) && self.lock().gone {
            return Err(JournalError::Gone("simulated".into()));
        }
        if matches!(call, JournalCall::Append(_)) && !Mode::reached(|| self.lock().mode).await {
            return Err(JournalError::Failed("simulated failure".into()));
        }
        Ok(())
    }
}

impl FakeJournal {
    pub(crate) fn new() -> Self {
        Self::at(0)
    }

    /// A journal whose last entry is `head`.
    pub(crate) fn at(head: Seq) -> Self {
        Self { memory: Arc::new(MemoryJournal::new(PRODUCER, head, READ_ENTRIES)), disk: Arc::default() }
    }

    /// The journal of a process that opens a copy of the file.
    pub(crate) fn copy(&self, number: u128) -> Self {
        let memory = MemoryJournal::from_image(ProducerId(number), self.memory.image(), READ_ENTRIES);
        Self { memory: Arc::new(memory), disk: Arc::default() }
    }

    /// The journal of a process that is a clone of the one that uses this journal.
    pub(crate) fn fork(&self, number: u128) -> Self {
        Self { memory: Arc::new(self.memory.fork(ProducerId(number))), disk: Arc::default() }
    }

    pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock()
    }

    pub(crate) fn faulty(&self) -> FaultyJournal<Arc<Switches<Disk>>> {
        FaultyJournal::new(self.memory.clone(), Arc::clone(&self.disk))
    }
}

#[derive(Default)]
pub(crate) struct StoreBehaviour {
    pub(crate) mode: Mode,
    pub(crate) delay: Duration,
    /// The additional delay of an apply.
    pub(crate) apply_delay: Duration,
    /// The most articles that one apply had.
    pub(crate) largest_apply: usize,
    /// The number of `figures` calls, and of `top` calls.
    pub(crate) figures_calls: usize,
    pub(crate) top_calls: usize,
    /// The number of `maintain` calls.
    pub(crate) maintain_calls: usize,
    /// Whether applies work, but calls of `figures` fail.
    pub(crate) fails_figures: bool,
    /// Whether calls of `offset` fail.
    pub(crate) fails_offsets: bool,
    /// The sites that cannot be applied to, but can be read.
    pub(crate) unwritable: Vec<&'static str>,
    /// The sites whose figures cannot be read.
    pub(crate) corrupt: BTreeSet<SiteId>,
}

pub(crate) struct FakeStore {
    pub(crate) memory: Arc<MemoryStore>,
    behaviour: Arc<Switches<StoreBehaviour>>,
}

#[async_trait]
impl StoreFaults for Switches<StoreBehaviour> {
    async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        let mut delay = self.lock().delay;
        match call {
            StoreCall::Apply(_) => delay += self.lock().apply_delay,
            StoreCall::Figures(_) => self.lock().figures_calls += 1,
            StoreCall::Top => self.lock().top_calls += 1,
            StoreCall::Maintain => self.lock().maintain_calls += 1,
            StoreCall::Export => return Ok(()),
            _ => {}
        }
        sleep(delay).await;
        if !Mode::reached(|| self.lock().mode).await {
            return Err(StoreError::NotApplied("simulated failure".into()));
        }
        let mut behaviour = self.lock();
        match call {
            StoreCall::Apply(apply) => {
                let articles = apply.deltas.0.values().map(|views| views.articles.len()).sum();
                behaviour.largest_apply = behaviour.largest_apply.max(articles);
                if behaviour.unwritable.contains(&apply.site.as_str()) {
                    return Err(StoreError::NotApplied("simulated failure".into()));
                }
            }
            StoreCall::Figures(site) if behaviour.corrupt.contains(site) => return Err(StoreError::Corrupt("simulated failure".into())),
            StoreCall::Offset if behaviour.fails_offsets => return Err(StoreError::NotApplied("simulated failure".into())),
            StoreCall::Figures(_) if behaviour.fails_figures => return Err(StoreError::NotApplied("simulated failure".into())),
            _ => {}
        }
        Ok(())
    }
}

impl FakeStore {
    pub(crate) fn new() -> Self {
        Self { memory: Arc::new(MemoryStore::new(Retention::default(), now)), behaviour: Arc::default() }
    }

    /// The same store, as another process reaches it.
    pub(crate) fn beside(&self) -> Self {
        Self { memory: Arc::clone(&self.memory), behaviour: Arc::default() }
    }

    pub(crate) fn behaviour(&self) -> MutexGuard<'_, StoreBehaviour> {
        self.behaviour.lock()
    }

    /// The site's total in the store.
    pub(crate) async fn stored(&self, site: &str) -> u64 {
        self.memory.history(&SiteId::parse(site).unwrap(), &Subject::Site, &[Bucket::Total]).await.unwrap()[0]
    }

    pub(crate) fn faulty(&self) -> FaultyStore<Arc<Switches<StoreBehaviour>>> {
        FaultyStore::new(self.memory.clone(), Arc::clone(&self.behaviour))
    }
}
