//! What outlives a crash: the disks, the store, the network between; and the tally of what was promised.

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{sync::Notify, time::Instant};
use truycap::{
    domain::{
        counts::{DayViews, Deltas},
        producer::{ProducerId, Seq},
        site::SiteId,
    },
    journal::Entry,
};

use crate::books::{Books, Image};

/// Views by site and day.
pub(crate) type Tally = BTreeMap<(SiteId, NaiveDate), DayViews>;

thread_local! {
    /// The instant at which a simulation begins, by both clocks.
    static BEGIN: Cell<Option<(Instant, DateTime<Utc>)>> = const { Cell::new(None) };
}

/// Sets the clock, at the beginning of a simulation.
pub(crate) fn set_clock(begin: DateTime<Utc>) {
    BEGIN.set(Some((Instant::now(), begin)));
}

/// The simulated time.
pub(crate) fn now() -> DateTime<Utc> {
    let (at, begin) = BEGIN.get().expect("the clock is set");
    begin + TimeDelta::from_std(at.elapsed()).expect("simulations are short")
}

/// A journal's file.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) entries: BTreeMap<Seq, Arc<Entry>>,
    /// All that ever was durable, trimmed or not.
    pub(crate) written: Vec<Arc<Entry>>,
    pub(crate) head: Seq,
    pub(crate) trimmed: Seq,
    pub(crate) upto: Seq,
    pub(crate) offsets: BTreeMap<SiteId, Seq>,
    pub(crate) full: bool,
}

/// An apply that is still in the network.
pub(crate) struct Copy {
    pub(crate) due: Instant,
    pub(crate) site: SiteId,
    pub(crate) producer: ProducerId,
    pub(crate) from: Seq,
    pub(crate) to: Seq,
    pub(crate) deltas: Arc<Deltas>,
}

/// What happens to the world while faults are on: probabilities in percent.
pub(crate) struct Chances {
    pub(crate) lost_request: u32,
    pub(crate) lost_reply: u32,
    pub(crate) late_copy: u32,
    pub(crate) away: u32,
    pub(crate) full: u32,
    pub(crate) roll_back: u32,
}

pub(crate) struct Inner {
    pub(crate) rng: StdRng,
    pub(crate) chances: Chances,
    pub(crate) faults: bool,
    pub(crate) store_away: bool,
    pub(crate) disks: Vec<Disk>,
    pub(crate) copies: Vec<Copy>,
    pub(crate) images: VecDeque<(Instant, Image)>,
    /// Views that somebody began to send, and those that each instance acknowledged.
    pub(crate) started: Tally,
    pub(crate) acknowledged: Vec<Tally>,
}

impl Inner {
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.faults && self.rng.random_range(0..100) < percent
    }
}

pub(crate) struct World {
    inner: Mutex<Inner>,
    pub(crate) store: Books,
}

impl World {
    pub(crate) fn new(seed: u64, instances: usize, store: Books) -> Arc<Self> {
        let mut rng = StdRng::seed_from_u64(seed);
        let chances = Chances {
            lost_request: rng.random_range(0..20),
            lost_reply: rng.random_range(0..20),
            late_copy: rng.random_range(0..20),
            away: rng.random_range(0..10),
            // A full journal gives up applied entries before their time, so a store must not go back then: either, or.
            full: if seed.is_multiple_of(2) { rng.random_range(0..5) } else { 0 },
            roll_back: if seed.is_multiple_of(2) { 0 } else { rng.random_range(0..6) },
        };
        let disks = (0..instances).map(|_| Disk::default()).collect();
        let inner = Inner {
            rng,
            chances,
            faults: false,
            store_away: false,
            disks,
            copies: Vec::new(),
            images: VecDeque::new(),
            started: Tally::new(),
            acknowledged: vec![Tally::new(); instances],
        };
        Arc::new(Self { inner: Mutex::new(inner), store })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic while locked")
    }

    pub(crate) fn random(&self, range: std::ops::Range<u64>) -> u64 {
        self.lock().rng.random_range(range)
    }

    /// Delivers the copies of requests whose time has come.
    pub(crate) async fn deliver(&self) {
        loop {
            let copy = {
                let mut inner = self.lock();
                let due = inner.copies.iter().position(|copy| copy.due <= Instant::now());
                due.map(|i| inner.copies.swap_remove(i))
            };
            let Some(copy) = copy else { return };
            let _ = self.store.apply(&copy.site, copy.producer, copy.from, copy.to, copy.deltas).await;
        }
    }

    /// Keeps an image of the store, and forgets those older than `reach`.
    pub(crate) fn keep_image(&self, reach: Duration) {
        // Where the store does not go back, nobody needs one.
        if self.lock().chances.roll_back == 0 {
            return;
        }
        let image = self.store.image();
        let images = &mut self.lock().images;
        images.push_back((Instant::now(), image));
        while images.front().is_some_and(|(at, _)| at.elapsed() > reach) {
            images.pop_front();
        }
    }

    /// Rolls the store back, now and then, to one of the images that are kept; what came after it has never been.
    pub(crate) fn roll_back(&self) {
        let mut inner = self.lock();
        let chance = inner.chances.roll_back;
        if inner.images.is_empty() || !inner.chance(chance) {
            return;
        }
        let choice = inner.images.len();
        let choice = inner.rng.random_range(0..choice);
        let image = inner.images[choice].1.clone();
        inner.images.truncate(choice + 1);
        self.store.restore(image);
    }

    /// The views that somebody began to send, and those that were acknowledged.
    pub(crate) fn promised(&self) -> (Tally, Tally) {
        let inner = self.lock();
        let mut acknowledged = Tally::new();
        for (key, views) in inner.acknowledged.iter().flatten() {
            acknowledged.entry(key.clone()).or_default().add(views);
        }
        (inner.started.clone(), acknowledged)
    }

    /// All that is durable in the journals, by site and day.
    pub(crate) fn journaled(&self) -> Tally {
        let mut tally = Tally::new();
        for entry in self.lock().disks.iter().flat_map(|disk| &disk.written) {
            for (key, views) in &entry.views {
                tally.entry(key.clone()).or_default().add(views);
            }
        }
        tally
    }
}

/// The life of one process, from its start to its crash.
pub(crate) struct Life {
    dead: AtomicBool,
    /// How many more steps it makes before it dies.
    steps: AtomicU64,
    pub(crate) died: Notify,
}

impl Life {
    pub(crate) fn new(steps: u64) -> Arc<Self> {
        Arc::new(Self { dead: AtomicBool::new(false), steps: AtomicU64::new(steps), died: Notify::new() })
    }

    /// Says anew how many more steps it makes.
    pub(crate) fn limit(&self, steps: u64) {
        self.steps.store(steps, Ordering::Relaxed);
    }

    /// A place where the process may die, and where time passes. The dead do not come back from here.
    pub(crate) async fn step(&self, world: &World) {
        let millis = world.random(0..20).saturating_sub(10);
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        } else {
            tokio::task::yield_now().await;
        }
        if self.steps.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.dead.store(true, Ordering::Relaxed);
            self.died.notify_one();
        }
        if self.dead.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}
