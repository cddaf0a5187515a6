//! Makes a backup: everything that the store holds, each site as of one moment.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    path::Path,
};

use redis::{Cmd, FromRedisValue};

use super::{
    connection::Connection,
    errors::{unexpected_record, unexpected_value},
    keys::Keys,
    read::{ReadTransaction, SiteState, View, article, count, decode},
    url::RedisStoreConfig,
};
use crate::{
    domain::{
        article::{ArticleId, Section},
        clock::Clock,
        period::Bucket,
        record::{Past, Record},
        retention::Retention,
        site::SiteId,
    },
    store::{LIST_LEAST, StoreError, sqlite::contents::NewBackup},
};

/// How long Redis keeps a copy if this process ends before it deletes it. It is more than the reading of a copy takes.
pub(super) const ASIDE_SECONDS: u32 = 3600;

/// How many fields of a hash Redis returns in one step, so that other clients do not wait long.
const STEP: usize = 1000;

/// Copies all sites into an empty file, which becomes a store of the embedded kind, while other processes use the store. Each
/// site is as of one moment. Article buckets expire by `clock`.
///
/// # Errors
/// If the store cannot be read, is damaged, or the file cannot be written.
pub async fn backup(place: &RedisStoreConfig, retention: Retention, clock: impl Into<Clock>, into: &Path) -> Result<(), StoreError> {
    let connection = Connection::patient(&place.url);
    let view = View { retention, now: clock.into().now() };
    let backup = NewBackup::begin(into)?;
    for site in sites(&connection, place).await? {
        let keys = Keys::new(&place.prefix, &site);
        let aside = keys.aside(&random_id()?);
        let copied = copy_site(&connection, &keys, &aside, &site, view, &backup).await;
        // Redis deletes the copy later if this fails.
        let _deleted = connection.run(redis::cmd("UNLINK").arg(&copied_keys(&aside)[..])).await;
        copied?;
    }
    backup.end()
}

/// A name for keys that no other process uses.
pub(super) fn random_id() -> Result<String, StoreError> {
    getrandom::u64().map(|id| format!("{id:016x}")).map_err(|error| StoreError::NotApplied(error.to_string()))
}

/// The sites of the store, also those that are not configured any more.
async fn sites(connection: &Connection, place: &RedisStoreConfig) -> Result<BTreeSet<SiteId>, StoreError> {
    let (mut sites, mut cursor) = (BTreeSet::new(), 0_u64);
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(Keys::pattern(&place.prefix)).arg("COUNT").arg(STEP);
        // Redis can hold keys of others whose names are not UTF-8.
        let (next, keys): (u64, Vec<Vec<u8>>) = query(connection, &scan, "the names of keys").await?;
        let names = keys.iter().filter_map(|key| Keys::site_of(&place.prefix, str::from_utf8(key).ok()?));
        sites.extend(names.filter_map(|name| SiteId::parse(name).ok()));
        if next == 0 {
            return Ok(sites);
        }
        cursor = next;
    }
}

/// The hashes that are copied. The site's own hash is read in the transaction, and the lists are made from the records.
fn copied_keys(keys: &Keys) -> [String; 5] {
    [keys.offsets(), keys.views(), keys.articles(), keys.past(), keys.sections()]
}

/// The copy of a site, and how much it must have.
struct Copy<'a> {
    connection: &'a Connection,
    keys: &'a Keys,
    state: SiteState,
    /// The numbers of offsets, counters, articles, pasts and sections.
    counts: [u64; 5],
}

async fn copy_site(
    connection: &Connection,
    keys: &Keys,
    aside: &Keys,
    site: &SiteId,
    view: View,
    backup: &NewBackup,
) -> Result<(), StoreError> {
    let mut take = ReadTransaction::new();
    take.add_site(keys);
    for key in copied_keys(keys) {
        take.add("HLEN", key, None::<&str>);
    }
    for (from, to) in copied_keys(keys).into_iter().zip(copied_keys(aside)) {
        take.add("COPY", from, &to);
        take.add("EXPIRE", to, ASIDE_SECONDS);
    }
    let mut replies = take.run(connection).await?;
    let state = replies.site(keys)?;
    let counts = [replies.next()?, replies.next()?, replies.next()?, replies.next()?, replies.next()?];
    let copy = Copy { connection, keys: aside, state, counts };
    let id = backup.add_site(site, state.revision, state.time)?;
    copy.offsets(id, backup).await?;
    copy.views(id, backup).await?;
    let mut lists = copy.sections(id, backup).await?;
    copy.articles(id, backup, &mut lists, view).await?;
    lists.write(id, backup)?;
    let found = backup.end_site(id)?;
    if found != copy.counts {
        let names = "offsets, counters, articles, pasts and sections";
        return Err(StoreError::Corrupt(format!("site {site} has {:?} {names}, but {found:?} can be read", copy.counts)));
    }
    Ok(())
}

impl Copy<'_> {
    async fn offsets(&self, id: i64, backup: &NewBackup) -> Result<(), StoreError> {
        let key = self.keys.offsets();
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            let (next, fields) = self.fields(&key, at).await?;
            for (producer, offset) in fields {
                let unexpected = || unexpected_value(&key);
                backup.add_offset(id, producer.parse().map_err(|_| unexpected())?, offset.parse().map_err(|_| unexpected())?)?;
            }
            cursor = next;
        }
        Ok(())
    }

    async fn views(&self, id: i64, backup: &NewBackup) -> Result<(), StoreError> {
        let key = self.keys.views();
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            let (next, fields) = self.fields(&key, at).await?;
            for (name, views) in fields {
                let (kind, bucket) = name.rsplit_once(':').unwrap_or(("", &name));
                backup.add_views(id, kind, bucket, count(views.parse().map_err(|_| unexpected_value(&key))?, &key)?)?;
            }
            cursor = next;
        }
        Ok(())
    }

    /// Adds the sections. Their lists are made from the records, so they are whole.
    async fn sections(&self, id: i64, backup: &NewBackup) -> Result<Lists, StoreError> {
        let key = self.keys.sections();
        let names: Vec<String> = query(self.connection, redis::cmd("HKEYS").arg(&key), &key).await?;
        let mut sections = Vec::new();
        for name in names {
            sections.push((backup.add_section(id, &name)?, Section::parse(&name).map_err(|_| unexpected_value(&key))?));
        }
        Ok(Lists { sections, rows: HashMap::new() })
    }

    async fn articles(&self, id: i64, backup: &NewBackup, lists: &mut Lists, view: View) -> Result<(), StoreError> {
        let key = self.keys.articles();
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            let (next, fields) = self.fields(&key, at).await?;
            let names = fields.iter().map(|(name, _)| article(name, &key)).collect::<Result<Vec<_>, _>>()?;
            if !names.is_empty() {
                let mut read = ReadTransaction::new();
                let ids: Vec<&str> = names.iter().map(ArticleId::as_str).collect();
                read.add("HMGET", self.keys.past(), &ids);
                let pasts = read.run(self.connection).await?.parsed::<Past>(&names)?;
                for ((name, (_, text)), past) in names.iter().zip(&fields).zip(pasts) {
                    let record: Record = text.parse().map_err(|_| unexpected_record(name, &key, text))?;
                    backup.add_article(id, name.as_str(), &record.to_text(), past.as_ref().map(Past::to_text).as_deref())?;
                    lists.add(name, &record, past.as_ref(), |bucket| !self.state.is_expired(view, bucket));
                }
            }
            cursor = next;
        }
        Ok(())
    }

    /// Some fields of a hash, and where to continue. A field can come twice.
    async fn fields(&self, key: &str, cursor: u64) -> Result<(Option<u64>, Vec<(String, String)>), StoreError> {
        let mut scan = redis::cmd("HSCAN");
        scan.arg(key).arg(cursor).arg("COUNT").arg(STEP);
        let (next, fields): (u64, _) = query(self.connection, &scan, key).await?;
        Ok(((next != 0).then_some(next), fields))
    }
}

/// The most-read lists of a site, made from its records: of the whole site (section 0) and of its sections.
struct Lists {
    sections: Vec<(i64, Section)>,
    rows: HashMap<(i64, Bucket), MostRead>,
}

/// Most views first, then by id.
type MostRead = BTreeSet<(Reverse<u64>, ArticleId)>;

impl Lists {
    fn add(&mut self, article: &ArticleId, record: &Record, past: Option<&Past>, kept: impl Fn(Bucket) -> bool) {
        let periods = record.periods().chain(past.into_iter().flat_map(Past::periods));
        let periods = periods.filter_map(|(period, (number, views))| Some((period.numbered(number)?, views)));
        let sections: Vec<i64> = self.sections.iter().filter(|(_, section)| section.contains(article)).map(|(id, _)| *id).collect();
        for (bucket, views) in periods.chain([(Bucket::Total, record.total)]).filter(|(bucket, views)| *views > 0 && kept(*bucket)) {
            for section in [0].iter().chain(&sections) {
                let list = self.rows.entry((*section, bucket)).or_default();
                let row = (Reverse(views), article.clone());
                if list.len() < LIST_LEAST || list.last().is_some_and(|last| row < *last) {
                    list.insert(row);
                    if list.len() > LIST_LEAST {
                        list.pop_last();
                    }
                }
            }
        }
    }

    fn write(self, site: i64, backup: &NewBackup) -> Result<(), StoreError> {
        for ((section, bucket), rows) in self.rows {
            let bucket = bucket.to_string();
            for (Reverse(views), article) in rows {
                backup.add_top(site, section, &bucket, article.as_str(), views)?;
            }
        }
        Ok(())
    }
}

async fn query<T: FromRedisValue>(connection: &Connection, cmd: &Cmd, key: &str) -> Result<T, StoreError> {
    let value = connection.run(cmd).await.map_err(|error| error.into_read_error(&[key.into()]))?;
    decode(value, key)
}
