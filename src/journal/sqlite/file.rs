//! The open file, and what the commands write to it. Everything here runs on the thread that owns it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use parking_lot::RwLock;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, hooks::Wal, params, wal::CheckpointMode};

use super::{
    entry::{self, Body},
    errors::{gone, journal_error},
    handles::Handles,
    read::{Reader, State},
    schema::{PAGE_BYTES, digest_value, read_confirmed, read_note, read_position, read_producer, read_seq, seq_value},
};
use crate::{
    domain::{
        correction::KEPT_CHANGES,
        producer::{Position, ProducerId, Seq},
        site::SiteId,
    },
    journal::{Confirmed, Entry, JournalError, Run, SeenCorrection, Usage},
};

/// The pages in the write-ahead log after which it is copied into the file: 4 MiB.
const WAL_PAGES: u32 = 1024;
/// The most entries that one call deletes.
const TRIM_ENTRIES: usize = 4096;
/// There is room if this many pages are free, or an eighth of the file if that is less.
const MARGIN_PAGES: u32 = 64;
/// Pages by which a trim can exceed the maximum size: a trim must write in order to delete.
const SPARE_PAGES: u32 = 64;

type Result<T> = std::result::Result<T, JournalError>;

/// The runs of the last deleted entry and of those after it, oldest first, and as the last one the run of this process. Others
/// read them.
pub(super) type Runs = Arc<RwLock<Arc<[Run]>>>;

#[derive(Debug)]
pub(super) struct File {
    // Before the handles, because fields are dropped in this order.
    conn: Connection,
    handles: Handles,
    path: PathBuf,
    max_pages: u32,
    state: State,
    runs: Runs,
    /// The last one of `runs`, which is that of this process.
    run: Run,
    /// Whether the file has this run. It gets it with the first entry.
    recorded: bool,
    /// The pages in the write-ahead log after the last commit.
    wal_pages: Arc<AtomicU32>,
    /// Whether the last entry was refused because the disk or the file was full.
    refused: bool,
    /// Set when the file is found to be gone. It stays so, even if the file comes back.
    gone: Option<JournalError>,
}

/// A random id, for a run or an heir of one.
pub(super) fn random_producer() -> std::result::Result<ProducerId, getrandom::Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    Ok(ProducerId(u128::from_le_bytes(id)))
}

/// The runs of entry `trimmed` and of those after it; `end` is the last entry of the last run.
pub(super) fn reaching(runs: &[Run], end: Seq, trimmed: Seq) -> Vec<Run> {
    let ends = runs.iter().skip(1).map(|next| next.after).chain([end]);
    runs.iter().zip(ends).filter(|(run, end)| run.after < *end && trimmed <= *end).map(|(run, _)| *run).collect()
}

impl File {
    /// Begins a run after `earlier`, the other ones of `runs`.
    pub(super) fn new(
        mut conn: Connection,
        handles: Handles,
        path: PathBuf,
        max_pages: u32,
        state: State,
        earlier: Vec<Run>,
        run: Run,
    ) -> rusqlite::Result<Self> {
        let wal_pages = Arc::new(AtomicU32::new(0));
        let pages = Arc::clone(&wal_pages);
        conn.wal_hook(Some(move |_: &mut Wal, now| {
            pages.store(u32::try_from(now).unwrap_or(u32::MAX), Ordering::Relaxed);
            Ok(())
        }))?;
        let runs = Arc::new(RwLock::new(earlier.into_iter().chain([run]).collect()));
        let (recorded, refused, gone) = (false, false, None);
        let file = Self { conn, handles, path, max_pages, state, runs, run, recorded, wal_pages, refused, gone };
        file.limit(max_pages)?;
        Ok(file)
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn runs(&self) -> &Runs {
        &self.runs
    }

    /// Runs `read` on the entries as they are now.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Reader<'_>) -> T) -> T {
        let runs = Arc::clone(&self.runs.read());
        read(&Reader { conn: &self.conn, path: &self.path, state: &self.state, runs: &runs })
    }

    pub(super) fn append(&mut self, entry: &Entry) -> Result<Position> {
        if let Some(gone) = &self.gone {
            return Err(gone.clone());
        }
        // If the log cannot be copied into the file, it must not grow either: the disk is full for the entry too.
        let result = self.checkpoint_if_due().and_then(|()| self.insert(entry));
        self.refused = matches!(result, Err(JournalError::Full(_)));
        result?;
        // An entry in a file that the next process will not find is not durable.
        self.check_present()?;
        Ok(self.state.head)
    }

    fn insert(&mut self, entry: &Entry) -> Result<()> {
        let failed = |error: &dyn std::fmt::Display| JournalError::Failed(format!("{}: {error}", self.path.display()));
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|error| failed(&error))?;
        let data = Body::of(entry, nonce).encode().map_err(|error| failed(&error))?;
        let (seq, at) = (self.state.head.seq + 1, entry.at.timestamp_millis());
        let digest = entry::digest(self.state.head.digest, self.run.producer, seq, at, &data);
        let insert = |conn: &Connection| {
            let mut insert = conn.prepare_cached("INSERT INTO entries(seq, at, digest, data) VALUES (?1, ?2, ?3, ?4)")?;
            insert.execute(params![seq_value(seq), at, digest_value(digest), data]).map(drop)
        };
        let result = if self.recorded {
            insert(&self.conn)
        } else {
            self.conn.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|tx| {
                let run = params![seq_value(self.run.after), self.run.producer.to_string()];
                tx.execute("INSERT INTO runs(after, producer) VALUES (?1, ?2)", run)?;
                insert(&tx)?;
                tx.commit()
            })
        };
        result.map_err(|error| journal_error(&self.path, &error))?;
        self.recorded = true;
        self.state.head = Position { seq, digest };
        Ok(())
    }

    pub(super) fn trim(&mut self, confirmed: &[(SiteId, Confirmed)], upto: Seq, delete: Seq) -> Result<Usage> {
        self.check_present()?;
        self.checkpoint_if_due()?;
        let upto = upto.min(self.state.head.seq);
        let (last, more) = self.deletable(delete.min(upto)).map_err(|error| journal_error(&self.path, &error))?;
        let trim = Trim {
            confirmed: confirmed.iter().filter(|(site, confirmed)| self.state.confirmed.get(site) != Some(confirmed)).collect(),
            upto: (upto != self.state.upto).then_some(upto),
            trimmed: last,
        };
        let wrote = trim.changes();
        if wrote {
            self.write(|conn| trim.write(conn))?;
            trim.remember(&mut self.state);
            if last.is_some() {
                self.begin_or_continue(self.run);
            }
        }
        self.usage(more, wrote)
    }

    /// Makes `run` the run of this process, and forgets those before the last deleted entry.
    fn begin_or_continue(&mut self, run: Run) {
        let runs = Arc::clone(&self.runs.read());
        let earlier: Vec<Run> = runs.iter().filter(|earlier| **earlier != run).copied().collect();
        let runs = reaching(&earlier, run.after, self.state.trimmed.seq).into_iter().chain([run]).collect();
        *self.runs.write() = runs;
        self.run = run;
    }

    /// The last entry that a trim deletes now, and whether it leaves more to delete.
    fn deletable(&self, upto: Seq) -> rusqlite::Result<(Option<Position>, bool)> {
        let mut statement = self.conn.prepare_cached("SELECT seq, digest FROM entries WHERE seq <= ?1 ORDER BY seq")?;
        let mut rows = statement.query([seq_value(upto)])?;
        let mut last = None;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            if count == TRIM_ENTRIES {
                return Ok((last, true));
            }
            count += 1;
            last = Some(read_position(row, 0, 1)?);
        }
        Ok((last, false))
    }

    pub(super) fn part(&mut self, site: &SiteId, producer: ProducerId, after: Seq) -> Result<Confirmed> {
        if let Some(recorded) = self.parted(site, producer).map_err(|error| journal_error(&self.path, &error))? {
            return Ok(recorded);
        }
        let random = || random_producer().map_err(|error| JournalError::Failed(format!("{}: {error}", self.path.display())));
        let (heir, next) = (random()?, random()?);
        self.write(|conn| {
            let row = params![site.as_str(), producer.to_string(), seq_value(after), heir.to_string()];
            conn.execute("INSERT INTO parted(site, producer, after, heir) VALUES (?1, ?2, ?3, ?4)", row).map(drop)
        })?;
        if producer == self.run.producer {
            self.begin_or_continue(Run { producer: next, after: self.state.head.seq });
            self.recorded = false;
        }
        Ok(Confirmed { producer: heir, seq: after })
    }

    fn parted(&self, site: &SiteId, producer: ProducerId) -> rusqlite::Result<Option<Confirmed>> {
        let mut statement = self.conn.prepare_cached("SELECT heir, after FROM parted WHERE site = ?1 AND producer = ?2")?;
        statement.query_row([site.as_str(), &producer.to_string()], |row| read_confirmed(row, 0, 1)).optional()
    }

    pub(super) fn is_parted(&self, producer: ProducerId) -> Result<bool> {
        let parted = || {
            let mut statement = self.conn.prepare_cached("SELECT 1 FROM parted WHERE producer = ?1")?;
            statement.exists([producer.to_string()])
        };
        parted().map_err(|error| journal_error(&self.path, &error))
    }

    pub(super) fn corrections(&self, site: &SiteId) -> Result<Vec<SeenCorrection>> {
        let read = || {
            let mut statement =
                self.conn.prepare_cached("SELECT number, producer, note, steps FROM corrections WHERE site = ?1 ORDER BY number")?;
            let seen = statement.query_map([site.as_str()], |row| {
                let (number, producer) = (read_seq(row, 0)?, read_producer(row, 1)?);
                Ok(SeenCorrection { number, producer, note: read_note(row, 2)?, steps: read_seq(row, 3)? })
            })?;
            seen.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| journal_error(&self.path, &error))
    }

    pub(super) fn keep_corrections(&mut self, site: &SiteId, after: u64, seen: &[SeenCorrection]) -> Result<()> {
        self.check_present()?;
        let failed = |error: serde_json::Error| JournalError::Failed(format!("{}: {error}", self.path.display()));
        let notes = seen.iter().map(|correction| serde_json::to_string(&correction.note).map_err(failed)).collect::<Result<Vec<_>>>()?;
        self.write(|conn| {
            let site = site.as_str();
            conn.execute("DELETE FROM corrections WHERE site = ?1 AND number > ?2", params![site, seq_value(after)])?;
            let mut insert =
                conn.prepare_cached("INSERT INTO corrections(site, number, producer, note, steps) VALUES (?1, ?2, ?3, ?4, ?5)")?;
            for (correction, note) in seen.iter().zip(notes) {
                let SeenCorrection { number, producer, steps, .. } = correction;
                insert.execute(params![site, seq_value(*number), producer.to_string(), note, seq_value(*steps)])?;
            }
            let oldest = seen.last().map_or(0, |last| last.number.saturating_sub(KEPT_CHANGES));
            conn.execute("DELETE FROM corrections WHERE site = ?1 AND number <= ?2", params![site, seq_value(oldest)]).map(drop)
        })
    }

    /// Fails once the file or its log is no longer where the next process looks for it.
    fn check_present(&mut self) -> Result<()> {
        if self.gone.is_none() {
            self.gone = self.handles.missing().map(gone);
        }
        self.gone.clone().map_or(Ok(()), Err)
    }

    /// Runs one transaction that can use a little more room than entries get.
    fn write(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<()> {
        let result = self.limit(self.max_pages + SPARE_PAGES).and_then(|()| {
            let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            work(&tx)?;
            tx.commit()
        });
        let restored = self.limit(self.max_pages);
        result.and(restored).map_err(|error| journal_error(&self.path, &error))
    }

    fn limit(&self, pages: u32) -> rusqlite::Result<()> {
        self.conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
    }

    /// `wrote` is whether something was just written. After a refused entry, free pages do not prove that there is room: the
    /// disk can be full, which only a write detects.
    fn usage(&mut self, more: bool, wrote: bool) -> Result<Usage> {
        let number = |sql| self.conn.prepare_cached(sql).and_then(|mut statement| statement.query_row([], |row| row.get::<_, u32>(0)));
        let pages = number("PRAGMA page_count").and_then(|all| Ok(all.saturating_sub(number("PRAGMA freelist_count")?)));
        let pages = pages.map_err(|error| journal_error(&self.path, &error))?;
        let mut disk_full = false;
        let mut room = self.max_pages.saturating_sub(pages) >= MARGIN_PAGES.min(self.max_pages / 8);
        if room && self.refused {
            room = wrote || self.probe()?;
            self.refused = !room;
            // The file has pages for it.
            disk_full = !room;
        }
        let disk_free = rustix::fs::statvfs(&self.path).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        Ok(Usage { bytes: u64::from(pages) * u64::from(PAGE_BYTES), disk_free, room, disk_full, more })
    }

    fn probe(&mut self) -> Result<bool> {
        let change = |conn: &Connection| conn.execute("UPDATE meta SET value = 1 - value WHERE key = 'probe'", []).map(drop);
        match self.write(change) {
            Ok(()) => Ok(true),
            Err(JournalError::Full(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Copies the write-ahead log into the file if it has grown enough.
    pub(super) fn checkpoint_if_due(&mut self) -> Result<()> {
        if self.wal_pages.load(Ordering::Relaxed) < WAL_PAGES {
            return Ok(());
        }
        // The log keeps its size and is overwritten from its beginning, which is cheaper to sync than a growing one.
        self.checkpoint(CheckpointMode::PASSIVE)
    }

    /// Moves everything into the one file, and empties the log.
    ///
    /// Also if they are gone: then a renamed file is complete, and a file that took its place does not get the other one's log.
    pub(super) fn close(&mut self) -> Result<()> {
        self.checkpoint(CheckpointMode::TRUNCATE)?;
        self.check_present()
    }

    fn checkpoint(&mut self, mode: CheckpointMode) -> Result<()> {
        self.conn.wal_checkpoint_v2(None::<&str>, mode).map_err(|error| journal_error(&self.path, &error))?;
        self.wal_pages.store(0, Ordering::Relaxed);
        Ok(())
    }
}

/// What a trim changes.
struct Trim<'a> {
    confirmed: Vec<&'a (SiteId, Confirmed)>,
    upto: Option<Seq>,
    trimmed: Option<Position>,
}

impl Trim<'_> {
    fn changes(&self) -> bool {
        !self.confirmed.is_empty() || self.upto.is_some() || self.trimmed.is_some()
    }

    fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        let mut set = conn.prepare_cached("UPDATE meta SET value = ?2 WHERE key = ?1")?;
        if let Some(last) = self.trimmed {
            let seq = seq_value(last.seq);
            conn.prepare_cached("DELETE FROM entries WHERE seq <= ?1")?.execute([seq])?;
            set.execute(params!["trimmed", last.to_string()])?;
            conn.prepare_cached("DELETE FROM runs WHERE after < (SELECT max(after) FROM runs WHERE after < ?1)")?.execute([seq])?;
            conn.prepare_cached("DELETE FROM parted WHERE producer NOT IN (SELECT producer FROM runs)")?.execute([])?;
        }
        if let Some(upto) = self.upto {
            set.execute(params!["upto", seq_value(upto)])?;
        }
        let mut insert = conn.prepare_cached("INSERT OR REPLACE INTO confirmed(site, producer, seq) VALUES (?1, ?2, ?3)")?;
        for (site, confirmed) in &self.confirmed {
            insert.execute(params![site.as_str(), confirmed.producer.to_string(), seq_value(confirmed.seq)])?;
        }
        Ok(())
    }

    fn remember(self, state: &mut State) {
        state.trimmed = self.trimmed.unwrap_or(state.trimmed);
        state.upto = self.upto.unwrap_or(state.upto);
        state.confirmed.extend(self.confirmed.into_iter().cloned());
    }
}
