//! The model of a journal: a map of entries under one lock, in the simplest code.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use truycap::{
    domain::{
        producer::{ProducerId, Seq},
        site::SiteId,
    },
    journal::{Entry, Journal, JournalError, Replay, Usage},
};

/// A read ends before the next entry once it has this many articles, as in a real journal.
const READ_ARTICLES: usize = 400;

/// Everything a journal holds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    pub entries: BTreeMap<Seq, Arc<Entry>>,
    /// The last number in use.
    pub head: Seq,
    /// The last entry that was deleted.
    pub deleted: Seq,
    /// Entries up to this one are included in all of `offsets`.
    pub upto: Seq,
    /// The last entry of each site that the store has confirmed.
    pub offsets: BTreeMap<SiteId, Seq>,
}

#[derive(Debug)]
struct State {
    image: Image,
    head_at_open: Seq,
    capacity: Option<usize>,
    missing: Vec<(Seq, Seq)>,
}

/// A journal in memory. [`MemoryJournal::reopen`] simulates a restart, [`MemoryJournal::restore`] an older copy of the file.
#[derive(Debug)]
pub struct MemoryJournal {
    producer: ProducerId,
    read_entries: usize,
    state: Mutex<State>,
}

impl MemoryJournal {
    /// A journal whose last entry is `head`. One read covers up to `read_entries` entries.
    pub fn new(producer: ProducerId, head: Seq, read_entries: usize) -> Self {
        let image = Image { head, ..Image::default() };
        let state = State { image, head_at_open: head, capacity: None, missing: Vec::new() };
        Self { producer, read_entries, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Opens the journal as a new process does.
    pub fn reopen(&self) {
        let mut state = self.lock();
        state.head_at_open = state.image.head;
    }

    /// A copy of everything the journal holds.
    pub fn image(&self) -> Image {
        self.lock().image.clone()
    }

    /// Restores an earlier state of the journal and opens it.
    pub fn restore(&self, image: Image) {
        let mut state = self.lock();
        state.head_at_open = image.head;
        state.image = image;
    }

    /// The number of entries that are not deleted.
    pub fn len(&self) -> usize {
        self.lock().image.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sets how many entries fit.
    pub fn set_capacity(&self, entries: Option<usize>) {
        self.lock().capacity = entries;
    }

    /// The ranges of entries that reads found missing since the last call.
    pub fn take_missing(&self) -> Vec<(Seq, Seq)> {
        std::mem::take(&mut self.lock().missing)
    }
}

impl State {
    fn has_room(&self) -> bool {
        self.capacity.is_none_or(|capacity| self.image.entries.len() < capacity)
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    fn producer(&self) -> ProducerId {
        self.producer
    }

    fn head_at_open(&self) -> Seq {
        self.lock().head_at_open
    }

    async fn append(&self, entry: Arc<Entry>) -> Result<Seq, JournalError> {
        let mut state = self.lock();
        if !state.has_room() {
            return Err(JournalError::Full("no more entries fit".into()));
        }
        state.image.head += 1;
        let seq = state.image.head;
        state.image.entries.insert(seq, entry);
        Ok(seq)
    }

    async fn read(&self, site: &SiteId, after: Seq, upto: Seq) -> Result<Replay, JournalError> {
        let mut state = self.lock();
        let gone = state.image.deleted.min(state.image.offsets.get(site).copied().unwrap_or(0));
        let mut replay = Replay { to: upto, missing: (after < gone).then_some((after + 1, gone)), ..Replay::default() };
        state.missing.extend(replay.missing);
        for (count, (seq, entry)) in state.image.entries.range(after + 1..=upto).enumerate() {
            let articles: usize = replay.days.values().map(|day| day.articles.len()).sum();
            if count == self.read_entries || articles >= READ_ARTICLES {
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
        let mut state = self.lock();
        state.image.offsets.extend(offsets);
        state.image.upto = upto;
        state.image.deleted = state.image.deleted.max(delete);
        state.image.entries.retain(|seq, _| *seq > delete);
        Ok(Usage { room: state.has_room(), ..Usage::default() })
    }

    async fn skip(&self, seq: Seq) -> Result<(), JournalError> {
        let mut state = self.lock();
        state.image.head = state.image.head.max(seq);
        Ok(())
    }

    async fn sites(&self) -> Result<Vec<SiteId>, JournalError> {
        let Image { entries, deleted, upto, offsets, .. } = &self.lock().image;
        let unapplied = entries.range(upto + 1..).flat_map(|(_, entry)| entry.views.keys().map(|(site, _)| site));
        let kept = offsets.iter().filter(|(_, offset)| *offset > deleted).map(|(site, _)| site);
        Ok(unapplied.chain(kept).cloned().collect::<BTreeSet<_>>().into_iter().collect())
    }
}
