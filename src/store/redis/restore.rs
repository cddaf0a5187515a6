//! Restores a backup, site by site.

use std::collections::BTreeMap;

use redis::{Pipeline, ToRedisArgs, Value};

use super::{
    audit,
    backup::{ASIDE_SECONDS, CHANGES, random_id},
    connection::PATIENT,
    errors::{RequestError, unexpected_value},
    keys::Keys,
    script::Script,
    topology::{Link, Topology},
    url::RedisStoreConfig,
};
use crate::{
    domain::{period::Bucket, retention::TrustedTime, site::SiteId},
    store::{
        StoreError, VERSION,
        sqlite::{Backup, site::SiteRow},
    },
};

/// How many articles are written in one step, so that other clients do not wait long.
const STEP: u32 = 1000;

/// Why a backup was not restored, or not wholly.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The store has counts of a site. Nothing was changed.
    #[error("the store has counts of site {0}: to replace them with those of the backup, add --replace")]
    HasCounts(SiteId),
    /// The call of the store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Restores all sites of a backup, each in one atomic step, while other processes use the store. `replace` also replaces sites
/// that the store has.
///
/// # Errors
/// If the store has a site and `replace` is not set, or a call fails. Sites before the one that failed are restored; a repetition
/// restores all.
pub async fn restore(place: &RedisStoreConfig, backup: &Backup, replace: bool) -> Result<(), RestoreError> {
    let topology = Topology::new(&place.url, PATIENT);
    let sites = backup.sites()?;
    if !replace {
        // Before the first site is restored.
        for site in &sites {
            let keys = Keys::new(&place.prefix, site);
            let exists = topology.link(keys.slot()).run(redis::cmd("EXISTS").arg(&keys.of_scripts()[..5])).await;
            if exists.map_err(|error| error.into_read_error(&[keys.site()]))? != Value::Int(0) {
                return Err(RestoreError::HasCounts(site.clone()));
            }
        }
    }
    let script = Script::new(concat!(include_str!("common.lua"), include_str!("restore.lua")));
    for site in &sites {
        let keys = Keys::new(&place.prefix, site);
        let row = backup.site(site)?;
        let aside =
            Aside { link: topology.link(keys.slot()), keys: keys.aside(&random_id()?), backup, row: &row, lists: lists(backup, &row)? };
        let restored = restore_site(&aside, &script, &keys, site, replace).await;
        if restored.is_err() {
            aside.delete().await;
        }
        restored?;
    }
    Ok(())
}

async fn restore_site(aside: &Aside<'_>, script: &Script, keys: &Keys, site: &SiteId, replace: bool) -> Result<(), RestoreError> {
    let fields = aside.write().await?;
    let lists: Vec<&str> = aside.lists.iter().map(|list| list.name.as_str()).collect();
    let from = &aside.keys;
    let moved = script.run(aside.link, |cmd| {
        cmd.arg(20);
        for keys in [keys, from] {
            cmd.arg(&keys.of_scripts()).arg(&keys.of_corrections());
        }
        cmd.arg(if replace { "1" } else { "" }).arg(&fields[..]).arg(&lists);
    });
    let reply = moved.await.map_err(RequestError::into_apply_error)?;
    match parts(&reply).as_slice() {
        [Value::Int(1)] => Ok(()),
        [Value::Int(2)] => Err(RestoreError::HasCounts(site.clone())),
        [Value::Int(3), ..] => Err(unexpected_value(&keys.site()).into()),
        [Value::Int(4), version] => Err(StoreError::Version { found: number(version) }.into()),
        [Value::Int(5)] => Err(StoreError::NotApplied(format!("Redis deleted a part of site {site} before it was restored")).into()),
        _ => Err(StoreError::PerhapsApplied(format!("Redis sent an unexpected reply: {reply:?}")).into()),
    }
}

fn parts(reply: &Value) -> Vec<Value> {
    if let Value::Array(parts) = reply { parts.clone() } else { Vec::new() }
}

fn number(value: &Value) -> u32 {
    redis::from_redis_value(value.clone()).unwrap_or_default()
}

/// A most-read list in the backup, and its name in Redis.
struct List {
    section: i64,
    bucket: String,
    name: String,
}

/// The lists of a site that have articles.
fn lists(backup: &Backup, row: &SiteRow) -> Result<Vec<List>, StoreError> {
    with_names(backup, row, backup.lists(row)?)
}

/// Lists with their names. The file can have lists of sections that it does not have any more.
fn with_names(backup: &Backup, row: &SiteRow, found: Vec<(i64, String)>) -> Result<Vec<List>, StoreError> {
    let sections = backup.sections(row)?;
    let mut lists = Vec::new();
    for (section, bucket) in found {
        let known = sections.get(&section).map(|(name, _)| format!("{bucket}:{name}"));
        let Some(name) = known.or_else(|| (section == 0).then(|| bucket.clone())) else { continue };
        if bucket.parse::<Bucket>().is_err() {
            return Err(StoreError::Corrupt(format!("{bucket:?} is not a bucket")));
        }
        lists.push(List { section, bucket, name });
    }
    Ok(lists)
}

/// The names at which a site is written before it is moved into place.
struct Aside<'a> {
    link: Link<'a>,
    keys: Keys,
    backup: &'a Backup,
    row: &'a SiteRow,
    lists: Vec<List>,
}

impl Aside<'_> {
    /// Writes everything, and returns how many fields the nine hashes must have.
    async fn write(&self) -> Result<[u64; 9], StoreError> {
        let Self { backup, row, .. } = self;
        let offsets = backup.offsets(row)?.into_iter().map(|(producer, offset)| (producer.to_string(), offset.to_string()));
        let named = |kind: String, bucket: String| if kind.is_empty() { bucket } else { format!("{kind}:{bucket}") };
        let views = backup.views(row)?.into_iter().map(|(kind, bucket, views)| (named(kind, bucket), views.to_string()));
        let sections = backup.sections(row)?.into_values().map(|(name, whole)| (name, if whole { "whole" } else { "0 " }.to_owned()));
        let site = self.hash(self.keys.site(), site_fields(row)).await?;
        let offsets = self.hash(self.keys.offsets(), offsets.collect()).await?;
        let views = self.hash(self.keys.views(), views.collect()).await?;
        let (articles, pasts) = self.articles().await?;
        let sections = self.hash(self.keys.sections(), sections.collect()).await?;
        for list in &self.lists {
            self.list(list).await?;
        }
        let mut lists: BTreeMap<String, String> = self.lists.iter().map(|list| (list.name.clone(), String::new())).collect();
        lists.extend(with_names(backup, row, backup.lacking(row)?)?.into_iter().map(|list| (list.name, "0 ".into())));
        let lists = self.hash(self.keys.lists(), lists.into_iter().collect()).await?;
        let (audit, changes) = self.corrections().await?;
        Ok([site, offsets, views, articles, pasts, sections, lists, audit, changes])
    }

    /// Writes the audit list and the changes that are kept, and returns how many fields both have.
    async fn corrections(&self) -> Result<(u64, u64), StoreError> {
        let entries = self.backup.corrections(self.row)?;
        let (mut first, mut after, mut steps) = (None, (0, 0), 0);
        loop {
            let found = self.backup.changes(self.row, after, CHANGES)?;
            let Some((number, step, _)) = found.last() else { break };
            after = (*number, *step);
            first = first.or(found.first().map(|(number, step, _)| (*number, *step)));
            let fields = found.into_iter().map(|(number, step, changes)| (format!("{number}:{step}"), changes));
            steps += self.hash(self.keys.changes(), fields.collect()).await?;
        }
        let kept = first.unwrap_or((entries.len() as u64 + 1, 1));
        let fields = audit::fields(&entries, kept)?;
        Ok((self.hash(self.keys.audit(), fields).await?, steps))
    }

    /// Deletes everything. Redis deletes it later if this fails.
    async fn delete(&self) {
        let lists: Vec<String> = self.lists.iter().map(|list| self.keys.top(&list.name)).collect();
        let hashes = [&self.keys.of_scripts()[..7], &self.keys.of_corrections()].concat();
        let _deleted = self.link.run(redis::cmd("UNLINK").arg(hashes).arg(lists)).await;
    }

    /// Writes records and pasts, and returns how many there are.
    async fn articles(&self) -> Result<(u64, u64), StoreError> {
        let (mut articles, mut pasts, mut after) = (0, 0, String::new());
        loop {
            let found = self.backup.articles(self.row, &after, STEP)?;
            let Some((last, ..)) = found.last() else { return Ok((articles, pasts)) };
            after.clone_from(last);
            let of_step = found.iter().filter_map(|(article, _, past)| Some((article.clone(), past.clone()?)));
            pasts += self.hash(self.keys.past(), of_step.collect()).await?;
            articles += self.hash(self.keys.articles(), found.into_iter().map(|(article, record, _)| (article, record)).collect()).await?;
        }
    }

    async fn list(&self, list: &List) -> Result<(), StoreError> {
        let mut write = Pipeline::new();
        let key = self.keys.top(&list.name);
        for (article, less) in self.backup.top(self.row, list.section, &list.bucket)? {
            write.cmd("ZADD").arg(&key).arg(less).arg(article);
        }
        self.run(write, &key).await
    }

    /// Adds fields to a hash, and returns how many.
    async fn hash<V: ToRedisArgs + Sync>(&self, key: String, fields: Vec<(String, V)>) -> Result<u64, StoreError> {
        for fields in fields.chunks(STEP as usize) {
            let mut write = Pipeline::new();
            write.cmd("HSET").arg(&key).arg(fields);
            self.run(write, &key).await?;
        }
        Ok(fields.len() as u64)
    }

    /// Writes to a key, which Redis deletes later if this process ends before it is moved.
    async fn run(&self, mut write: Pipeline, key: &str) -> Result<(), StoreError> {
        write.atomic().cmd("EXPIRE").arg(key).arg(ASIDE_SECONDS);
        let keys = vec![key.to_owned(); write.cmd_iter().count()];
        self.link.run(&write).await.map(drop).map_err(|error| error.into_read_error(&keys))
    }
}

/// The hash of a site.
fn site_fields(row: &SiteRow) -> Vec<(String, String)> {
    let mut fields = vec![("version".to_owned(), VERSION.to_string()), ("revision".to_owned(), row.revision.to_string())];
    if let Some(TrustedTime { latest, ahead }) = row.time {
        fields.push(("latest".to_owned(), latest.timestamp().to_string()));
        if let Some((since, last)) = ahead {
            fields.push(("ahead".to_owned(), format!("{}:{}", since.timestamp(), last.timestamp())));
        }
    }
    fields
}
