//! Whose views count: `[clients]`, `[bots]`, and the rules of each site.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use regex::{Regex, RegexBuilder};

use super::{
    read::Reader,
    sections::{duration, number},
};
use crate::{
    audience::{BotRules, ClientResolver, ClientRules, ProxyHeader},
    domain::site::Rules,
};

/// The longest word about bots, in bytes.
const MAX_WORD: usize = 100;

/// The most words in a list.
const MAX_WORDS: usize = 100;

/// The most networks of proxies.
const MAX_NETWORKS: usize = 1000;

/// The largest automaton that a pattern of articles may make, in bytes.
const MAX_PATTERN: usize = 256 << 10;

pub(super) fn clients(reader: &mut Reader<'_>) -> Option<ClientRules> {
    let header =
        reader.read("clients.header", "\"none\", \"x-forwarded-for\", \"forwarded\" or \"x-real-ip\"", |given| match given.text()? {
            "none" => Some(None),
            "x-forwarded-for" => Some(Some(ProxyHeader::XForwardedFor)),
            "forwarded" => Some(Some(ProxyHeader::Forwarded)),
            "x-real-ip" => Some(Some(ProxyHeader::XRealIp)),
            _ => None,
        });
    let expected = "up to 1000 networks or addresses, such as [\"127.0.0.0/8\", \"2001:db8::/32\"]";
    let trusted_proxies = reader.read("clients.trusted_proxies", expected, |given| {
        let networks = given.texts()?.iter().map(|text| network(text)).collect::<Option<Vec<_>>>()?;
        (networks.len() <= MAX_NETWORKS).then_some(networks)
    });
    let max_requests_per_second = number(reader, "clients.max_requests_per_second", 0..=100_000, 100);
    let max_connections = number(reader, "clients.max_connections", 0..=1_000_000, 256);
    let clients = ClientRules {
        resolver: ClientResolver { header: header?, trusted_proxies: trusted_proxies? },
        max_requests_per_second: max_requests_per_second?,
        max_connections: usize::try_from(max_connections?).ok()?,
    };
    if clients.resolver.header.is_some() && clients.resolver.trusted_proxies.is_empty() {
        reader
            .mistake("clients.trusted_proxies", "found none, so nobody's clients.header is believed; expected the networks of the proxies");
    }
    Some(clients)
}

/// A network, or an address, which is a network of one.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

pub(super) fn bots(reader: &mut Reader<'_>) -> Option<BotRules> {
    let deny = words(reader, "bots.deny");
    let allow = words(reader, "bots.allow");
    let headless = reader.read("bots.headless", "true or false", |given| given.boolean());
    Some(BotRules { deny: deny?, allow: allow?, headless: headless? })
}

fn words(reader: &mut Reader<'_>, key: &str) -> Option<Vec<String>> {
    reader.read(key, "up to 100 texts of 2 to 100 bytes, such as [\"MyMonitor/\"]", |given| {
        let words = given.texts()?;
        (words.len() <= MAX_WORDS && words.iter().all(|word| (2..=MAX_WORD).contains(&word.len()))).then_some(words)
    })
}

/// The rules of a site; each key may be left out.
pub(super) fn rules(table: &mut Reader<'_>) -> Option<Rules> {
    let require_origin = match table.has("require_origin") {
        true => table.read("require_origin", "true or false", |given| given.boolean()),
        false => Some(false),
    };
    let repeat_window = match table.has("repeat_window") {
        true => duration(table, "repeat_window", Duration::ZERO..=Duration::from_secs(24 * 60 * 60), "from 0s to 24h, such as \"30m\""),
        false => Some(Duration::ZERO),
    };
    let max_new_articles_per_day = match table.has("max_new_articles_per_day") {
        true => number(table, "max_new_articles_per_day", 0..=1_000_000, 1000),
        false => Some(0),
    };
    let max_views_per_second = match table.has("max_views_per_second") {
        true => number(table, "max_views_per_second", 0..=100_000, 500),
        false => Some(0),
    };
    let articles = match table.has("articles") {
        true => table.read("articles", "a regular expression, such as \"^/tin/\", or \"\"", |given| pattern(given.text()?)),
        false => Some(None),
    };
    let visitors = match table.has("visitors") {
        true => table.read("visitors", "true or false", |given| given.boolean()),
        false => Some(false),
    };
    Some(Rules {
        require_origin: require_origin?,
        repeat_window: repeat_window?,
        max_new_articles_per_day: max_new_articles_per_day?,
        max_views_per_second: max_views_per_second?,
        articles: articles?,
        visitors: visitors?,
    })
}

/// A pattern; none where the text is empty.
fn pattern(text: &str) -> Option<Option<Regex>> {
    if text.is_empty() {
        return Some(None);
    }
    RegexBuilder::new(text).size_limit(MAX_PATTERN).build().ok().map(Some)
}
