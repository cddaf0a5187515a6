//! Makes and reads a backup: a file of the store that no process has open.

use std::{collections::BTreeMap, fs::File, io, os::unix::fs::FileExt, path::Path};

use rusqlite::{Connection, ErrorCode, OpenFlags, Row};

use super::{
    audit,
    errors::{ReadError, store_error},
    file,
    reader::{self, sections},
    site::{SiteRow, number},
};
use crate::{
    domain::{
        correction::AuditEntry,
        producer::{Digest, Position, ProducerId, Seq},
        retention::TrustedTime,
        site::SiteId,
    },
    file_access::describe,
    store::{Revision, StoreError},
};

const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// See [`SqliteStore::backup`](super::SqliteStore::backup).
pub(super) fn copy(conn: &Connection, into: &Path) -> Result<(), ReadError> {
    // The connection is one of a reader, and SQLite would take the copy for a change.
    conn.pragma_update(None, "query_only", false)?;
    let path = into.to_str().ok_or_else(|| StoreError::NotApplied(format!("the path {} is not UTF-8", into.display())))?;
    conn.execute("VACUUM INTO ?1", [path])?;
    reader::verify(&mut Connection::open_with_flags(into, FLAGS)?, true)
}

/// A backup that is being made from another store.
#[derive(Debug)]
pub(in crate::store) struct NewBackup(Connection);

impl NewBackup {
    /// Begins a backup in an empty file.
    pub(in crate::store) fn begin(path: &Path) -> Result<Self, StoreError> {
        let begin = || {
            let conn = Connection::open_with_flags(path, FLAGS)?;
            // The file is of no use before it is complete.
            conn.pragma_update(None, "journal_mode", "off")?;
            conn.pragma_update(None, "synchronous", "off")?;
            file::make(&conn)?;
            conn.execute_batch("BEGIN")?;
            Ok(Self(conn))
        };
        begin().map_err(store_error)
    }

    /// Adds a site, and returns its id in the file.
    pub(in crate::store) fn add_site(&self, site: &SiteId, revision: Revision, time: Option<TrustedTime>) -> Result<i64, StoreError> {
        let add = || {
            let row = SiteRow { revision, time, ..SiteRow::read_or_make(&self.0, site)? };
            row.write(&self.0)?;
            Ok(row.id)
        };
        add().map_err(store_error)
    }

    pub(in crate::store) fn add_offset(&self, site: i64, producer: ProducerId, offset: Position) -> Result<(), StoreError> {
        let values = (site, producer.0.to_be_bytes(), offset.seq.cast_signed(), offset.digest.0.cast_signed());
        self.execute("INSERT OR REPLACE INTO offsets(site, producer, seq, digest) VALUES (?1, ?2, ?3, ?4)", values)
    }

    /// Adds a counter of a site; `kind` is empty for views.
    pub(in crate::store) fn add_views(&self, site: i64, kind: &str, bucket: &str, views: u64) -> Result<(), StoreError> {
        let values = (site, kind, bucket, views.cast_signed());
        self.execute("INSERT OR REPLACE INTO site_views(site, kind, bucket, views) VALUES (?1, ?2, ?3, ?4)", values)
    }

    /// Adds the record and the past of an article.
    pub(in crate::store) fn add_article(&self, site: i64, article: &str, record: &str, past: Option<&str>) -> Result<(), StoreError> {
        self.execute("INSERT OR REPLACE INTO articles(site, article, record) VALUES (?1, ?2, ?3)", (site, article, record))?;
        let Some(past) = past else { return Ok(()) };
        self.execute("INSERT OR REPLACE INTO past(site, article, past) VALUES (?1, ?2, ?3)", (site, article, past))
    }

    /// Adds a section whose lists are whole, and returns its id in the file.
    pub(in crate::store) fn add_section(&self, site: i64, name: &str) -> Result<i64, StoreError> {
        self.execute("INSERT INTO sections(site, name) VALUES (?1, ?2)", (site, name))?;
        Ok(self.0.last_insert_rowid())
    }

    /// Adds a row of a most-read list; `section` is 0 for the whole site.
    pub(in crate::store) fn add_top(&self, site: i64, section: i64, bucket: &str, article: &str, views: u64) -> Result<(), StoreError> {
        let values = (site, section, bucket, -views.cast_signed(), article);
        self.execute("INSERT INTO top(site, section, bucket, less, article) VALUES (?1, ?2, ?3, ?4, ?5)", values)
    }

    /// Adds an entry of the audit list.
    pub(in crate::store) fn add_correction(&self, site: i64, entry: &AuditEntry) -> Result<(), StoreError> {
        audit::insert(&self.0, site, entry).map_err(|error| error.0)
    }

    /// Adds what is kept of a step of a correction.
    pub(in crate::store) fn add_changes(&self, site: i64, correction: u64, step: Seq, changes: &[u8]) -> Result<(), StoreError> {
        audit::insert_changes(&self.0, site, correction, step, changes).map_err(store_error)
    }

    /// Ends a site: notes how many articles it has. Returns how many offsets, counters, articles, pasts, sections, corrections and
    /// kept steps the file has of it.
    pub(in crate::store) fn end_site(&self, site: i64) -> Result<[u64; 7], StoreError> {
        self.execute("UPDATE sites SET articles = (SELECT count(*) FROM articles WHERE site = ?1) WHERE id = ?1", [site])?;
        let count = |table| self.0.query_row(&format!("SELECT count(*) FROM {table} WHERE site = ?1"), [site], |row| number(row, 0));
        let mut counts = [0; 7];
        for (at, table) in ["offsets", "site_views", "articles", "past", "sections", "corrections", "changes"].into_iter().enumerate() {
            counts[at] = count(table).map_err(store_error)?;
        }
        Ok(counts)
    }

    /// Ends the backup. The caller syncs the file.
    pub(in crate::store) fn end(self) -> Result<(), StoreError> {
        self.0.execute_batch("COMMIT").map_err(store_error)?;
        self.0.close().map_err(|(_, error)| store_error(error))
    }

    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<(), StoreError> {
        self.0.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map(drop).map_err(store_error)
    }
}

/// A file is not a backup that can be restored. Holds the reason as a clause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BackupError(pub String);

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Self(match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => "it is not an SQLite file".into(),
            _ => describe(&error),
        })
    }
}

impl From<ReadError> for BackupError {
    fn from(error: ReadError) -> Self {
        Self(error.0.to_string())
    }
}

/// What is kept of a step of a correction: the number of the correction, of the step, and its changes.
pub(in crate::store) type KeptStep = (u64, Seq, Vec<u8>);

/// A whole backup, in a file of this process alone.
#[derive(Debug)]
pub struct Backup(Connection);

/// An article with its record and its past.
pub(in crate::store) type StoredArticle = (String, String, Option<String>);

impl Backup {
    /// Whether a file looks like a backup, by the mark in its header.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn is_marked(path: &Path) -> io::Result<bool> {
        // SQLite keeps the application's id here.
        const AT: u64 = 68;
        let mut mark = [0; 4];
        match File::open(path)?.read_exact_at(&mut mark, AT) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            read => read.map(|()| i32::from_be_bytes(mark) == file::APPLICATION_ID),
        }
    }

    /// Opens a file, and verifies all of it. Makes it one that can be moved alone: SQLite keeps nothing beside it.
    ///
    /// # Errors
    /// If it is not a store of this version, or is damaged.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let mut conn = Connection::open_with_flags(path, FLAGS)?;
        if !file::check_marks(&conn)?.map_err(BackupError)? {
            return Err(BackupError("it is empty".into()));
        }
        file::check_tables(&conn)?.map_err(BackupError)?;
        file::add_tables(&conn)?;
        reader::verify(&mut conn, true)?;
        conn.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
        Ok(Self(conn))
    }

    /// The sites of the backup.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn sites(&self) -> Result<Vec<SiteId>, StoreError> {
        let names: Vec<String> = self.rows("SELECT name FROM sites ORDER BY name", (), |row| row.get(0))?;
        names.iter().map(|name| SiteId::parse(name).map_err(|error| StoreError::Corrupt(error.to_string()))).collect()
    }

    pub(in crate::store) fn site(&self, site: &SiteId) -> Result<SiteRow, StoreError> {
        let row = SiteRow::read(&self.0, site).map_err(store_error)?;
        row.ok_or_else(|| StoreError::Corrupt(format!("the backup lost site {site} while it was read")))
    }

    pub(in crate::store) fn offsets(&self, site: &SiteRow) -> Result<Vec<(ProducerId, Position)>, StoreError> {
        self.rows("SELECT producer, seq, digest FROM offsets WHERE site = ?1", [site.id], |row| {
            let digest = Digest(row.get::<_, i64>(2)?.cast_unsigned());
            Ok((ProducerId(u128::from_be_bytes(row.get(0)?)), Position { seq: number(row, 1)?, digest }))
        })
    }

    /// The site's own counters: kind, bucket, views.
    pub(in crate::store) fn views(&self, site: &SiteRow) -> Result<Vec<(String, String, u64)>, StoreError> {
        self.rows("SELECT kind, bucket, views FROM site_views WHERE site = ?1", [site.id], |row| {
            Ok((row.get(0)?, row.get(1)?, number(row, 2)?))
        })
    }

    /// Up to `limit` articles after one, in the order of their ids.
    pub(in crate::store) fn articles(&self, site: &SiteRow, after: &str, limit: u32) -> Result<Vec<StoredArticle>, StoreError> {
        let sql = "SELECT articles.article, record, past FROM articles LEFT JOIN past USING (site, article)
             WHERE site = ?1 AND articles.article > ?2 ORDER BY articles.article LIMIT ?3";
        self.rows(sql, (site.id, after, limit), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }

    /// The sections of a site by their ids in the file: the name, and whether the lists are whole.
    pub(in crate::store) fn sections(&self, site: &SiteRow) -> Result<BTreeMap<i64, (String, bool)>, StoreError> {
        let sections = sections(&self.0, site.id).map_err(store_error)?;
        Ok(sections.into_iter().map(|section| (section.id, (section.name.as_str().to_owned(), section.built.is_none()))).collect())
    }

    /// The lists of a site: section (0 is the whole site) and bucket.
    pub(in crate::store) fn lists(&self, site: &SiteRow) -> Result<Vec<(i64, String)>, StoreError> {
        self.rows("SELECT DISTINCT section, bucket FROM top WHERE site = ?1", [site.id], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// The rows of a list: article, and views below 0.
    pub(in crate::store) fn top(&self, site: &SiteRow, section: i64, bucket: &str) -> Result<Vec<(String, i64)>, StoreError> {
        let sql = "SELECT article, less FROM top WHERE site = ?1 AND section = ?2 AND bucket = ?3";
        self.rows(sql, (site.id, section, bucket), |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// The lists that lack articles: section and bucket.
    pub(in crate::store) fn lacking(&self, site: &SiteRow) -> Result<Vec<(i64, String)>, StoreError> {
        self.rows("SELECT section, bucket FROM lacking WHERE site = ?1", [site.id], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// The audit list of a site.
    pub(in crate::store) fn corrections(&self, site: &SiteRow) -> Result<Vec<AuditEntry>, StoreError> {
        audit::entries(&self.0, site.id, 0).map_err(store_error)
    }

    /// What is kept of up to `limit` steps of corrections after one, in their order: the number of the correction, of the step,
    /// and its changes.
    pub(in crate::store) fn changes(&self, site: &SiteRow, after: (u64, Seq), limit: u32) -> Result<Vec<KeptStep>, StoreError> {
        let sql = "SELECT number, step, changes FROM changes WHERE site = ?1 AND (number, step) > (?2, ?3) ORDER BY number, step LIMIT ?4";
        let values = (site.id, after.0.cast_signed(), after.1.cast_signed(), limit);
        self.rows(sql, values, |row| Ok((number(row, 0)?, number(row, 1)?, row.get(2)?)))
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let read = || self.0.prepare_cached(sql)?.query_map(values, row)?.collect::<Result<Vec<T>, _>>();
        read().map_err(store_error)
    }
}
