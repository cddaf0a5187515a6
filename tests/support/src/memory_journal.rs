//! The model of a journal: a map of entries under one lock, in the simplest code.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use truycap::{
    domain::{
        correction::KEPT_CHANGES,
        producer::{Digest, Position, ProducerId, Seq},
        site::SiteId,
    },
    journal::{Confirmed, Entry, Journal, JournalError, JournaledSite, Replay, Run, SeenCorrection, Unapplied, Usage},
};

/// A read ends before the next entry once it has this many articles, as in a real journal.
const READ_ARTICLES: usize = 400;

/// Everything a journal file holds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    pub entries: BTreeMap<Seq, (Arc<Entry>, Digest)>,
    /// The runs that have written entries, oldest first.
    pub runs: Vec<Run>,
    /// The last entry, even if it is deleted.
    pub head: Position,
    /// The last entry that was deleted.
    pub deleted: Position,
    /// Entries up to this one are included in all of `confirmed`.
    pub upto: Seq,
    /// What the store has confirmed for each site.
    pub confirmed: BTreeMap<SiteId, Confirmed>,
    /// What [`Journal::part`] has recorded for each site and run.
    pub parted: BTreeMap<(SiteId, ProducerId), Confirmed>,
    /// The corrections that the store had.
    pub corrections: BTreeMap<SiteId, Vec<SeenCorrection>>,
}

#[derive(Debug)]
struct State {
    image: Image,
    /// The run of this process. The image has it once it has an entry.
    run: Run,
    /// Where the process gets its random numbers: they differ from those of every other seed.
    seed: ProducerId,
    randoms: u64,
    head_at_open: Position,
    capacity: Option<usize>,
    missing: Vec<(Seq, Seq)>,
}

/// A journal in memory. [`MemoryJournal::reopen`] simulates a restart, [`MemoryJournal::restore`] an older copy of the file,
/// [`MemoryJournal::from_image`] a copy of the file beside this one, and [`MemoryJournal::fork`] a process that is cloned
/// while it runs.
#[derive(Debug)]
pub struct MemoryJournal {
    read_entries: usize,
    state: Mutex<State>,
}

impl MemoryJournal {
    /// A journal whose entries up to `head` are deleted. `producer` is its first run, and must differ from those of all other
    /// journals. One read covers up to `read_entries` entries.
    pub fn new(producer: ProducerId, head: Seq, read_entries: usize) -> Self {
        let digest = if head == 0 { Digest::default() } else { Digest(hash(&head)) };
        let head = Position { seq: head, digest };
        Self::from_image(producer, Image { head, deleted: head, ..Image::default() }, read_entries)
    }

    /// Opens a copy of another journal's file. `producer` is its first run, and must differ from those of all other journals.
    pub fn from_image(producer: ProducerId, image: Image, read_entries: usize) -> Self {
        let run = Run { producer, after: image.head.seq };
        let head_at_open = image.head;
        let state = State { image, run, seed: producer, randoms: 0, head_at_open, capacity: None, missing: Vec::new() };
        Self { read_entries, state: Mutex::new(state) }
    }

    /// The journal of a second process that has this one's memory: it continues the same run. `seed` must differ from those of
    /// all other journals. A recorder of it knows all entries, as the cloned one does, so it is opened at the last one.
    pub fn fork(&self, seed: ProducerId) -> Self {
        let state = self.lock();
        let fork = Self::from_image(seed, state.image.clone(), self.read_entries);
        {
            let mut fork = fork.lock();
            (fork.run, fork.capacity) = (state.run, state.capacity);
        }
        fork
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Opens the journal as a new process does.
    pub fn reopen(&self) {
        self.lock().begin_process();
    }

    /// A copy of everything the journal's file holds.
    pub fn image(&self) -> Image {
        self.lock().image.clone()
    }

    /// Restores an earlier state of the journal and opens it.
    pub fn restore(&self, image: Image) {
        let mut state = self.lock();
        state.image = image;
        state.begin_process();
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

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl State {
    fn begin_process(&mut self) {
        self.head_at_open = self.image.head;
        self.begin_run();
    }

    fn begin_run(&mut self) {
        self.run = Run { producer: self.random_producer(), after: self.image.head.seq };
    }

    fn random(&mut self) -> u64 {
        self.randoms += 1;
        hash(&(self.seed, self.randoms))
    }

    fn random_producer(&mut self) -> ProducerId {
        ProducerId(u128::from(self.random()) << 64 | u128::from(self.random()))
    }

    fn has_room(&self) -> bool {
        self.capacity.is_none_or(|capacity| self.image.entries.len() < capacity)
    }

    /// The runs of the last deleted entry and of those after it, and the run of this process.
    fn runs(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut later = self.run.after;
        runs.push(self.run);
        for run in self.image.runs.iter().rev().filter(|run| run.producer != self.run.producer) {
            if run.after < later && self.image.deleted.seq <= later {
                runs.push(*run);
            }
            later = run.after;
        }
        runs.reverse();
        runs
    }
}

impl Image {
    fn digest(&self, seq: Seq) -> Option<Digest> {
        match seq {
            0 => Some(Digest::default()),
            _ if seq == self.deleted.seq => Some(self.deleted.digest),
            _ => self.entries.get(&seq).map(|(_, digest)| *digest),
        }
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    fn runs(&self) -> Arc<[Run]> {
        self.lock().runs().into()
    }

    fn head_at_open(&self) -> Position {
        self.lock().head_at_open
    }

    async fn append(&self, entry: Arc<Entry>) -> Result<Position, JournalError> {
        let mut state = self.lock();
        if !state.has_room() {
            return Err(JournalError::Full("no more entries fit".into()));
        }
        let (nonce, run) = (state.random(), state.run);
        let image = &mut state.image;
        if image.runs.last() != Some(&run) {
            image.runs.push(run);
        }
        let seq = image.head.seq + 1;
        let digest = Digest(hash(&(image.head.digest, run.producer, seq, nonce)));
        image.head = Position { seq, digest };
        image.entries.insert(seq, (entry, digest));
        Ok(image.head)
    }

    async fn read(&self, site: &SiteId, after: Seq, upto: Seq) -> Result<Replay, JournalError> {
        let mut state = self.lock();
        let image = &state.image;
        let mut to = upto.min(image.head.seq);
        let gone = image.confirmed.get(site).map_or(0, |confirmed| confirmed.seq).min(image.deleted.seq).min(to);
        let mut replay = Replay { missing: (after < gone).then_some((after + 1, gone)), ..Replay::default() };
        let entries = image.entries.iter().filter(|(seq, _)| (after..to).contains(&(**seq - 1)));
        for (count, (seq, (entry, _))) in entries.enumerate() {
            let articles: usize = replay.days.values().map(|day| day.articles.len()).sum();
            if count == self.read_entries || articles >= READ_ARTICLES {
                to = seq - 1;
                break;
            }
            replay.entries += u64::from(entry.days_of(site).next().is_some());
            for (day, views) in entry.days_of(site) {
                replay.days.entry(day).or_default().add(views);
            }
        }
        replay.to = Position { seq: to, digest: image.digest(to).unwrap_or_default() };
        state.missing.extend(replay.missing);
        Ok(replay)
    }

    async fn digest(&self, seq: Seq) -> Result<Option<Digest>, JournalError> {
        Ok(self.lock().image.digest(seq))
    }

    async fn trim(&self, confirmed: Vec<(SiteId, Confirmed)>, upto: Seq, delete: Seq) -> Result<Usage, JournalError> {
        assert!(delete <= upto, "entries that are not applied are never deleted");
        let mut state = self.lock();
        let image = &mut state.image;
        image.confirmed.extend(confirmed);
        image.upto = upto;
        let delete = delete.max(image.deleted.seq).min(image.head.seq);
        image.deleted = Position { seq: delete, digest: image.digest(delete).unwrap() };
        image.entries.retain(|seq, _| *seq > delete);
        let runs = state.runs();
        let State { image, .. } = &mut *state;
        image.runs.retain(|run| runs.contains(run));
        image.parted.retain(|(_, producer), _| runs.iter().any(|run| run.producer == *producer));
        Ok(Usage { room: state.has_room(), ..Usage::default() })
    }

    async fn part(&self, site: &SiteId, producer: ProducerId, after: Seq) -> Result<Confirmed, JournalError> {
        let mut state = self.lock();
        if let Some(recorded) = state.image.parted.get(&(site.clone(), producer)) {
            return Ok(*recorded);
        }
        let heir = Confirmed { producer: state.random_producer(), seq: after };
        state.image.parted.insert((site.clone(), producer), heir);
        if producer == state.run.producer {
            state.begin_run();
        }
        Ok(heir)
    }

    async fn is_parted(&self, producer: ProducerId) -> Result<bool, JournalError> {
        Ok(self.lock().image.parted.keys().any(|(_, parted)| *parted == producer))
    }

    async fn corrections(&self, site: &SiteId) -> Result<Vec<SeenCorrection>, JournalError> {
        Ok(self.lock().image.corrections.get(site).cloned().unwrap_or_default())
    }

    async fn keep_corrections(&self, site: &SiteId, after: u64, seen: Vec<SeenCorrection>) -> Result<(), JournalError> {
        let mut state = self.lock();
        let known = state.image.corrections.entry(site.clone()).or_default();
        known.retain(|correction| correction.number <= after);
        known.extend(seen);
        let oldest = known.len().saturating_sub(usize::try_from(KEPT_CHANGES).unwrap());
        known.drain(..oldest);
        Ok(())
    }

    async fn sites(&self) -> Result<Vec<JournaledSite>, JournalError> {
        let Image { entries, upto, confirmed, .. } = &self.lock().image;
        let last = |id: &SiteId| entries.iter().rev().find(|(seq, (entry, _))| *seq > upto && entry.days_of(id).next().is_some());
        let unapplied = entries.range(upto + 1..).flat_map(|(_, (entry, _))| entry.views.keys().map(|(site, _)| site));
        let sites: BTreeSet<&SiteId> = unapplied.chain(confirmed.keys()).collect();
        let site = |id: &SiteId| {
            let confirmed = confirmed.get(id).copied();
            let last = last(id).map_or_else(|| confirmed.map_or(0, |confirmed| confirmed.seq.min(*upto)), |(seq, _)| *seq);
            let waiting = entries.range(upto.max(&confirmed.map_or(0, |confirmed| confirmed.seq)) + 1..);
            let waiting: Vec<_> = waiting.filter(|(_, (entry, _))| entry.days_of(id).next().is_some()).collect();
            let views = waiting.iter().flat_map(|(_, (entry, _))| entry.days_of(id)).map(|(_, sum)| sum.views).sum();
            let unapplied = waiting.first().map(|(first, (entry, _))| Unapplied {
                first: **first,
                oldest: entry.at,
                entries: waiting.len() as u64,
                views,
            });
            JournaledSite { id: id.clone(), last, confirmed, unapplied }
        };
        Ok(sites.into_iter().map(site).collect())
    }
}
