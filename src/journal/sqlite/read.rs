//! Reading entries back: each is checked, and so is that none is missing between them.

use std::{collections::BTreeSet, ops::ControlFlow};

use rusqlite::Row;

use super::{
    encoding::{Body, DecodeError, Group},
    errors::{damaged, journal_error},
    file::File,
};
use crate::{
    domain::{producer::Seq, site::SiteId},
    journal::{JournalError, Replay},
};

/// What one call reads at most, unless one entry alone is larger.
const READ_ENTRIES: usize = 1024;
const READ_BYTES: usize = 4 << 20;
/// Sums of an article on a day. With those of the last entry they are within one apply.
const READ_SUMS: usize = 400;

impl File {
    /// The sums of a site's views after an entry and up to another. Where `after` is beyond the head, there are none.
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

    /// Visits the views of each entry after `after` up to `upto`, with its size in bytes, and returns the last entry it looked at.
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
        let hole = |from: Seq, to: Seq| damaged(self.path(), format!("its entries {from} to {to} are missing"));
        let mut last = after.max(state.trimmed);
        let mut statement =
            self.conn().prepare_cached("SELECT seq, at, data FROM entries WHERE seq > ?1 AND seq <= ?2 ORDER BY seq").map_err(sqlite)?;
        let mut rows = statement.query([stored(last), stored(upto)]).map_err(sqlite)?;
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
    Ok((seq_from(row, 0)?, row.get(1)?, row.get_ref(2)?.as_blob()?))
}

/// A column that holds an entry's number. SQLite's integers are signed; a number that is not in range was not written here.
pub(super) fn seq_from(row: &Row<'_>, column: usize) -> rusqlite::Result<Seq> {
    let value = row.get::<_, i64>(column)?;
    Seq::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// An entry's number as a column holds it. Those of entries always fit; a store may name any.
pub(super) fn stored(seq: Seq) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
