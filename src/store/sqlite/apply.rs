//! One apply: the site's counters, its articles' records, the most-read lists, the offset and the revision.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use super::{
    errors::store_error,
    lists::{Change, ListKey, Lists},
    reader,
    site::SiteRow,
};
use crate::{
    domain::{
        MAX_COUNT,
        article::{ArticleId, Section},
        counts::Deltas,
        period::{BucketSet, Period},
        producer::{Digest, Position, ProducerId, Seq},
        record::{Past, Placed, Record, saturating_count},
        retention::{Retention, TrustedTime},
        site::SiteId,
    },
    store::{Applied, Done, Revision, StoreError},
};

/// The arguments of one call of [`Store::apply_after`](crate::store::Store::apply_after).
#[derive(Debug)]
pub(super) struct Apply {
    pub(super) site: SiteId,
    pub(super) earlier: Option<(ProducerId, Seq)>,
    pub(super) producer: ProducerId,
    pub(super) from: Position,
    pub(super) to: Position,
    pub(super) deltas: Arc<Deltas>,
    pub(super) now: DateTime<Utc>,
}

/// What the writer remembers of sites. It is valid while a site's revision is the remembered one.
#[derive(Debug, Default)]
pub(super) struct Memory(HashMap<SiteId, SiteMemory>);

/// The lists and the sections of a site.
#[derive(Debug)]
pub(super) struct SiteMemory {
    pub(super) revision: Revision,
    pub(super) lists: Lists,
    sections: Vec<(i64, Section)>,
}

impl SiteMemory {
    /// The lists of a bucket in which an article can be.
    pub(super) fn lists_of(&self, article: &ArticleId, bucket: &str) -> Vec<ListKey> {
        let sections = self.sections.iter().filter(|(_, section)| section.contains(article)).map(|(id, _)| *id);
        std::iter::once(0).chain(sections).map(|section| (section, bucket.to_owned())).collect()
    }
}

/// The most sites that are remembered.
const MAX_SITES: usize = 10_000;

impl Memory {
    /// After a failed transaction, nothing is known.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What is remembered of a site, or what can be read of it.
    pub(super) fn take(&mut self, conn: &Connection, site: &SiteId, row: &SiteRow) -> Result<SiteMemory, StoreError> {
        if let Some(memory) = self.0.remove(site).filter(|memory| memory.revision == row.revision) {
            return Ok(memory);
        }
        let sections = reader::sections(conn, row.id).map_err(store_error)?;
        let sections = sections.into_iter().map(|section| (section.id, section.name)).collect();
        Ok(SiteMemory { revision: row.revision, lists: Lists::default(), sections })
    }

    pub(super) fn keep(&mut self, site: SiteId, memory: SiteMemory) {
        if self.0.len() >= MAX_SITES {
            self.0.clear();
        }
        self.0.insert(site, memory);
    }
}

/// The revision that follows another one.
pub(super) fn next_revision(revision: Revision, what: &[u8]) -> Revision {
    let mut hash = Sha256::new();
    hash.update(revision.number.to_be_bytes());
    hash.update(revision.digest.0.to_be_bytes());
    hash.update(what);
    let digest = hash.finalize().iter().take(8).fold(0, |digest, &byte| digest << 8 | u64::from(byte));
    Revision { number: revision.number + 1, digest: Digest(digest) }
}

/// See [`Store::apply_after`](crate::store::Store::apply_after).
pub(super) fn apply(conn: &Connection, retention: Retention, memory: &mut Memory, call: &Apply) -> Result<Applied, StoreError> {
    let mut row = SiteRow::read_or_make(conn, &call.site).map_err(store_error)?;
    let offset = |producer| reader::offset(conn, row.id, producer).map_err(store_error);
    let stored = offset(call.producer)?;
    let is_complete = match call.earlier {
        Some((earlier, seq)) => offset(earlier)?.seq >= seq,
        None => true,
    };
    if stored != call.from || !is_complete {
        return Ok(Applied::Refused(stored));
    }
    let observed = TrustedTime::observe(row.time, call.now);
    row.time = Some(observed.time);
    let oldest = observed.trusted.then(|| Period::ALL.map(|period| retention.oldest(period, call.now.date_naive())));
    let mut site = memory.take(conn, &call.site, &row)?;
    let mut articles = Articles { conn, row: &mut row, oldest, site: &mut site, saturated: false };
    articles.add_all(&call.deltas)?;
    let saturated = articles.saturated | add_to_site(conn, row.id, &call.deltas).map_err(store_error)?;
    set_offset(conn, row.id, call.producer, call.to)?;
    let before = row.revision;
    row.revision = next_revision(before, &[&call.producer.0.to_be_bytes()[..], &call.to.digest.0.to_be_bytes()].concat());
    row.write(conn).map_err(store_error)?;
    site.revision = row.revision;
    memory.keep(call.site.clone(), site);
    Ok(Applied::Done(Done { before, after: row.revision, saturated, jumped: observed.jumped }))
}

/// Sets a producer's offset.
pub(super) fn set_offset(conn: &Connection, site: i64, producer: ProducerId, to: Position) -> Result<(), StoreError> {
    let seq = i64::try_from(to.seq).map_err(|_| StoreError::NotApplied(format!("{} is too large for the number of an entry", to.seq)))?;
    conn.prepare_cached(
        "INSERT INTO offsets VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET seq = excluded.seq, digest = excluded.digest",
    )
    .and_then(|mut set| set.execute((site, producer.0.to_be_bytes(), seq, to.digest.0.cast_signed())))
    .map(drop)
    .map_err(store_error)
}

/// Adds the site's own counts. Returns whether a counter has reached its maximum.
fn add_to_site(conn: &Connection, site: i64, deltas: &Deltas) -> rusqlite::Result<bool> {
    let mut saturated = false;
    let mut set = conn.prepare_cached("INSERT OR REPLACE INTO site_views VALUES (?1, ?2, ?3, ?4)")?;
    let of_kinds = deltas.of_kinds().into_iter().map(|((kind, bucket), count)| (Some(kind), bucket, count));
    for (kind, bucket, views) in deltas.of_site().into_iter().map(|(bucket, views)| (None, bucket, views)).chain(of_kinds) {
        let bucket = bucket.to_string();
        let count = reader::site_views(conn, site, kind, &bucket)?;
        saturated |= count.saturating_add(views) > MAX_COUNT;
        set.execute((site, reader::kind_name(kind), &bucket, saturating_count(count, views).cast_signed()))?;
    }
    Ok(saturated)
}

/// Adds views to articles.
struct Articles<'a> {
    conn: &'a Connection,
    row: &'a mut SiteRow,
    /// The oldest period of each kind that is kept; `None` if nothing is dropped now.
    oldest: Option<[i32; 4]>,
    site: &'a mut SiteMemory,
    saturated: bool,
}

/// The names of the lists of a set of buckets.
type ListNames = [Option<String>; 5];

impl Articles<'_> {
    /// Article by article in the order of the key, so that each page is visited once.
    fn add_all(&mut self, deltas: &Deltas) -> Result<(), StoreError> {
        let mut names: BTreeMap<BucketSet, ListNames> = BTreeMap::new();
        let mut increments: BTreeMap<&ArticleId, Vec<(BucketSet, u64)>> = BTreeMap::new();
        for (set, views) in &deltas.0 {
            let set = self.kept(*set);
            names.insert(set, list_names(set));
            for (article, views) in views.articles.iter().filter(|(_, views)| **views > 0) {
                increments.entry(article).or_default().push((set, *views));
            }
        }
        for (article, increments) in increments {
            self.add(article, &increments, &names)?;
        }
        Ok(())
    }

    /// The buckets of a set that have not expired.
    fn kept(&self, mut set: BucketSet) -> BucketSet {
        if let Some(oldest) = self.oldest {
            for (period, oldest) in set.periods.iter_mut().zip(oldest) {
                *period = period.filter(|number| *number >= oldest);
            }
        }
        set
    }

    fn add(
        &mut self,
        article: &ArticleId,
        increments: &[(BucketSet, u64)],
        names: &BTreeMap<BucketSet, ListNames>,
    ) -> Result<(), StoreError> {
        let stored = reader::record(self.conn, self.row.id, article)?;
        let is_new = stored.is_none();
        let mut record = stored.unwrap_or_default();
        let mut past: Option<Past> = None;
        for &(set, views) in increments {
            let Some(names) = names.get(&set) else { continue };
            if set.total {
                let before = record.total;
                record.add_total(views);
                self.count(article, &names[4], before, record.total, views)?;
            }
            for (period, number) in Period::ALL.into_iter().zip(set.periods).filter_map(|(period, number)| Some((period, number?))) {
                let (before, after) = self.add_period(article, &mut record, &mut past, period, number, views)?;
                self.count(article, &names[period as usize], before, after, views)?;
            }
        }
        let write = || {
            self.conn
                .prepare_cached("INSERT INTO articles VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET record = excluded.record")?
                .execute((self.row.id, article.as_str(), record.to_text()))?;
            past.map_or(Ok(()), |past| write_past(self.conn, self.row.id, article, &past))
        };
        write().map_err(store_error)?;
        self.row.articles += u64::from(is_new);
        Ok(())
    }

    /// Adds views to one period. Returns its count before and after.
    fn add_period(
        &self,
        article: &ArticleId,
        record: &mut Record,
        past: &mut Option<Past>,
        period: Period,
        number: i32,
        views: u64,
    ) -> Result<(u64, u64), StoreError> {
        let known = record.period_views(period, number);
        let placed = record.add(period, number, views);
        if let Placed::Here(after) = placed {
            return Ok((known.unwrap_or(0), after));
        }
        let earlier = match past.take() {
            Some(past) => past,
            None => reader::past(self.conn, self.row.id, article)?.unwrap_or_default(),
        };
        let earlier = past.insert(earlier);
        if let Some(oldest) = self.oldest {
            for (period, oldest) in Period::ALL.into_iter().zip(oldest) {
                earlier.drop_before(period, oldest);
            }
        }
        match placed {
            Placed::Displaced(after, (displaced, views)) => {
                if self.oldest.is_none_or(|oldest| displaced >= oldest[period as usize]) {
                    earlier.add(period, displaced, views);
                }
                Ok((0, after))
            }
            _ => {
                let before = earlier.period_views(period, number);
                Ok((before, earlier.add(period, number, views)))
            }
        }
    }

    /// Takes a new count into the lists of its bucket.
    fn count(&mut self, article: &ArticleId, bucket: &Option<String>, before: u64, after: u64, views: u64) -> Result<(), StoreError> {
        self.saturated |= before.saturating_add(views) > MAX_COUNT;
        let Some(bucket) = bucket else { return Ok(()) };
        let change = Change { article: article.as_str(), before, after };
        for list in self.site.lists_of(article, bucket) {
            self.site.lists.update(self.conn, self.row.id, &list, change).map_err(store_error)?;
        }
        Ok(())
    }
}

/// The texts of the buckets, which name their lists: those of the periods, then of the total.
fn list_names(set: BucketSet) -> ListNames {
    let mut names: ListNames = Default::default();
    for bucket in set.buckets() {
        names[bucket.period().map_or(4, |period| period as usize)] = Some(bucket.to_string());
    }
    names
}

pub(super) fn write_past(conn: &Connection, site: i64, article: &ArticleId, past: &Past) -> rusqlite::Result<()> {
    if past.is_empty() {
        return conn.prepare_cached("DELETE FROM past WHERE site = ?1 AND article = ?2")?.execute((site, article.as_str())).map(drop);
    }
    conn.prepare_cached("INSERT INTO past VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET past = excluded.past")?
        .execute((site, article.as_str(), past.to_text()))
        .map(drop)
}
