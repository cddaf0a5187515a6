//! A journal in memory, in which nothing goes wrong.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};
use truycap::{
    domain::{
        producer::{ProducerId, Seq},
        site::SiteId,
    },
    journal::{Entry, Journal, JournalError, Replay, Usage},
};

/// A Monday, 10:00 in Hà Nội.
pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-23T10:00:00+07:00".parse::<DateTime<Utc>>().unwrap()
}

/// The entries that were not deleted, and the number of the last one there was.
#[derive(Default)]
pub(crate) struct MemoryJournal(Mutex<(BTreeMap<Seq, Arc<Entry>>, Seq)>);

#[async_trait::async_trait]
impl Journal for MemoryJournal {
    fn producer(&self) -> ProducerId {
        ProducerId(1)
    }

    fn head_at_open(&self) -> Seq {
        0
    }

    async fn append(&self, entry: Arc<Entry>) -> Result<Seq, JournalError> {
        let (entries, head) = &mut *self.0.lock().unwrap();
        *head += 1;
        entries.insert(*head, entry);
        Ok(*head)
    }

    async fn read(&self, site: &SiteId, after: Seq, upto: Seq) -> Result<Replay, JournalError> {
        let mut replay = Replay { to: upto, ..Replay::default() };
        for entry in self.0.lock().unwrap().0.range(after + 1..=upto).map(|(_, entry)| entry) {
            for ((_, day), views) in entry.views.iter().filter(|((own, _), _)| own == site) {
                replay.days.entry(*day).or_default().add(views);
            }
        }
        Ok(replay)
    }

    async fn trim(&self, _offsets: Vec<(SiteId, Seq)>, _upto: Seq, delete: Seq) -> Result<Usage, JournalError> {
        let entries = &mut self.0.lock().unwrap().0;
        *entries = entries.split_off(&(delete + 1));
        Ok(Usage { room: true, ..Usage::default() })
    }

    async fn skip(&self, seq: Seq) -> Result<(), JournalError> {
        let head = &mut self.0.lock().unwrap().1;
        *head = seq.max(*head);
        Ok(())
    }

    async fn sites(&self) -> Result<Vec<SiteId>, JournalError> {
        Ok(Vec::new())
    }
}
