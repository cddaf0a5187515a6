//! Reading entries back. Each is verified, and so is that none is missing between them.

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    path::Path,
};

use chrono::DateTime;
use rusqlite::{Connection, OptionalExtension, Row};

use super::{
    entry::{self, Body, DecodeError, Group},
    errors::{damaged, journal_error},
    schema::{read_digest, read_position, seq_value},
};
use crate::{
    domain::{
        producer::{Digest, Position, Seq},
        site::SiteId,
    },
    journal::{Confirmed, JournalError, JournaledSite, Replay, Run, Unapplied},
};

/// The most that one call reads, unless a single entry is larger.
const READ_ENTRIES: usize = 1024;
const READ_BYTES: usize = 4 << 20;
/// Sums of an article on a day. Together with those of the last entry they fit one apply.
const READ_SUMS: usize = 400;

/// The journal's position; a copy of what the file holds.
#[derive(Debug)]
pub(super) struct State {
    /// The last entry, even if it is deleted.
    pub(super) head: Position,
    /// The last `upto` of a trim.
    pub(super) upto: Seq,
    /// The last deleted entry; all entries after it are here.
    pub(super) trimmed: Position,
    /// What the last trims were given for each site.
    pub(super) confirmed: HashMap<SiteId, Confirmed>,
}

/// Reads the entries of an open file.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) conn: &'a Connection,
    pub(super) path: &'a Path,
    pub(super) state: &'a State,
    pub(super) runs: &'a [Run],
}

impl Reader<'_> {
    /// Sums a site's views after an entry and up to another. There are none if `after` is past the head.
    pub(super) fn read(&self, site: &SiteId, after: Seq, upto: Seq) -> Result<Replay, JournalError> {
        let state = self.state;
        let mut replay = Replay::default();
        let confirmed = state.confirmed.get(site).map_or(0, |confirmed| confirmed.seq);
        let gone = confirmed.min(state.trimmed.seq).min(upto);
        replay.missing = (after < gone).then(|| (after + 1, gone));

        let (mut entries, mut bytes) = (0, 0);
        replay.to = self.scan(after, upto, |entry| {
            let mut found = false;
            for group in entry.groups.iter().filter(|group| group.site == site.as_str()) {
                group.add_to(&mut replay.days)?;
                found = true;
            }
            replay.entries += u64::from(found);
            entries += 1;
            bytes += entry.bytes;
            let sums: usize = replay.days.values().map(|day| day.articles.len()).sum();
            let enough = entries >= READ_ENTRIES || bytes >= READ_BYTES || sums >= READ_SUMS;
            Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(replay)
    }

    /// The digest of an entry that is here, after it is verified, and of the last deleted one.
    pub(super) fn digest(&self, seq: Seq) -> Result<Option<Digest>, JournalError> {
        let state = self.state;
        if seq == 0 || seq == state.trimmed.seq {
            return self.stored_digest(seq);
        }
        if seq < state.trimmed.seq || seq > state.head.seq {
            return Ok(None);
        }
        Ok(Some(self.scan(seq - 1, seq, |_| Ok(ControlFlow::Break(())))?.digest))
    }

    /// The sites that have views after the last `upto`, and those with a confirmed entry.
    pub(super) fn sites(&self) -> Result<Vec<JournaledSite>, JournalError> {
        let state = self.state;
        let mut sites: BTreeMap<SiteId, JournaledSite> = BTreeMap::new();
        for (id, confirmed) in &state.confirmed {
            let last = confirmed.seq.min(state.upto);
            sites.insert(id.clone(), JournaledSite { id: id.clone(), last, confirmed: Some(*confirmed), unapplied: None });
        }
        self.scan(state.upto, state.head.seq, |entry| {
            for group in &entry.groups {
                if !sites.contains_key(group.site) {
                    let id = SiteId::parse(group.site).map_err(|_| DecodeError::Malformed)?;
                    sites.insert(id.clone(), JournaledSite { id, last: entry.seq, confirmed: None, unapplied: None });
                }
                if let Some(site) = sites.get_mut(group.site) {
                    add_unapplied(site, entry, group.views()?);
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(sites.into_values().collect())
    }

    /// Visits each entry after `after` and up to `upto`, and returns the last one that it read.
    fn scan(
        &self,
        after: Seq,
        upto: Seq,
        mut visit: impl FnMut(&Visited<'_>) -> Result<ControlFlow<()>, DecodeError>,
    ) -> Result<Position, JournalError> {
        let upto = upto.min(self.state.head.seq);
        let after = after.max(self.state.trimmed.seq);
        if after >= upto {
            return Ok(Position { seq: upto, digest: self.stored_digest(upto)?.unwrap_or_default() });
        }
        let sqlite = |error: rusqlite::Error| journal_error(self.path, &error);
        let hole = |from: Seq, to: Seq| damaged(self.path, format!("entries {from} to {to} are missing"));
        let mut last = Position { seq: after, digest: self.stored_digest(after)?.ok_or_else(|| hole(after, after))? };
        let mut statement = self
            .conn
            .prepare_cached("SELECT seq, digest, at, data FROM entries WHERE seq > ?1 AND seq <= ?2 ORDER BY seq")
            .map_err(sqlite)?;
        let mut rows = statement.query([seq_value(after), seq_value(upto)]).map_err(sqlite)?;
        while let Some(row) = rows.next().map_err(sqlite)? {
            let (position, at, data) = columns(row).map_err(sqlite)?;
            let seq = position.seq;
            if seq <= last.seq {
                return Err(damaged(self.path, format!("entry {seq} follows entry {}", last.seq)));
            }
            if seq != last.seq + 1 {
                return Err(hole(last.seq + 1, seq - 1));
            }
            let wrong = |error: DecodeError| damaged(self.path, format!("entry {seq} {error}"));
            self.verify(last.digest, position, at, data).map_err(wrong)?;
            last = position;
            let Body { groups, .. } = Body::decode(data).map_err(wrong)?;
            if visit(&Visited { seq, at, groups, bytes: data.len() }).map_err(wrong)?.is_break() {
                return Ok(last);
            }
        }
        if last.seq >= upto { Ok(last) } else { Err(hole(last.seq + 1, upto)) }
    }

    fn verify(&self, before: Digest, position: Position, at: i64, data: &[u8]) -> Result<(), DecodeError> {
        // An entry without a run is damage too: without its row, no digest matches.
        let run = self.runs.iter().rfind(|run| run.after < position.seq).ok_or(DecodeError::Digest)?;
        let digest = entry::digest(before, run.producer, position.seq, at, data);
        if digest == position.digest { Ok(()) } else { Err(DecodeError::Digest) }
    }

    /// A digest as the file has it, without a check; that of the next entry verifies it.
    fn stored_digest(&self, seq: Seq) -> Result<Option<Digest>, JournalError> {
        let known = [Position::START, self.state.trimmed].into_iter().find(|known| known.seq == seq);
        if let Some(known) = known {
            return Ok(Some(known.digest));
        }
        let read = || {
            let mut statement = self.conn.prepare_cached("SELECT digest FROM entries WHERE seq = ?1")?;
            statement.query_row([seq_value(seq)], |row| read_digest(row, 0)).optional()
        };
        read().map_err(|error| journal_error(self.path, &error))
    }
}

/// An entry that was read and verified.
struct Visited<'a> {
    seq: Seq,
    /// When it was made, in milliseconds since 1970.
    at: i64,
    groups: Vec<Group<'a>>,
    /// Its size.
    bytes: usize,
}

/// Takes in that an entry has views of a site on one day. An entry can have several days of a site.
fn add_unapplied(site: &mut JournaledSite, entry: &Visited<'_>, views: u64) {
    let is_new = site.unapplied.is_none() || site.last != entry.seq;
    site.last = entry.seq;
    if site.confirmed.is_some_and(|confirmed| entry.seq <= confirmed.seq) {
        return;
    }
    let oldest = DateTime::from_timestamp_millis(entry.at).unwrap_or_default();
    let unapplied = site.unapplied.get_or_insert(Unapplied { first: entry.seq, oldest, entries: 0, views: 0 });
    unapplied.entries += u64::from(is_new);
    unapplied.views = unapplied.views.saturating_add(views);
}

fn columns<'a>(row: &'a Row<'_>) -> rusqlite::Result<(Position, i64, &'a [u8])> {
    Ok((read_position(row, 0, 1)?, row.get(2)?, row.get_ref(3)?.as_blob()?))
}
