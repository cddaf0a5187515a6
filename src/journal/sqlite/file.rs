//! What is done with the journal's file. Everything here runs on the one thread that owns it.

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
    encoding::Body,
    errors::{damaged, journal_error},
    open::PAGE_BYTES,
    read::{seq_from, stored},
};
use crate::{
    domain::{
        MAX_COUNT,
        producer::{ProducerId, Seq},
        site::SiteId,
    },
    journal::{Entry, JournalError, Usage},
};

/// The pages in the write-ahead log after which it is copied into the file: 4 MiB.
const WAL_PAGES: u32 = 1024;
/// The entries one call deletes at most.
const TRIM_ENTRIES: usize = 4096;
/// Pages that must be free for there to be room, unless an eighth of the file is less.
const MARGIN_PAGES: u32 = 64;
/// Pages by which a trim may pass the greatest size: one that could not write could not delete either.
const SPARE_PAGES: u32 = 64;

type Result<T> = std::result::Result<T, JournalError>;

/// Where the journal stands; the same as in the file.
#[derive(Debug)]
pub(super) struct State {
    pub(super) producer: ProducerId,
    /// The last entry, whether it is still kept or not.
    pub(super) head: Seq,
    /// The last `upto` of a trim.
    pub(super) upto: Seq,
    /// The last deleted entry: those after it are all here.
    pub(super) trimmed: Seq,
    /// The last offset of each site that a trim was told.
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
    /// Whether the last entry was refused because something was full.
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
        // A log that cannot be copied into the file must not grow on: then the disk is as full for an entry.
        let result = self.checkpoint_if_due().and_then(|()| self.insert(seq, entry.at.timestamp_millis(), &Body::of(entry)));
        self.refused = matches!(result, Err(JournalError::Full(_)));
        result.map(|()| seq)
    }

    pub(super) fn skip(&mut self, seq: Seq) -> Result<()> {
        if seq <= self.state.head {
            return Ok(());
        }
        if seq > MAX_COUNT {
            return Err(damaged(&self.path, format!("the store names its entry {seq}, which no journal can reach")));
        }
        // Older than any view, for it need not be kept for its own sake.
        self.insert(seq, 0, &Body::Skip)
    }

    fn insert(&mut self, seq: Seq, at: i64, body: &Body<'_>) -> Result<()> {
        let data =
            body.encode(self.state.producer, seq, at).map_err(|error| JournalError::Failed(format!("{}: {error}", self.path.display())))?;
        self.conn
            .prepare_cached("INSERT INTO entries(seq, at, data) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![stored(seq), at, data]))
            .map_err(|error| journal_error(&self.path, &error))?;
        self.state.head = seq;
        Ok(())
    }

    pub(super) fn trim(&mut self, offsets: &[(SiteId, Seq)], upto: Seq, delete: Seq) -> Result<Usage> {
        self.checkpoint_if_due()?;
        let upto = upto.min(self.state.head);
        let (last, more) = self.old(delete.min(upto)).map_err(|error| journal_error(&self.path, &error))?;
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

    /// The last entry that a trim deletes now, and whether it leaves others that could go too.
    fn old(&self, upto: Seq) -> rusqlite::Result<(Option<Seq>, bool)> {
        let mut statement = self.conn.prepare_cached("SELECT seq FROM entries WHERE seq <= ?1 ORDER BY seq")?;
        let mut rows = statement.query([stored(upto)])?;
        let mut last = None;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            if count == TRIM_ENTRIES {
                return Ok((last, true));
            }
            count += 1;
            last = Some(seq_from(row, 0)?);
        }
        Ok((last, false))
    }

    /// One transaction that may take a little more room than entries are given.
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

    /// `wrote` is whether something was just written. After an entry was refused, free pages alone do not tell that there
    /// is room: the disk may be full, which only a write can find out.
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

    /// Copies the write-ahead log into the file where it has grown enough.
    pub(super) fn checkpoint_if_due(&mut self) -> Result<()> {
        if self.wal_pages.load(Ordering::Relaxed) < WAL_PAGES {
            return Ok(());
        }
        // The log keeps its size and is written from its beginning again, which is cheaper to sync than one that grows.
        self.checkpoint(CheckpointMode::PASSIVE)
    }

    /// Leaves everything in the one file, and the log empty.
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
            conn.prepare_cached("DELETE FROM entries WHERE seq <= ?1")?.execute([stored(last)])?;
            set.execute(params!["trimmed", stored(last)])?;
        }
        if let Some(upto) = self.upto {
            set.execute(params!["upto", stored(upto)])?;
        }
        let mut offset = conn.prepare_cached("INSERT OR REPLACE INTO offsets(site, offset) VALUES (?1, ?2)")?;
        for (site, seq) in &self.offsets {
            offset.execute(params![site.as_str(), stored(*seq)])?;
        }
        Ok(())
    }

    fn remember(self, state: &mut State) {
        state.trimmed = self.trimmed.unwrap_or(state.trimmed);
        state.upto = self.upto.unwrap_or(state.upto);
        state.offsets.extend(self.offsets.into_iter().cloned());
    }
}
