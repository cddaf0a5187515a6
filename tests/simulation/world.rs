//! What survives a crash: the journals, the store and the network between them; and the tallies of what was promised.

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
        counts::SiteViews,
        producer::{Digest, ProducerId, Seq},
        site::SiteId,
    },
    journal::{Entry, Journal, Run},
    store::Store,
};
use truycap_test_support::{
    faulty::Apply,
    memory_journal::{self, MemoryJournal},
};

use crate::store::{Image, SimulatedStore};

/// The sites that are counted.
pub(crate) const SITES: [&str; 2] = ["hanoi", "berlin"];

/// The most entries that one read of a journal covers. They are few, so that catching up takes many reads.
const READ_ENTRIES: usize = 3;

/// How many copies of a journal are kept.
const COPIES: usize = 8;

/// The most instances, those with a copied journal included.
const INSTANCES: usize = 4;

/// Views by site and day.
pub(crate) type Tally = BTreeMap<(SiteId, NaiveDate), SiteViews>;

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

/// An instance with its journal, which survives its processes.
pub(crate) struct Instance {
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) full: bool,
    /// Copies of the journal, as an operator makes them.
    copies: VecDeque<memory_journal::Image>,
    /// Views that were acknowledged, and not lost with a journal.
    pub(crate) acknowledged: Tally,
    /// Views that were acknowledged before the journal was rolled back, and that another copy of it has.
    elsewhere: Tally,
}

impl Instance {
    fn new(journal: MemoryJournal) -> Self {
        Self { journal: Arc::new(journal), full: false, copies: VecDeque::new(), acknowledged: Tally::new(), elsewhere: Tally::new() }
    }
}

/// An apply that is still in the network.
pub(crate) struct Copy {
    pub(crate) due: Instant,
    pub(crate) apply: Apply,
}

/// The probabilities of faults in percent, while faults are on.
pub(crate) struct Chances {
    pub(crate) lost_request: u32,
    pub(crate) lost_reply: u32,
    pub(crate) late_copy: u32,
    pub(crate) unreachable: u32,
    pub(crate) full: u32,
    pub(crate) roll_back: u32,
    /// That a process that crashed starts again with an older copy of its journal.
    pub(crate) old_copy: u32,
    /// That another instance starts with a copy of a journal that is in use.
    pub(crate) second_copy: u32,
}

pub(crate) struct Inner {
    pub(crate) rng: StdRng,
    pub(crate) chances: Chances,
    pub(crate) faults: bool,
    pub(crate) store_unreachable: bool,
    pub(crate) instances: Vec<Instance>,
    pub(crate) copies: Vec<Copy>,
    pub(crate) images: VecDeque<(Instant, Image)>,
    /// Views that a visitor began to send, and those that are durable: in a journal, or in a store that is ahead of it.
    pub(crate) started: Tally,
    durable: Tally,
}

impl Inner {
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.faults && self.rng.random_range(0..100) < percent
    }

    /// Records that an entry is durable.
    pub(crate) fn written(&mut self, entry: &Entry) {
        for (key, views) in &entry.views {
            self.durable.entry(key.clone()).or_default().add(views);
        }
    }
}

pub(crate) struct World {
    inner: Mutex<Inner>,
    pub(crate) store: Arc<SimulatedStore>,
}

impl World {
    pub(crate) fn new(seed: u64, instances: usize, store: SimulatedStore) -> Arc<Self> {
        let mut rng = StdRng::seed_from_u64(seed);
        let chances = Chances {
            lost_request: rng.random_range(0..20),
            lost_reply: rng.random_range(0..20),
            late_copy: rng.random_range(0..20),
            unreachable: rng.random_range(0..10),
            // A full journal deletes applied entries early, so the store must not be rolled back in the same world.
            full: if seed.is_multiple_of(2) { rng.random_range(0..5) } else { 0 },
            roll_back: if seed.is_multiple_of(2) { 0 } else { rng.random_range(0..6) },
            old_copy: if seed % 5 < 2 { rng.random_range(10..60) } else { 0 },
            second_copy: if seed.is_multiple_of(3) { rng.random_range(1..8) } else { 0 },
        };
        let instance = |number: usize| Instance::new(MemoryJournal::new(ProducerId(number as u128 + 1), 0, READ_ENTRIES));
        let inner = Inner {
            rng,
            chances,
            faults: false,
            store_unreachable: false,
            instances: (0..instances).map(instance).collect(),
            copies: Vec::new(),
            images: VecDeque::new(),
            started: Tally::new(),
            durable: Tally::new(),
        };
        Arc::new(Self { inner: Mutex::new(inner), store: Arc::new(store) })
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
            let _ = copy.apply.to(&*self.store).await;
        }
    }

    /// Keeps an image of the store, and drops those older than `reach`.
    pub(crate) fn keep_image(&self, reach: Duration) {
        // If the store is never rolled back, no image is needed.
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

    /// Sometimes rolls the store back to one of the kept images, and drops the later ones.
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

    /// The views that a visitor began to send, and those that were acknowledged.
    pub(crate) fn promised(&self) -> (Tally, Tally) {
        let inner = self.lock();
        let mut acknowledged = Tally::new();
        let of_instances = inner.instances.iter().flat_map(|instance| instance.acknowledged.iter().chain(&instance.elsewhere));
        for (key, views) in of_instances {
            acknowledged.entry(key.clone()).or_default().add(views);
        }
        (inner.started.clone(), acknowledged)
    }

    /// Every view that must be counted once, by site and day.
    pub(crate) fn durable(&self) -> Tally {
        self.lock().durable.clone()
    }

    /// Sometimes keeps a copy of a journal.
    pub(crate) fn copy_journal(&self, instance: usize) {
        let mut inner = self.lock();
        if inner.chances.old_copy > 0 && inner.chance(20) {
            let instance = &mut inner.instances[instance];
            instance.copies.push_back(instance.journal.image());
            if instance.copies.len() > COPIES {
                instance.copies.pop_front();
            }
        }
    }

    /// Sometimes rolls the journal of a dead process back to an older copy.
    ///
    /// Views in later entries are lost, unless the store has them. Nothing that the dead process sent is still in the
    /// network, because an operator takes longer; and the store is not rolled back to an image from before.
    pub(crate) async fn roll_back_journal(&self, instance: usize) {
        let (journal, copy) = {
            let mut inner = self.lock();
            let chance = inner.chances.old_copy;
            let copies = inner.instances[instance].copies.len();
            if copies == 0 || !inner.chance(chance) {
                return;
            }
            let choice = inner.rng.random_range(0..copies);
            let instance = &mut inner.instances[instance];
            instance.copies.truncate(choice + 1);
            (Arc::clone(&instance.journal), instance.copies[choice].clone())
        };
        let producers: Vec<_> = journal.runs().iter().map(|run| run.producer).collect();
        self.lock().copies.retain(|copy| !producers.contains(&copy.apply.producer));
        let image = journal.image();
        let mut lost = Vec::new();
        for (seq, (entry, digest)) in image.entries.range(copy.head.seq + 1..) {
            let elsewhere = self.has_entry(instance, *seq, *digest);
            for (key, views) in &entry.views {
                let offset = self.store.offset(&key.0, producer_of(&image.runs, *seq)).await.unwrap();
                if offset.seq < *seq {
                    lost.push((key.clone(), views.clone(), elsewhere));
                }
            }
        }
        journal.restore(copy);
        let mut inner = self.lock();
        // An older image of the store could lack entries that it alone has now.
        inner.images.clear();
        for (key, views, elsewhere) in lost {
            if elsewhere {
                inner.instances[instance].elsewhere.entry(key.clone()).or_default().add(&views);
            } else {
                subtract(&mut inner.durable, &key, &views);
            }
            // Some may not have been acknowledged before the process died. Then slightly fewer views are expected than
            // could be.
            subtract(&mut inner.instances[instance].acknowledged, &key, &views);
        }
    }

    /// Whether another instance has this entry in its journal.
    fn has_entry(&self, instance: usize, seq: Seq, digest: Digest) -> bool {
        let inner = self.lock();
        let others = inner.instances.iter().enumerate().filter(|(other, _)| *other != instance);
        others.into_iter().any(|(_, other)| other.journal.image().entries.get(&seq).is_some_and(|(_, known)| *known == digest))
    }

    /// Sometimes adds an instance that has a copy of another one's journal. Returns its number.
    pub(crate) fn copy_instance(&self) -> Option<usize> {
        let mut inner = self.lock();
        let chance = inner.chances.second_copy;
        if inner.instances.len() >= INSTANCES || !inner.chance(chance) {
            return None;
        }
        let instances = inner.instances.len();
        let original = inner.rng.random_range(0..instances);
        let image = inner.instances[original].journal.image();
        let producer = ProducerId(inner.rng.random());
        inner.instances.push(Instance::new(MemoryJournal::from_image(producer, image, READ_ENTRIES)));
        Some(instances)
    }
}

/// The producer of an entry.
fn producer_of(runs: &[Run], seq: Seq) -> ProducerId {
    runs.iter().rev().find(|run| run.after < seq).expect("each entry belongs to a run").producer
}

fn subtract(tally: &mut Tally, key: &(SiteId, NaiveDate), lost: &SiteViews) {
    let Some(sum) = tally.get_mut(key) else { return };
    sum.views = sum.views.saturating_sub(lost.views);
    for (article, views) in &lost.articles {
        if let Some(sum) = sum.articles.get_mut(article) {
            *sum = sum.saturating_sub(*views);
        }
    }
    for (kind, count) in &lost.kinds {
        if let Some(sum) = sum.kinds.get_mut(kind) {
            *sum = sum.saturating_sub(*count);
        }
    }
    sum.articles.retain(|_, views| *views > 0);
    sum.kinds.retain(|_, count| *count > 0);
    if sum.views == 0 && sum.kinds.is_empty() {
        tally.remove(key);
    }
}

/// The life of one process, from its start to its crash.
pub(crate) struct Life {
    dead: AtomicBool,
    /// How many more steps it makes before it crashes.
    steps: AtomicU64,
    pub(crate) died: Notify,
}

impl Life {
    pub(crate) fn new(steps: u64) -> Arc<Self> {
        Arc::new(Self { dead: AtomicBool::new(false), steps: AtomicU64::new(steps), died: Notify::new() })
    }

    /// Sets how many more steps it makes.
    pub(crate) fn limit(&self, steps: u64) {
        self.steps.store(steps, Ordering::Relaxed);
    }

    /// Ends it at once: none of its calls continues.
    pub(crate) fn end(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    /// A point at which time passes and the process can crash. A dead process never returns from here.
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
