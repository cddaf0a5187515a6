//! Random faults of the calls of a journal and a store.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;
use truycap::{journal::JournalError, store::StoreError};
use truycap_test_support::faulty::{JournalCall, JournalFaults, StoreCall, StoreFaults};

use crate::world::{Chances, Copy, Life, World};

/// The faults of one process. Its calls take time, and it can crash in each.
#[derive(Clone)]
pub(crate) struct RandomFaults {
    pub(crate) world: Arc<World>,
    pub(crate) life: Arc<Life>,
    pub(crate) instance: usize,
}

impl RandomFaults {
    async fn step(&self) {
        self.life.step(&self.world).await;
    }

    fn chance(&self, percent: impl Fn(&Chances) -> u32) -> bool {
        let mut world = self.world.lock();
        let percent = percent(&world.chances);
        world.chance(percent)
    }
}

#[async_trait]
impl JournalFaults for RandomFaults {
    async fn before(&self, call: JournalCall<'_>) -> Result<(), JournalError> {
        // The start of a recorder waits for these, and `Process::start` for it, so the process does not crash here.
        if let JournalCall::Sites = call {
            return Ok(());
        }
        self.step().await;
        if let JournalCall::Append(_) = call {
            let toggles = self.chance(|chances| chances.full);
            let full = &mut self.world.lock().instances[self.instance].full;
            *full ^= toggles;
            if *full {
                return Err(JournalError::Full("simulated".into()));
            }
        }
        Ok(())
    }

    async fn after(&self, call: JournalCall<'_>) {
        if let JournalCall::Append(entry) = call {
            self.world.lock().written(entry);
        }
        if !matches!(call, JournalCall::Sites) {
            self.step().await;
        }
    }

    fn has_room(&self) -> bool {
        !self.world.lock().instances[self.instance].full
    }
}

#[async_trait]
impl StoreFaults for RandomFaults {
    async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        self.step().await;
        self.world.deliver().await;
        // The store can be unreachable for a while.
        let toggles = self.chance(|chances| chances.unreachable);
        let unreachable = {
            let mut world = self.world.lock();
            world.store_unreachable ^= toggles;
            world.store_unreachable && world.faults
        };
        if unreachable {
            return Err(StoreError::NotApplied("simulated".into()));
        }
        if let StoreCall::Apply(apply) = call {
            if self.chance(|chances| chances.late_copy) {
                // A copy of the request stays in the network, and arrives some time later.
                let due = Instant::now() + Duration::from_millis(self.world.random(1..3000));
                self.world.lock().copies.push(Copy { due, apply: apply.clone() });
            }
            if self.chance(|chances| chances.lost_request) {
                return Err(StoreError::PerhapsApplied("the request was lost".into()));
            }
        }
        Ok(())
    }

    async fn after(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        self.step().await;
        if matches!(call, StoreCall::Apply(_)) && self.chance(|chances| chances.lost_reply) {
            return Err(StoreError::PerhapsApplied("the reply was lost".into()));
        }
        Ok(())
    }
}
