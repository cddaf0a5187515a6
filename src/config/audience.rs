//! Which views count: `[clients]`, `[bots]`, and the rules of each site.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use regex::{Regex, RegexBuilder};

use super::{
    report,
    table_reader::{Setting, TableReader, shown},
};
use crate::{
    audience::{BotRules, ClientResolver, ClientRules, ProxyHeader},
    domain::site::Rules,
};

/// The maximum length of a word about bots, in bytes.
const MAX_WORD: usize = 100;

/// The maximum number of words in a list.
const MAX_WORDS: usize = 100;

/// The maximum number of proxies' networks.
const MAX_NETWORKS: usize = 1000;

/// The maximum size of the automaton of an article pattern, in bytes.
const MAX_PATTERN: usize = 256 << 10;

pub(super) fn clients(reader: &mut TableReader<'_>) -> Option<ClientRules> {
    let expected = "\"none\", \"x-forwarded-for\", \"forwarded\" or \"x-real-ip\"";
    let header = reader.read("clients.header", expected, |setting| match &*setting.text()?.to_ascii_lowercase() {
        "none" => Some(None),
        "x-forwarded-for" => Some(Some(ProxyHeader::XForwardedFor)),
        "forwarded" => Some(Some(ProxyHeader::Forwarded)),
        "x-real-ip" => Some(Some(ProxyHeader::XRealIp)),
        _ => None,
    });
    let array = "an array of up to 1000 texts, such as [\"127.0.0.0/8\", \"2001:db8::/32\"]";
    let entry = "an IP address or a network, such as \"10.0.0.0/8\" or \"2001:db8::/32\"";
    let trusted_proxies = reader.list("clients.trusted_proxies", (0..=MAX_NETWORKS, array), entry, |text| network(text).ok_or(None));
    let max_requests_per_second = reader.number("clients.max_requests_per_second", 0..=100_000, 100);
    let max_connections = reader.number("clients.max_connections", 0..=1_000_000, 256);
    let clients = ClientRules {
        resolver: ClientResolver { header: header?, trusted_proxies: trusted_proxies? },
        max_requests_per_second: max_requests_per_second?,
        max_connections: usize::try_from(max_connections?).ok()?,
    };
    if clients.resolver.header.is_some() && clients.resolver.trusted_proxies.is_empty() {
        reader
            .mistake("clients.trusted_proxies", "found none, so clients.header would never be used; expected the networks of the proxies");
    }
    Some(clients)
}

/// A network, or an address as a network of one.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

pub(super) fn bots(reader: &mut TableReader<'_>) -> Option<BotRules> {
    let deny = words(reader, "bots.deny");
    let allow = words(reader, "bots.allow");
    let headless = reader.boolean("bots.headless");
    Some(BotRules { deny: deny?, allow: allow?, headless: headless? })
}

fn words(reader: &mut TableReader<'_>, key: &str) -> Option<Vec<String>> {
    let array = "an array of up to 100 texts, such as [\"MyMonitor/\"]";
    reader.list(key, (0..=MAX_WORDS, array), "a text of 2 to 100 bytes, such as \"MyMonitor/\"", |word| {
        if (2..=MAX_WORD).contains(&word.len()) { Ok(word.into()) } else { Err(None) }
    })
}

/// The rules of a site; each key is optional.
pub(super) fn rules(table: &mut TableReader<'_>) -> Option<Rules> {
    let require_origin = table.or("require_origin", false, TableReader::boolean);
    let window = Duration::ZERO..=Duration::from_secs(24 * 60 * 60);
    let repeat_window =
        table.or("repeat_window", Duration::ZERO, |table, key| table.duration(key, window, "from 0s to 24h, such as \"30m\""));
    let max_new_articles_per_day = table.or("max_new_articles_per_day", 0, |table, key| table.number(key, 0..=1_000_000, 1000));
    let max_views_per_second = table.or("max_views_per_second", 0, |table, key| table.number(key, 0..=100_000, 500));
    let articles = table.or("articles", None, |table, key| table.parse(key, pattern));
    let visitors = table.or("visitors", false, TableReader::boolean);
    let titles = table.or("titles", false, TableReader::boolean);
    let report = report::access(table);
    Some(Rules {
        require_origin: require_origin?,
        repeat_window: repeat_window?,
        max_new_articles_per_day: max_new_articles_per_day?,
        max_views_per_second: max_views_per_second?,
        articles: articles?,
        visitors: visitors?,
        titles: titles?,
        report: report?,
    })
}

/// A pattern, or none if the text is empty.
fn pattern(setting: &Setting<'_>) -> Result<Option<Regex>, String> {
    let found = || format!("found {}; expected a regular expression, such as \"^/tin/\", or \"\"", shown(&setting.value));
    match setting.text() {
        None => Err(found()),
        Some("") => Ok(None),
        Some(text) => RegexBuilder::new(text).size_limit(MAX_PATTERN).build().map(Some).map_err(|error| {
            let reason = error.to_string();
            // The other lines show the pattern.
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").trim_end_matches('.');
            format!("{} ({reason})", found())
        }),
    }
}
