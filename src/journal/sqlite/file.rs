//! The open file, and what the commands write to it. Everything here runs on the thread that owns it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rusqlite::{Connection, TransactionBehavior, hooks::Wal, params, wal::CheckpointMode};

use super::{
    columns::{read_seq, seq_value},
    entry::Body,
    errors::{damaged, journal_error},
};
use crate::{
    domain::{
        MAX_COUNT,
        producer::{ProducerId, Seq},
        site::SiteId,
    },
    journal::{Entry, JournalError, Usage},
};

/// The size of a page of the file.
pub(super) const PAGE_BYTES: u32 = 4096;
/// The pages in the write-ahead log after which it is copied into the file: 4 MiB.
const WAL_PAGES: u32 = 1024;
/// The most entries that one call deletes.
const TRIM_ENTRIES: usize = 4096;
/// There is room if this many pages are free, or an eighth of the file if that is less.
const MARGIN_PAGES: u32 = 64;
/// Pages by which a trim can exceed the maximum size: a trim must write in order to delete.
const SPARE_PAGES: u32 = 64;

type Result<T> = std::result::Result<T, JournalError>;

/// The journal's position; a copy of what the file holds.
#[derive(Debug)]
pub(super) struct State {
    pub(super) producer: ProducerId,
    /// The last entry, even if it is deleted.
    pub(super) head: Seq,
    /// The last `upto` of a trim.
    pub(super) upto: Seq,
    /// The last deleted entry; all entries after it are here.
    pub(super) trimmed: Seq,
    /// The last offset that a trim was given for each site.
    pub(super) offsets: HashMap<SiteId, Seq>,
}

#[derive(Debug)]
pub(super) struct File {
    conn: Connection,
    path: PathBuf,
    max_pages: u32,
    state: State,
    /// The pages in the write-ahead log after the last commit.
    wal_pages: Arc<AtomicU32>,
    /// Whether the last entry was refused because the disk or the file was full.
    refused: bool,
}

impl File {
    pub(super) fn new(mut conn: Connection, path: PathBuf, max_pages: u32, state: State) -> rusqlite::Result<Self> {
        let wal_pages = Arc::new(AtomicU32::new(0));
        let pages = Arc::clone(&wal_pages);
        conn.wal_hook(Some(move |_: &mut Wal, now| {
            pages.store(u32::try_from(now).unwrap_or(u32::MAX), Ordering::Relaxed);
            Ok(())
        }))?;
        let file = Self { conn, path, max_pages, state, wal_pages, refused: false };
        file.limit(max_pages)?;
        Ok(file)
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn conn(&self) -> &Connection {
        &self.conn
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn append(&mut self, entry: &Entry) -> Result<Seq> {
        let seq = self.state.head + 1;
        // If the log cannot be copied into the file, it must not grow either: the disk is full for the entry too.
        let result = self.checkpoint_if_due().and_then(|()| self.insert(seq, entry.at.timestamp_millis(), &Body::of(entry)));
        self.refused = matches!(result, Err(JournalError::Full(_)));
        result.map(|()| seq)
    }

    pub(super) fn skip(&mut self, seq: Seq) -> Result<()> {
        if seq <= self.state.head {
            return Ok(());
        }
        if seq > MAX_COUNT {
            return Err(damaged(&self.path, format!("the store reports entry {seq}, which is more than a journal can have")));
        }
        // Older than any view, because a skip marker need not be kept for its own sake.
        self.insert(seq, 0, &Body::Skip)
    }

    fn insert(&mut self, seq: Seq, at: i64, body: &Body<'_>) -> Result<()> {
        let data =
            body.encode(self.state.producer, seq, at).map_err(|error| JournalError::Failed(format!("{}: {error}", self.path.display())))?;
        self.conn
            .prepare_cached("INSERT INTO entries(seq, at, data) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![seq_value(seq), at, data]))
            .map_err(|error| journal_error(&self.path, &error))?;
        self.state.head = seq;
        Ok(())
    }

    pub(super) fn trim(&mut self, offsets: &[(SiteId, Seq)], upto: Seq, delete: Seq) -> Result<Usage> {
        self.checkpoint_if_due()?;
        let upto = upto.min(self.state.head);
        let (last, more) = self.deletable(delete.min(upto)).map_err(|error| journal_error(&self.path, &error))?;
        let trim = Trim {
            offsets: offsets.iter().filter(|(site, offset)| self.state.offsets.get(site) != Some(offset)).collect(),
            upto: (upto != self.state.upto).then_some(upto),
            trimmed: last,
        };
        let wrote = trim.changes();
        if wrote {
            self.write(|conn| trim.write(conn))?;
            trim.remember(&mut self.state);
        }
        self.usage(more, wrote)
    }

    /// The last entry that a trim deletes now, and whether it leaves more to delete.
    fn deletable(&self, upto: Seq) -> rusqlite::Result<(Option<Seq>, bool)> {
        let mut statement = self.conn.prepare_cached("SELECT seq FROM entries WHERE seq <= ?1 ORDER BY seq")?;
        let mut rows = statement.query([seq_value(upto)])?;
        let mut last = None;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            if count == TRIM_ENTRIES {
                return Ok((last, true));
            }
            count += 1;
            last = Some(read_seq(row, 0)?);
        }
        Ok((last, false))
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
        let mut room = self.max_pages.saturating_sub(pages) >= MARGIN_PAGES.min(self.max_pages / 8);
        if room && self.refused {
            room = wrote || self.probe()?;
            self.refused = !room;
        }
        Ok(Usage { bytes: u64::from(pages) * u64::from(PAGE_BYTES), room, more })
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
    pub(super) fn close(&mut self) -> Result<()> {
        self.checkpoint(CheckpointMode::TRUNCATE)
    }

    fn checkpoint(&mut self, mode: CheckpointMode) -> Result<()> {
        self.conn.wal_checkpoint_v2(None::<&str>, mode).map_err(|error| journal_error(&self.path, &error))?;
        self.wal_pages.store(0, Ordering::Relaxed);
        Ok(())
    }
}

/// What a trim changes.
struct Trim<'a> {
    offsets: Vec<&'a (SiteId, Seq)>,
    upto: Option<Seq>,
    trimmed: Option<Seq>,
}

impl Trim<'_> {
    fn changes(&self) -> bool {
        !self.offsets.is_empty() || self.upto.is_some() || self.trimmed.is_some()
    }

    fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        let mut set = conn.prepare_cached("UPDATE meta SET value = ?2 WHERE key = ?1")?;
        if let Some(last) = self.trimmed {
            conn.prepare_cached("DELETE FROM entries WHERE seq <= ?1")?.execute([seq_value(last)])?;
            set.execute(params!["trimmed", seq_value(last)])?;
        }
        if let Some(upto) = self.upto {
            set.execute(params!["upto", seq_value(upto)])?;
        }
        let mut offset = conn.prepare_cached("INSERT OR REPLACE INTO offsets(site, offset) VALUES (?1, ?2)")?;
        for (site, seq) in &self.offsets {
            offset.execute(params![site.as_str(), seq_value(*seq)])?;
        }
        Ok(())
    }

    fn remember(self, state: &mut State) {
        state.trimmed = self.trimmed.unwrap_or(state.trimmed);
        state.upto = self.upto.unwrap_or(state.upto);
        state.offsets.extend(self.offsets.into_iter().cloned());
    }
}
