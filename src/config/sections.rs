//! The keys of the configuration, and what they may say.

use std::{ops::RangeInclusive, time::Duration};

use bytesize::ByteSize;
use tracing::Level;

use super::{Config, Listen, StoreUrl, audience, read::Reader, sites, store_url::database};
use crate::{
    domain::retention::Retention,
    journal::sqlite,
    recorder,
    store::redis,
    telemetry::logging::{self, Format},
};

/// The keys that hold tables of keys.
pub(super) const TABLES: [&str; 7] = ["listen", "store", "journal", "retention", "log", "clients", "bots"];

/// Takes every key. `None` where there was a mistake; none of them keeps the other keys from being looked at.
pub(super) fn config(reader: &mut Reader<'_>) -> Option<Config> {
    let demo = reader.read("demo", "true or false", |given| given.boolean());
    let listen = listen(reader);
    let store = store(reader);
    let expected = "1 to 64 letters, digits, '.', '_', ':' or '-', such as \"truycap\"";
    let prefix = reader.read("store.prefix", expected, |given| given.text()?.parse().ok());
    let wait = wait(reader);
    let journal = journal(reader, store.as_ref());
    let recorder = recorder(reader);
    let retention = retention(reader);
    let log = log(reader);
    let clients = audience::clients(reader);
    let bots = audience::bots(reader);
    let sites = sites::sites(reader);
    Some(Config {
        demo: demo?,
        listen: listen?,
        store: store?,
        prefix: prefix?,
        wait: wait?,
        journal: journal?,
        recorder: recorder?,
        retention: retention?,
        log: log?,
        clients: clients?,
        bots: bots?,
        sites: sites?,
    })
}

fn listen(reader: &mut Reader<'_>) -> Option<Listen> {
    let address = "an IP address and a port, such as";
    let public = reader.read("listen.public", &format!("{address} \"127.0.0.1:8080\""), |given| given.text()?.parse().ok());
    let admin = reader.read("listen.admin", &format!("{address} \"127.0.0.1:9090\""), |given| given.text()?.parse().ok());
    let max_connections = number(reader, "listen.max_connections", 1..=1_000_000, 4096);
    let listen = Listen { public: public?, admin: admin?, max_connections: usize::try_from(max_connections?).ok()? };
    if listen.public == listen.admin && listen.public.port() != 0 {
        let what = format!("found {}, which is also listen.public; expected another address, such as \"127.0.0.1:9090\"", listen.admin);
        reader.mistake("listen.admin", what);
    }
    Some(listen)
}

fn store(reader: &mut Reader<'_>) -> Option<StoreUrl> {
    reader.parse("store.url", |given| match given.text() {
        Some(text) => StoreUrl::parse(text).map_err(|error| error.to_string()),
        None => Err("found no text; expected a URL such as \"sqlite:data/truycap.db\"".into()),
    })
}

fn wait(reader: &mut Reader<'_>) -> Option<redis::Wait> {
    let replicas = number(reader, "store.wait_replicas", 0..=16, 1);
    let aof = reader.read("store.wait_aof", "true or false", |given| given.boolean());
    Some(redis::Wait { replicas: u8::try_from(replicas?).ok()?, aof: aof? })
}

fn journal(reader: &mut Reader<'_>, store: Option<&StoreUrl>) -> Option<sqlite::Config> {
    let path = reader.read("journal.path", "the path of a file, such as \"data/journal.db\"", |given| database(given.text()?));
    let max_bytes = size(reader, "journal.max_bytes", ByteSize::mib(1)..=ByteSize::gib(64), "from 1MiB to 64GiB, such as \"256MiB\"");
    let journal = sqlite::Config { path: path?, max_bytes: max_bytes? };
    if matches!(store, Some(StoreUrl::Sqlite(file)) if *file == journal.path) {
        reader.mistake("journal.path", format!("found {:?}, which is also the file of store.url; expected another one", journal.path));
    }
    Some(journal)
}

fn recorder(reader: &mut Reader<'_>) -> Option<recorder::Config> {
    let flush = Duration::from_millis(10)..=Duration::from_secs(10);
    let flush_interval = duration(reader, "store.flush_interval", flush, "from 10ms to 10s, such as \"250ms\"");
    let retain = Duration::from_secs(60)..=Duration::from_secs(7 * 24 * 60 * 60);
    let retain = duration(reader, "journal.retain", retain, "from 1m to 7d, such as \"15m\"");
    Some(recorder::Config { flush_interval: flush_interval?, retain: retain?, apply_sums: recorder::APPLY_SUMS })
}

fn retention(reader: &mut Reader<'_>) -> Option<Retention> {
    let days = number(reader, "retention.days", 2..=1000, 40);
    let weeks = number(reader, "retention.weeks", 2..=1000, 10);
    let months = number(reader, "retention.months", 2..=1000, 14);
    let years = number(reader, "retention.years", 2..=1000, 3);
    Some(Retention { days: days?, weeks: weeks?, months: months?, years: years? })
}

fn log(reader: &mut Reader<'_>) -> Option<logging::Config> {
    let level = reader.read("log.level", "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"", |given| match given.text()? {
        "error" => Some(Level::ERROR),
        "warn" => Some(Level::WARN),
        "info" => Some(Level::INFO),
        "debug" => Some(Level::DEBUG),
        "trace" => Some(Level::TRACE),
        _ => None,
    });
    let format = reader.read("log.format", "\"auto\", \"text\" or \"json\"", |given| match given.text()? {
        "auto" => Some(Format::Auto),
        "text" => Some(Format::Text),
        "json" => Some(Format::Json),
        _ => None,
    });
    Some(logging::Config { level: level?, format: format? })
}

pub(super) fn number(reader: &mut Reader<'_>, key: &str, range: RangeInclusive<u32>, example: u32) -> Option<u32> {
    let expected = format!("a whole number from {} to {}, such as {example}", range.start(), range.end());
    reader.read(key, &expected, |given| u32::try_from(given.integer()?).ok().filter(|number| range.contains(number)))
}

pub(super) fn duration(reader: &mut Reader<'_>, key: &str, range: RangeInclusive<Duration>, expected: &str) -> Option<Duration> {
    reader.read(key, &format!("a duration {expected}"), |given| {
        humantime::parse_duration(given.text()?).ok().filter(|duration| range.contains(duration))
    })
}

fn size(reader: &mut Reader<'_>, key: &str, range: RangeInclusive<ByteSize>, expected: &str) -> Option<u64> {
    reader.read(key, &format!("a size {expected}"), |given| {
        let size = match given.text() {
            Some(text) => text.parse().ok()?,
            None => ByteSize(u64::try_from(given.integer()?).ok()?),
        };
        range.contains(&size).then_some(size.as_u64())
    })
}
