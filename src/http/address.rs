//! The address that a client's request comes from, seen through proxies that are trusted.
//!
//! Each proxy appends to a header whom it was asked by, so the header is read from its end: an entry is believed as long
//! as a trusted proxy wrote it. What stands before was written by the client, who may write what it likes.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use hyper::{
    HeaderMap,
    header::{FORWARDED, HeaderName},
};
use ipnet::IpNet;

/// The most entries of the header that are looked at: more proxies than that stand in no row.
const MAX_ENTRIES: usize = 32;

/// Which header proxies name their client in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For: 192.0.2.1, 198.51.100.2`.
    XForwardedFor,
    /// `Forwarded: for=192.0.2.1;proto=https, for="[2001:db8::2]:4711"`, after RFC 7239.
    Forwarded,
    /// `X-Real-IP: 192.0.2.1`.
    XRealIp,
}

impl ProxyHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => FORWARDED,
            Self::XRealIp => HeaderName::from_static("x-real-ip"),
        }
    }

    /// The address in an entry; `None` where it names none: `unknown`, a made-up name, garbage.
    fn address(self, entry: &[u8]) -> Option<IpAddr> {
        let text = |bytes| str::from_utf8(bytes).ok();
        match self {
            Self::XForwardedFor | Self::XRealIp => node(text(entry)?),
            Self::Forwarded => {
                let mut named = split_from_the_end(entry, b';').filter_map(|pair| {
                    let (name, value) = text(pair)?.split_once('=')?;
                    name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
                });
                let (value, None) = (named.next()?, named.next()) else { return None };
                node(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
            }
        }
    }
}

/// How clients are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clients {
    /// Where proxies name their client; where there is none, whoever opened the connection is the client.
    pub header: Option<ProxyHeader>,
    /// The proxies that are believed. None of the limits below is for them.
    pub trusted_proxies: Vec<IpNet>,
    /// How often a client may ask in a second, up to 100 000; 0 is no limit. At once it may ask ten times as often.
    pub max_requests_per_second: u32,
    /// How many connections a client may hold open, up to 1 000 000; 0 is no limit.
    pub max_connections: usize,
}

impl Clients {
    /// The client of a request that came over a connection from `peer`.
    ///
    /// Walks from the peer back, as long as the one who speaks is trusted. Where a trusted proxy names nobody, or what it
    /// says cannot be read, the proxy itself is taken for the client.
    #[must_use]
    pub fn address(&self, peer: IpAddr, headers: &HeaderMap) -> Address {
        Address::of(self.farthest(peer, headers))
    }

    /// The client of such a request, if it is one whose requests are limited: not where a trusted proxy names nobody, for
    /// everybody behind it would be limited together.
    #[must_use]
    pub fn limited(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Address> {
        self.stranger(self.farthest(peer, headers))
    }

    /// What stands for an address that is not a trusted proxy's. Where no header is named, one of a private network may be
    /// a proxy that nobody has thought of, before a container for instance, and all readers come from it.
    #[must_use]
    pub fn stranger(&self, address: IpAddr) -> Option<Address> {
        let address = address.to_canonical();
        let proxy = self.trusts(address) || (self.header.is_none() && is_private(address));
        (!proxy).then(|| Address::of(address))
    }

    fn farthest(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let Some(header) = self.header else { return client };
        if !self.trusts(client) {
            return client;
        }
        let lines = headers.get_all(header.name()).iter().rev();
        // Bytes and not text: what a client wrote may be none, and a proxy's entry on the same line counts all the same.
        let entries = lines.flat_map(|line| split_from_the_end(line.as_bytes(), b','));
        for entry in entries.filter(|entry| !entry.is_empty()).take(MAX_ENTRIES) {
            let Some(address) = header.address(entry) else { break };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}

/// What stands for a client: an IPv4 address, or the /64 of an IPv6 address, for every household has a whole one.
///
/// It is not shown, not even to those who debug: addresses belong into no log.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(Ipv6Addr);

impl Address {
    /// What stands for the client of an address. An IPv4 address is the same in either notation.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        const NETWORK: u128 = !(u64::MAX as u128);
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK),
        })
    }

    /// Its bytes, for hashing.
    #[must_use]
    pub fn octets(self) -> [u8; 16] {
        self.0.octets()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}

/// Whether an address is of a network that is not a part of the internet, by RFC 1918 and RFC 4193.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// An address as proxies write it: an IPv6 address alone or in brackets, with a port or without.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let port = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        return address.parse::<Ipv6Addr>().ok().filter(|_| port).map(IpAddr::V6);
    }
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (address, port) = text.split_once(':')?;
    address.parse::<Ipv4Addr>().ok().filter(|_| is_port(port)).map(IpAddr::V4)
}

/// A port, or the made-up name that RFC 7239 allows in its place.
fn is_port(text: &str) -> bool {
    let made_up = text
        .strip_prefix('_')
        .is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)));
    made_up || ((1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
}

/// The parts of a text between separators outside of quotes, the last one first, trimmed.
///
/// From the end, so that a quote which a client opened and never closed does not swallow what a proxy appended.
fn split_from_the_end(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        let cut = text.iter().enumerate().rev().find(|&(at, byte)| {
            quoted ^= *byte == b'"' && !is_escaped(&text[..at]);
            *byte == separator && !quoted
        });
        let part = match cut {
            Some((at, _)) => {
                rest = Some(&text[..at]);
                &text[at + 1..]
            }
            None => {
                rest = None;
                text
            }
        };
        Some(part.trim_ascii())
    })
}

/// Whether a quote after this text is a part of what is quoted. Of two backslashes, one is quoted by the other.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}
