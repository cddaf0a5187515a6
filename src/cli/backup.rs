//! `truycap backup` and `truycap restore`: copies of everything that the store holds, and their restoration.

use std::{
    fs,
    io::{self, IsTerminal},
    os::unix::fs::MetadataExt,
    path::Path,
};

use chrono::Utc;

use super::{
    input::{is_standard_input, open_input},
    output::{Message, print},
};
use crate::{
    config::{Config, StoreUrl, collide},
    file_access::beside,
    journal::sqlite::{OpenError, SqliteJournal},
    store::{
        Store,
        redis::{self, RedisStoreConfig},
        sqlite::{Backup, SqliteStore, Target},
    },
    transfer::spool::{Unfinished, check_room, copy, directory_of},
};

/// Writes a backup to a file, or to standard output if it is `-`.
pub(super) async fn backup(config: &Config, file: &Path, replace: bool) -> Result<(), Message> {
    let to_output = file == Path::new("-");
    if to_output && io::stdout().is_terminal() {
        return Err("a backup is binary: name a file, or redirect standard output".into());
    }
    if !to_output {
        refuse_own_files(config, file)?;
        if file.symlink_metadata().is_ok() {
            replace.then_some(()).ok_or_else(|| exists(file))?;
            refuse_foreign(file)?;
        }
    }
    let directory = directory_of(if to_output { &config.journal.path } else { file });
    let failed = |error: io::Error| format!("{}: {error}", directory.display());
    let unfinished = Unfinished::make_in(directory).map_err(failed)?;
    copy_store(config, &unfinished, directory).await?;
    let backup = Backup::open(unfinished.path()).map_err(|error| format!("the backup cannot be restored: {error}"))?;
    let sites = match (count_sites(&backup)?, &config.store) {
        (Some(sites), _) => sites,
        // A new store has none before its first view. In Redis, it is more likely another prefix.
        (None, StoreUrl::Sqlite(_)) => "no site yet".into(),
        (None, StoreUrl::Redis(_)) => {
            return Err(format!(
                "{} holds no site with the prefix {}: nothing was backed up; is --config missing?",
                config.store, config.prefix
            ));
        }
    };
    drop(backup);
    let bytes = unfinished.file().metadata().map_err(failed)?.len();
    if to_output {
        let mut backup = unfinished.file();
        io::copy(&mut backup, &mut io::stdout().lock()).map_err(|error| format!("the backup is not complete: {error}"))?;
        return Ok(());
    }
    unfinished.finish(file, replace).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(file),
        _ => format!("{}: {error}", file.display()),
    })?;
    print(&format!("{}: backup of {}, {sites}, {bytes} bytes\n", file.display(), config.store))
}

/// Only an earlier backup, or an empty file, is replaced.
fn refuse_foreign(file: &Path) -> Result<(), Message> {
    let failed = |error: io::Error| format!("{}: {error}", file.display());
    let found = file.symlink_metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(format!("{} is not a regular file: choose another name, or write to standard output with -", file.display()));
    }
    if found.len() > 0 && !Backup::is_marked(file).map_err(failed)? {
        return Err(format!("{} is not a backup, so it is not replaced: choose another name", file.display()));
    }
    Ok(())
}

/// How many sites a backup has; `None` if it has none. One of the wrong store, or by the wrong prefix, has none.
fn count_sites(backup: &Backup) -> Result<Option<String>, Message> {
    match backup.sites().map_err(|error| error.to_string())?.len() {
        0 => Ok(None),
        1 => Ok(Some("1 site".into())),
        sites => Ok(Some(format!("{sites} sites"))),
    }
}

fn exists(file: &Path) -> Message {
    format!("{} exists: choose another name, or add --replace", file.display())
}

async fn copy_store(config: &Config, unfinished: &Unfinished, directory: &Path) -> Result<(), Message> {
    let reserve = reserve(config, directory);
    let room = |bytes: u64| check_room(directory, bytes.saturating_add(reserve)).map_err(|error| error.to_string());
    match &config.store {
        StoreUrl::Sqlite(path) => {
            let bytes = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.len();
            room(bytes)?;
            let store = SqliteStore::open(path, config.retention, Utc::now).map_err(|error| error.to_string())?;
            let copied = store.backup(unfinished.path()).await;
            store.close().await;
            copied.map_err(|error| format!("{}: {error}", path.display()))
        }
        StoreUrl::Redis(_) => {
            room(0)?;
            let copied = redis::backup(&redis_config(config)?, config.retention, Utc::now, unfinished.path()).await;
            copied.map_err(|error| error.to_string())
        }
    }
}

/// Restores a backup from a file, or from standard input if it is `-`.
pub(super) async fn restore(config: &Config, file: &Path, replace: bool) -> Result<(), Message> {
    if !is_standard_input(file) {
        refuse_own_files(config, file)?;
        refuse_log(file)?;
    }
    let sites = match &config.store {
        StoreUrl::Sqlite(path) => restore_file(config, path, file, replace)?,
        StoreUrl::Redis(_) => restore_redis(config, file, replace).await?,
    };
    let (store, file) = (&config.store, file.display());
    print(&format!("{store}: restored {sites} from {file}; the service applies what came after the backup from its journal\n"))
}

/// The built-in path is in the working directory, where a command without `--config` would make a store that no service uses.
fn refuse_unused_path(config: &Config, path: &Path) -> Result<(), Message> {
    if !config.has_built_in_store() || path.exists() || config.journal.path.exists() {
        return Ok(());
    }
    let (store, journal) = (&config.store, config.journal.path.display());
    Err(format!("there is neither a store {store} nor a journal {journal}: name the configuration with --config, or set store.url"))
}

fn restore_file(config: &Config, path: &Path, file: &Path, replace: bool) -> Result<String, Message> {
    refuse_unused_path(config, path)?;
    let journal = lock_journal(config)?;
    fs::create_dir_all(directory_of(path)).map_err(|error| format!("{}: {error}", path.display()))?;
    let target = Target::open(path, replace).map_err(|error| error.to_string())?;
    let (copy, _, sites) = copy_backup(config, file, target.directory())?;
    target.adopt(copy.file()).map_err(|error| error.to_string())?;
    // A service can have started while the backup was copied. A journal that this made could belong to root.
    let _journal = if journal.is_some() { journal } else { lock_journal(config)? };
    target.replace(|path, replace| copy.finish(path, replace)).map_err(|error| error.to_string())?;
    Ok(sites)
}

async fn restore_redis(config: &Config, file: &Path, replace: bool) -> Result<String, Message> {
    let (_copy, backup, sites) = copy_backup(config, file, directory_of(&config.journal.path))?;
    let restored = redis::restore(&redis_config(config)?, &backup, replace).await;
    restored.map(|()| sites).map_err(|error| error.to_string())
}

/// Copies a backup into a file of this process, verifies it, and returns how many sites it has.
fn copy_backup(config: &Config, file: &Path, directory: &Path) -> Result<(Unfinished, Backup, String), Message> {
    let input = open_input(file)?;
    let failed = |error: io::Error| format!("cannot copy {} to {}: {error}", file.display(), directory.display());
    fs::create_dir_all(directory).map_err(failed)?;
    let unfinished = Unfinished::make_in(directory).map_err(failed)?;
    copy(input, unfinished.file(), directory, reserve(config, directory)).map_err(failed)?;
    let backup =
        Backup::open(unfinished.path()).map_err(|error| format!("{} is not a backup that can be restored: {error}", file.display()))?;
    let sites = count_sites(&backup)?.ok_or_else(|| format!("{} is a backup without a site: nothing was changed", file.display()))?;
    Ok((unfinished, backup, sites))
}

/// Holds the journal, so that no service can start. The journal can be missing.
fn lock_journal(config: &Config) -> Result<Option<SqliteJournal>, Message> {
    if !config.journal.path.exists() {
        return Ok(None);
    }
    match SqliteJournal::open(config.journal.clone()) {
        Ok(journal) => Ok(Some(journal)),
        // No service can use it either.
        Err(OpenError::Foreign(_) | OpenError::Format { .. } | OpenError::Damaged(_)) => Ok(None),
        Err(OpenError::InUse(path)) => Err(format!("truycap is running with the journal {}: stop it, and then restore", path.display())),
        Err(error) => Err(error.to_string()),
    }
}

/// Neither a backup nor its source can be a file that the service uses.
fn refuse_own_files(config: &Config, file: &Path) -> Result<(), Message> {
    let store = match &config.store {
        StoreUrl::Sqlite(path) => Some(("store", path)),
        StoreUrl::Redis(_) => None,
    };
    match [Some(("journal", &config.journal.path)), store].into_iter().flatten().find(|(_, own)| collide(own, file)) {
        Some((what, _)) => Err(format!("{} is the {what} of the service: name another file", file.display())),
        None => Ok(()),
    }
}

/// Refuses a file that is not whole without its log, such as a copy of a running service's store.
fn refuse_log(file: &Path) -> Result<(), Message> {
    if fs::metadata(beside(file, "-wal")).is_ok_and(|log| log.len() > 0) {
        let file = file.display();
        return Err(format!(
            "{file} is a store in use, or a copy of one: part of it is in {file}-wal. Make a backup of it with truycap backup"
        ));
    }
    Ok(())
}

/// How much room a command leaves on the disk: on that of the journal as much as the journal can need.
fn reserve(config: &Config, directory: &Path) -> u64 {
    let disk = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let shared = disk(directory).is_some() && disk(directory) == disk(directory_of(&config.journal.path));
    if shared { config.journal.max_bytes } else { 0 }
}

fn redis_config(config: &Config) -> Result<RedisStoreConfig, Message> {
    match &config.store {
        StoreUrl::Redis(url) => Ok(RedisStoreConfig { url: url.clone(), prefix: config.prefix.clone() }),
        StoreUrl::Sqlite(_) => Err("the store is not a Redis".into()),
    }
}
