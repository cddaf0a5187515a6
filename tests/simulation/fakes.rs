//! A journal and a store that do what real ones do on a bad day.

use std::{sync::Arc, time::Duration};

use chrono::NaiveDate;
use tokio::{sync::mpsc, time::Instant};
use truycap::{
    domain::{
        article::ArticleId,
        counts::Deltas,
        period::Bucket,
        producer::{ProducerId, Seq},
        site::SiteId,
    },
    journal::{Entry, Journal, JournalError, Replay, Usage},
    store::{Applied, Row, Snapshot, Store, StoreError},
};

use crate::world::{Copy, Disk, Life, World};

/// How many entries a read looks at, few so that catching up takes many.
const READ: usize = 3;

pub(crate) struct FakeJournal {
    pub(crate) world: Arc<World>,
    pub(crate) life: Arc<Life>,
    pub(crate) instance: usize,
}

impl FakeJournal {
    fn disk<T>(&self, work: impl FnOnce(&mut Disk) -> T) -> T {
        work(&mut self.world.lock().disks[self.instance])
    }
}

#[async_trait::async_trait]
impl Journal for FakeJournal {
    fn producer(&self) -> ProducerId {
        ProducerId(self.instance as u128 + 1)
    }

    fn head_at_open(&self) -> Seq {
        self.disk(|disk| disk.head)
    }

    async fn append(&self, entry: Arc<Entry>) -> Result<Seq, JournalError> {
        self.life.step(&self.world).await;
        {
            let mut world = self.world.lock();
            let turns = world.chances.full;
            if world.chance(turns) {
                let disk = &mut world.disks[self.instance];
                disk.full = !disk.full;
            }
        }
        let seq = self.disk(|disk| {
            if disk.full {
                return Err(JournalError::Full("simulated".into()));
            }
            disk.head += 1;
            disk.entries.insert(disk.head, Arc::clone(&entry));
            disk.written.push(entry);
            Ok(disk.head)
        });
        self.life.step(&self.world).await;
        seq
    }

    async fn read(&self, site: &SiteId, after: Seq, upto: Seq) -> Result<Replay, JournalError> {
        self.life.step(&self.world).await;
        let replay = self.disk(|disk| {
            let horizon = disk.trimmed.min(disk.offsets.get(site).copied().unwrap_or(0));
            let mut replay = Replay { to: upto, ..Replay::default() };
            replay.missing = (after < horizon).then_some((after + 1, horizon));
            for (count, (seq, entry)) in disk.entries.range(after + 1..=upto).enumerate() {
                if count == READ {
                    break;
                }
                replay.to = if count + 1 == READ { *seq } else { upto };
                for ((_, day), views) in entry.views.iter().filter(|((id, _), _)| id == site) {
                    replay.days.entry(*day).or_default().add(views);
                }
            }
            replay
        });
        self.life.step(&self.world).await;
        Ok(replay)
    }

    async fn trim(&self, offsets: Vec<(SiteId, Seq)>, upto: Seq, delete: Seq) -> Result<Usage, JournalError> {
        self.life.step(&self.world).await;
        let usage = self.disk(|disk| {
            assert!(delete <= upto, "entries that are not applied are never deleted");
            disk.offsets.extend(offsets);
            disk.upto = upto;
            disk.trimmed = disk.trimmed.max(delete);
            disk.entries.retain(|seq, _| *seq > delete);
            Usage { room: !disk.full, ..Usage::default() }
        });
        self.life.step(&self.world).await;
        Ok(usage)
    }

    async fn skip(&self, seq: Seq) -> Result<(), JournalError> {
        self.disk(|disk| disk.head = disk.head.max(seq));
        Ok(())
    }

    async fn sites(&self) -> Result<Vec<SiteId>, JournalError> {
        let mut sites: Vec<_> = self
            .disk(|disk| disk.entries.range(disk.upto + 1..).flat_map(|(_, entry)| entry.views.keys().map(|(id, _)| id.clone())).collect());
        sites.sort();
        sites.dedup();
        Ok(sites)
    }
}

pub(crate) struct FakeStore {
    pub(crate) world: Arc<World>,
    pub(crate) life: Arc<Life>,
}

impl FakeStore {
    /// The way to the store: it may be away, for a while.
    async fn reach(&self) -> Result<(), StoreError> {
        self.life.step(&self.world).await;
        self.world.deliver().await;
        let mut world = self.world.lock();
        let turns = world.chances.away;
        if world.chance(turns) {
            world.store_away = !world.store_away;
        }
        if world.store_away && world.faults { Err(StoreError::NotApplied("simulated".into())) } else { Ok(()) }
    }

    fn chance(&self, percent: impl Fn(&crate::world::Chances) -> u32) -> bool {
        let mut world = self.world.lock();
        let percent = percent(&world.chances);
        world.chance(percent)
    }

    /// A copy of the request stays in the network, and arrives some time later.
    fn leave_copy(&self, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, deltas: &Arc<Deltas>) {
        let due = Instant::now() + Duration::from_millis(self.world.random(1..3000));
        let copy = Copy { due, site: site.clone(), producer, from, to, deltas: Arc::clone(deltas) };
        self.world.lock().copies.push(copy);
    }
}

#[async_trait::async_trait]
impl Store for FakeStore {
    async fn apply(&self, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, deltas: Arc<Deltas>) -> Result<Applied, StoreError> {
        assert!(from < to, "an apply moves the offset");
        self.reach().await?;
        if self.chance(|chances| chances.late_copy) {
            self.leave_copy(site, producer, from, to, &deltas);
        }
        if self.chance(|chances| chances.lost_request) {
            return Err(StoreError::PerhapsApplied("the request was lost".into()));
        }
        let applied = self.world.store.apply(site, producer, from, to, deltas).await;
        self.life.step(&self.world).await;
        if self.chance(|chances| chances.lost_reply) {
            return Err(StoreError::PerhapsApplied("the reply was lost".into()));
        }
        applied
    }

    async fn figures(&self, site: &SiteId, producer: ProducerId, today: NaiveDate, articles: &[ArticleId]) -> Result<Snapshot, StoreError> {
        self.reach().await?;
        let snapshot = self.world.store.figures(site, producer, today, articles).await;
        self.life.step(&self.world).await;
        snapshot
    }

    async fn offset(&self, _: &SiteId, _: ProducerId) -> Result<Seq, StoreError> {
        unreachable!("the recorder asks for figures")
    }

    async fn top(&self, _: &SiteId, _: Bucket, _: usize) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        unreachable!("nobody asks for lists here")
    }

    async fn history(&self, _: &SiteId, _: Option<&ArticleId>, _: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        unreachable!("nobody asks for lists here")
    }

    async fn export(&self, _: &SiteId, _: mpsc::Sender<Row>) -> Result<(), StoreError> {
        unreachable!("the recorder does not export")
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
