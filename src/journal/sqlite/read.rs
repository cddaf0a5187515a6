//! Reading entries back. Each is verified, and so is that none is missing between them.

use std::{collections::BTreeSet, ops::ControlFlow};

use rusqlite::Row;

use super::{
    columns::{read_seq, seq_value},
    entry::{Body, DecodeError, Group},
    errors::{damaged, journal_error},
    file::File,
};
use crate::{
    domain::{producer::Seq, site::SiteId},
    journal::{JournalError, Replay},
};

/// The most that one call reads, unless a single entry is larger.
const READ_ENTRIES: usize = 1024;
const READ_BYTES: usize = 4 << 20;
/// Sums of an article on a day. Together with those of the last entry they fit one apply.
const READ_SUMS: usize = 400;

impl File {
    /// Sums a site's views after an entry and up to another. There are none if `after` is past the head.
    pub(super) fn read(&self, site: &SiteId, after: Seq, upto: Seq) -> Result<Replay, JournalError> {
        let state = self.state();
        let mut replay = Replay::default();
        let confirmed = state.offsets.get(site).copied().unwrap_or(0);
        let gone = confirmed.min(state.trimmed);
        replay.missing = (after < gone).then(|| (after + 1, gone));

        let (mut entries, mut bytes) = (0, 0);
        replay.to = self.scan(after, upto, |groups, size| {
            for group in groups.iter().filter(|group| group.site == site.as_str()) {
                group.add_to(&mut replay.days)?;
            }
            entries += 1;
            bytes += size;
            let sums: usize = replay.days.values().map(|day| day.articles.len()).sum();
            let enough = entries >= READ_ENTRIES || bytes >= READ_BYTES || sums >= READ_SUMS;
            Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(replay)
    }

    /// The sites that have views after the last `upto`, and those with an offset after the last deleted entry.
    pub(super) fn sites(&self) -> Result<Vec<SiteId>, JournalError> {
        let kept = self.state().offsets.iter().filter(|(_, offset)| **offset > self.state().trimmed);
        let mut sites: BTreeSet<SiteId> = kept.map(|(site, _)| site.clone()).collect();
        self.scan(self.state().upto, self.state().head, |groups, _| {
            for group in groups {
                if !sites.contains(group.site) {
                    sites.insert(SiteId::parse(group.site).map_err(|_| DecodeError::Malformed)?);
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(sites.into_iter().collect())
    }

    /// Visits the views of each entry after `after` and up to `upto`, with its size in bytes, and returns the last entry it read.
    fn scan(
        &self,
        after: Seq,
        upto: Seq,
        mut visit: impl FnMut(&[Group<'_>], usize) -> Result<ControlFlow<()>, DecodeError>,
    ) -> Result<Seq, JournalError> {
        let state = self.state();
        let upto = upto.min(state.head);
        if after >= upto {
            return Ok(upto);
        }
        let sqlite = |error: rusqlite::Error| journal_error(self.path(), &error);
        let hole = |from: Seq, to: Seq| damaged(self.path(), format!("entries {from} to {to} are missing"));
        let mut last = after.max(state.trimmed);
        let mut statement =
            self.conn().prepare_cached("SELECT seq, at, data FROM entries WHERE seq > ?1 AND seq <= ?2 ORDER BY seq").map_err(sqlite)?;
        let mut rows = statement.query([seq_value(last), seq_value(upto)]).map_err(sqlite)?;
        while let Some(row) = rows.next().map_err(sqlite)? {
            let (seq, at, data) = columns(row).map_err(sqlite)?;
            let wrong = |error: DecodeError| damaged(self.path(), format!("entry {seq} {error}"));
            if seq <= last {
                return Err(damaged(self.path(), format!("entry {seq} follows entry {last}")));
            }
            let body = Body::decode(state.producer, seq, at, data).map_err(wrong)?;
            let groups = match body {
                Body::Skip => Vec::new(),
                Body::Views(_) if seq != last + 1 => return Err(hole(last + 1, seq - 1)),
                Body::Views(groups) => groups,
            };
            last = seq;
            if visit(&groups, data.len()).map_err(wrong)?.is_break() {
                return Ok(last);
            }
        }
        if last >= upto { Ok(last) } else { Err(hole(last + 1, upto)) }
    }
}

fn columns<'a>(row: &'a Row<'_>) -> rusqlite::Result<(Seq, i64, &'a [u8])> {
    Ok((read_seq(row, 0)?, row.get(1)?, row.get_ref(2)?.as_blob()?))
}
