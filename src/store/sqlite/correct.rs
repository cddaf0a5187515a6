//! One step of a correction: counters up or down, the most-read lists, the audit list, the offset and the revision.
//!
//! All counters are read and checked before the first one is written, so a refused step has nothing to undo.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::Connection;

use super::{
    apply::{Memory, SiteMemory, next_revision, set_offset, write_past},
    audit::{Own, undone_by},
    errors::ReadError,
    lists::{self, Change as ListChange},
    reader,
    site::SiteRow,
};
use crate::{
    domain::{
        MAX_COUNT,
        article::ArticleId,
        correction::{BelowZero, Change},
        counts::{Kind, Subject},
        period::Bucket,
        record::{Past, divide},
        retention::{Retention, TrustedTime},
        site::SiteId,
    },
    store::{Corrected, Done, Step},
};

/// The arguments of one call of [`Store::correct`](crate::store::Store::correct).
#[derive(Debug)]
pub(super) struct Correct {
    pub(super) site: SiteId,
    pub(super) step: Arc<Step>,
    /// The step's changes as they are kept.
    pub(super) kept: Vec<u8>,
    pub(super) now: DateTime<Utc>,
}

/// See [`Store::correct`](crate::store::Store::correct).
pub(super) fn correct(conn: &Connection, retention: Retention, memory: &mut Memory, call: &Correct) -> Result<Corrected, ReadError> {
    let step = &call.step;
    let mut row = SiteRow::read_or_make(conn, &call.site)?;
    let stored = reader::offset(conn, row.id, step.producer)?;
    if stored != step.from {
        return Ok(Corrected::Refused(stored));
    }
    let own = Own::read(conn, row.id, step)?;
    if let Some(by) = undone_by(conn, row.id, &own, step)? {
        return Ok(Corrected::Undone(by));
    }
    let observed = TrustedTime::observe(row.time, call.now);
    let expiry = observed.trusted.then(|| (retention, call.now.date_naive()));
    let plan = match Plan::make(conn, row.id, expiry, &step.changes)? {
        Ok(plan) => plan,
        Err(below_zero) => return Ok(Corrected::BelowZero(below_zero)),
    };
    row.time = Some(observed.time);
    let saturated = plan.saturated;
    let mut site = memory.take(conn, &call.site, &row)?;
    plan.write(conn, &mut row, &mut site)?;
    set_offset(conn, row.id, step.producer, step.to)?;
    let number = own.write(conn, row.id, step, &call.kept)?;
    let before = row.revision;
    row.revision = next_revision(before, &[&step.producer.0.to_be_bytes()[..], &step.to.digest.0.to_be_bytes()].concat());
    row.write(conn)?;
    site.revision = row.revision;
    memory.keep(call.site.clone(), site);
    Ok(Corrected::Done { done: Done { before, after: row.revision, saturated, jumped: observed.jumped }, number })
}

/// By what article buckets expire; `None` if nothing is dropped now.
type Expiry = Option<(Retention, NaiveDate)>;

/// What a step makes of the counters that it changes.
#[derive(Debug)]
struct Plan<'a> {
    /// In the order of the key, so that each page is visited once.
    subjects: BTreeMap<&'a Subject, Counters>,
    saturated: bool,
}

/// Counters of one subject: all of an article, and those of a site that the step changes.
#[derive(Debug, Default)]
struct Counters {
    after: BTreeMap<Bucket, u64>,
    /// The counts before, of those that the step changes.
    before: BTreeMap<Bucket, u64>,
    /// The past of an article, if it has a record.
    stored: Option<Past>,
}

impl<'a> Plan<'a> {
    /// The inner error is that of the first change, in the order of the step, that would take a counter below zero.
    fn make(conn: &Connection, site: i64, expiry: Expiry, changes: &'a [Change]) -> Result<Result<Self, BelowZero>, ReadError> {
        let mut of: BTreeMap<&Subject, Vec<(usize, &Change)>> = BTreeMap::new();
        for (at, change) in changes.iter().enumerate() {
            of.entry(&change.subject).or_default().push((at, change));
        }
        let mut plan = Self { subjects: BTreeMap::new(), saturated: false };
        let mut first: Option<(usize, BelowZero)> = None;
        for (subject, changes) in of {
            let mut counters = Counters::read(conn, site, expiry, subject, &changes)?;
            match counters.change(subject, expiry, &changes) {
                Ok(saturated) => plan.saturated |= saturated,
                Err((at, below_zero)) if first.as_ref().is_none_or(|(first, _)| at < *first) => first = Some((at, below_zero)),
                Err(_) => {}
            }
            plan.subjects.insert(subject, counters);
        }
        Ok(first.map_or(Ok(plan), |(_, below_zero)| Err(below_zero)))
    }

    fn write(self, conn: &Connection, row: &mut SiteRow, site: &mut SiteMemory) -> Result<(), ReadError> {
        for (subject, counters) in self.subjects {
            match subject {
                Subject::Site => counters.write_site(conn, row.id, None)?,
                Subject::Kind(kind) => counters.write_site(conn, row.id, Some(*kind))?,
                Subject::Article(article) => counters.write_article(conn, row, article, site)?,
            }
        }
        Ok(())
    }
}

impl Counters {
    fn read(conn: &Connection, site: i64, expiry: Expiry, subject: &Subject, changes: &[(usize, &Change)]) -> Result<Self, ReadError> {
        let kind = match subject {
            Subject::Article(article) => return Self::read_article(conn, site, expiry, article),
            Subject::Kind(kind) => Some(*kind),
            Subject::Site => None,
        };
        let mut counters = Self::default();
        for bucket in changes.iter().flat_map(|(_, change)| change.buckets.buckets()) {
            let views = reader::site_views(conn, site, kind, &bucket.to_string())?;
            counters.after.insert(bucket, views);
        }
        Ok(counters)
    }

    fn read_article(conn: &Connection, site: i64, expiry: Expiry, article: &ArticleId) -> Result<Self, ReadError> {
        let Some(record) = reader::record(conn, site, article)? else { return Ok(Self::default()) };
        let past = reader::past(conn, site, article)?.unwrap_or_default();
        let mut after = reader::buckets(&record, &past);
        after.retain(|bucket, _| !is_expired(expiry, *bucket));
        Ok(Self { after, before: BTreeMap::new(), stored: Some(past) })
    }

    /// Makes the changes, up to one that would take a counter below zero. Returns whether a counter has reached its maximum.
    fn change(&mut self, subject: &Subject, expiry: Expiry, changes: &[(usize, &Change)]) -> Result<bool, (usize, BelowZero)> {
        let mut saturated = false;
        for (at, change) in changes {
            for bucket in change.buckets.buckets() {
                if matches!(subject, Subject::Article(_)) && is_expired(expiry, bucket) {
                    continue;
                }
                let count = self.after.entry(bucket).or_default();
                let has = *count;
                let Some(views) = has.checked_add_signed(change.views) else {
                    return Err((*at, BelowZero { subject: subject.clone(), bucket, has }));
                };
                saturated |= views > MAX_COUNT;
                *count = views.min(MAX_COUNT);
                self.before.entry(bucket).or_insert(has);
            }
        }
        Ok(saturated)
    }

    /// Writes counters of a site, without those that are 0.
    fn write_site(self, conn: &Connection, site: i64, kind: Option<Kind>) -> Result<(), ReadError> {
        for (bucket, views) in self.after {
            let key = (site, reader::kind_name(kind), bucket.to_string());
            if views == 0 {
                conn.prepare_cached("DELETE FROM site_views WHERE site = ?1 AND kind = ?2 AND bucket = ?3")?.execute(key)?;
            } else {
                let values = (key.0, key.1, key.2, views.cast_signed());
                conn.prepare_cached("INSERT OR REPLACE INTO site_views VALUES (?1, ?2, ?3, ?4)")?.execute(values)?;
            }
        }
        Ok(())
    }

    /// Writes an article, or deletes it if it has no views, and takes its counts into the lists.
    fn write_article(self, conn: &Connection, row: &mut SiteRow, article: &ArticleId, site: &mut SiteMemory) -> Result<(), ReadError> {
        let key = (row.id, article.as_str());
        let (record, past) = divide(&self.after);
        if record.is_empty() {
            let deleted = conn.prepare_cached("DELETE FROM articles WHERE site = ?1 AND article = ?2")?.execute(key)?;
            row.articles = row.articles.saturating_sub(deleted as u64);
        } else {
            conn.prepare_cached("INSERT INTO articles VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET record = excluded.record")?
                .execute((key.0, key.1, record.to_text()))?;
            row.articles += u64::from(self.stored.is_none());
        }
        if past != self.stored.unwrap_or_default() {
            write_past(conn, row.id, article, &past)?;
        }
        for (bucket, before) in self.before {
            let after = self.after.get(&bucket).copied().unwrap_or_default();
            let change = ListChange { article: article.as_str(), before, after };
            for list in site.lists_of(article, &bucket.to_string()) {
                if after > before {
                    site.lists.update(conn, row.id, &list, change)?;
                } else if after < before && site.lists.shrink(conn, row.id, &list, change)? {
                    lists::mark_lacking(conn, row.id, &list)?;
                }
            }
        }
        Ok(())
    }
}

fn is_expired(expiry: Expiry, bucket: Bucket) -> bool {
    expiry.is_some_and(|(retention, today)| retention.expired(bucket, today))
}
