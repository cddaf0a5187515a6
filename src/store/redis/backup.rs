//! Makes a backup: everything that the store holds, each site as of one moment.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    path::Path,
};

use redis::{Cmd, FromRedisValue};

use super::{
    audit,
    connection::{Connection, PATIENT},
    errors::{unexpected_record, unexpected_value},
    keys::{Keys, Prefix},
    read::{ReadTransaction, SiteState, View, article, count, decode},
    topology::{Link, Topology},
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

/// How many steps of corrections, each up to about 20 KiB.
pub(super) const CHANGES: u32 = 50;

/// Copies all sites into an empty file, which becomes a store of the embedded kind, while other processes use the store. Each
/// site is as of one moment. Article buckets expire by `clock`.
///
/// # Errors
/// If the store cannot be read, is damaged, or the file cannot be written.
pub async fn backup(place: &RedisStoreConfig, retention: Retention, clock: impl Into<Clock>, into: &Path) -> Result<(), StoreError> {
    let topology = Topology::new(&place.url, PATIENT);
    let view = View { retention, now: clock.into().now() };
    let backup = NewBackup::begin(into)?;
    for site in sites(&topology, &place.prefix).await? {
        let keys = Keys::new(&place.prefix, &site);
        let (aside, link) = (keys.aside(&random_id()?), topology.link(keys.slot()));
        let copied = copy_site(link, &keys, &aside, &site, view, &backup).await;
        // Redis deletes the copy later if this fails.
        let _deleted = link.run(redis::cmd("UNLINK").arg(&copied_keys(&aside)[..])).await;
        copied?;
    }
    backup.end()
}

/// A name for keys that no other process uses.
pub(super) fn random_id() -> Result<String, StoreError> {
    getrandom::u64().map(|id| format!("{id:016x}")).map_err(|error| StoreError::NotApplied(error.to_string()))
}

/// The sites of the store, also those that are not configured any more. A site can move to a node that is scanned already, so the
/// nodes are scanned again until no other site is found.
async fn sites(topology: &Topology, prefix: &Prefix) -> Result<BTreeSet<SiteId>, StoreError> {
    let (mut sites, mut known) = (BTreeSet::new(), None);
    loop {
        for primary in topology.primaries().await.map_err(|error| error.into_read_error(&[]))? {
            sites.extend(sites_of(&primary, prefix).await?);
        }
        if known == Some(sites.len()) {
            return Ok(sites);
        }
        known = Some(sites.len());
    }
}

async fn sites_of(primary: &Connection, prefix: &Prefix) -> Result<BTreeSet<SiteId>, StoreError> {
    let (mut sites, mut cursor) = (BTreeSet::new(), Some(0_u64));
    while let Some(at) = cursor {
        let mut scan = redis::cmd("SCAN");
        scan.arg(at).arg("MATCH").arg(Keys::pattern(prefix)).arg("COUNT").arg(STEP);
        let value = primary.run(&scan).await.map_err(|error| error.into_read_error(&[]))?;
        // Redis can hold keys of others whose names are not UTF-8.
        let (next, keys): (u64, Vec<Vec<u8>>) = decode(value, "the names of keys")?;
        let names = keys.iter().filter_map(|key| Keys::site_of(prefix, str::from_utf8(key).ok()?));
        sites.extend(names.filter_map(|name| SiteId::parse(name).ok()));
        cursor = (next != 0).then_some(next);
    }
    Ok(sites)
}

/// The hashes that are copied. The site's own hash is read in the transaction, and the lists are made from the records.
fn copied_keys(keys: &Keys) -> [String; 7] {
    [keys.offsets(), keys.views(), keys.articles(), keys.past(), keys.sections(), keys.changes(), keys.audit()]
}

/// The copy of a site, and how much it must have.
struct Copy<'a> {
    link: Link<'a>,
    keys: &'a Keys,
    state: SiteState,
    /// The numbers of offsets, counters, articles, pasts, sections, corrections and kept steps of them.
    counts: [u64; 7],
}

async fn copy_site(link: Link<'_>, keys: &Keys, aside: &Keys, site: &SiteId, view: View, backup: &NewBackup) -> Result<(), StoreError> {
    let mut take = ReadTransaction::new();
    take.add_site(keys);
    for key in copied_keys(keys).into_iter().take(6) {
        take.add("HLEN", key, None::<&str>);
    }
    audit::add_last(&mut take, keys);
    for (from, to) in copied_keys(keys).into_iter().zip(copied_keys(aside)) {
        take.add("COPY", from, &to);
        take.add("EXPIRE", to, ASIDE_SECONDS);
    }
    let mut replies = take.run(link).await?;
    let state = replies.site(keys)?;
    let [offsets, views, articles, pasts, sections, steps] =
        [replies.next()?, replies.next()?, replies.next()?, replies.next()?, replies.next()?, replies.next()?];
    let counts = [offsets, views, articles, pasts, sections, audit::last(&mut replies, keys)?, steps];
    let copy = Copy { link, keys: aside, state, counts };
    let id = backup.add_site(site, state.revision, state.time)?;
    copy.offsets(id, backup).await?;
    copy.views(id, backup).await?;
    let mut lists = copy.sections(id, backup).await?;
    copy.articles(id, backup, &mut lists, view).await?;
    lists.write(id, backup)?;
    copy.corrections(id, backup).await?;
    let found = backup.end_site(id)?;
    if found != copy.counts {
        let names = "offsets, counters, articles, pasts, sections, corrections and steps of them";
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
        let names: Vec<String> = query(self.link, redis::cmd("HKEYS").arg(&key), &key).await?;
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
                let pasts = read.run(self.link).await?.parsed::<Past>(&names)?;
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

    async fn corrections(&self, id: i64, backup: &NewBackup) -> Result<(), StoreError> {
        let [.., last, _] = self.counts;
        for entry in audit::entries(self.link, self.keys, 0, last).await? {
            backup.add_correction(id, &entry)?;
        }
        let key = self.keys.changes();
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            let (next, fields) = self.some_fields::<Vec<u8>>(&key, at, CHANGES as usize).await?;
            for (name, changes) in fields {
                let step = name.split_once(':').and_then(|(number, step)| Some((number.parse().ok()?, step.parse().ok()?)));
                let (number, step) = step.ok_or_else(|| unexpected_value(&key))?;
                backup.add_changes(id, number, step, &changes)?;
            }
            cursor = next;
        }
        Ok(())
    }

    /// Some fields of a hash, and where to continue. A field can come twice.
    async fn fields(&self, key: &str, cursor: u64) -> Result<(Option<u64>, Vec<(String, String)>), StoreError> {
        self.some_fields(key, cursor, STEP).await
    }

    /// The same for about `count` fields of any values.
    async fn some_fields<V: FromRedisValue>(
        &self,
        key: &str,
        cursor: u64,
        count: usize,
    ) -> Result<(Option<u64>, Vec<(String, V)>), StoreError> {
        let mut scan = redis::cmd("HSCAN");
        scan.arg(key).arg(cursor).arg("COUNT").arg(count);
        let (next, fields): (u64, _) = query(self.link, &scan, key).await?;
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

async fn query<T: FromRedisValue>(link: Link<'_>, cmd: &Cmd, key: &str) -> Result<T, StoreError> {
    let value = link.run(cmd).await.map_err(|error| error.into_read_error(&[key.into()]))?;
    decode(value, key)
}
