//! The address of the client behind trusted proxies.
//!
//! Each proxy appends the address that it was called from to a header. The header is therefore read from its end, and an
//! entry is believed only if a trusted proxy wrote it. The client can forge everything before that entry.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

/// The most entries of the header that are read: no chain of proxies is longer.
const MAX_ENTRIES: usize = 32;

/// The header in which proxies name their client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For: 192.0.2.1, 198.51.100.2`.
    XForwardedFor,
    /// `Forwarded: for=192.0.2.1;proto=https, for="[2001:db8::2]:4711"` (RFC 7239).
    Forwarded,
    /// `X-Real-IP: 192.0.2.1`.
    XRealIp,
}

impl ProxyHeader {
    /// The address in an entry; `None` if it has none: `unknown`, an obfuscated name, garbage.
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

/// How clients are identified, and what each of them can use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientRules {
    /// Finds the client behind proxies. Trusted proxies are not limited.
    pub resolver: ClientResolver,
    /// The requests of a client in a second, up to 100 000; 0 is no limit. At once it can send ten times as many.
    pub max_requests_per_second: u32,
    /// The connections that a client can hold open, up to 1 000 000; 0 is no limit.
    pub max_connections: usize,
}

/// Finds the client behind proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientResolver {
    /// Where proxies name their client; without it, the peer of the connection is the client.
    pub header: Option<ProxyHeader>,
    /// The proxies that are believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl ClientResolver {
    /// The client of a request from `peer` with these lines of [`Self::header`].
    ///
    /// Walks back from the peer as long as the sender is trusted. If a trusted proxy names no client, or one that cannot be
    /// read, the proxy itself is the client.
    #[must_use]
    pub fn resolve<'a>(&self, peer: IpAddr, lines: impl DoubleEndedIterator<Item = &'a [u8]>) -> IpAddr {
        let mut client = peer.to_canonical();
        let Some(header) = self.header else { return client };
        if !self.trusts(client) {
            return client;
        }
        // Bytes and not text: what a client wrote need not be UTF-8, and a proxy's entry on the same line is still valid.
        let entries = lines.rev().flat_map(|line| split_from_the_end(line, b','));
        for entry in entries.filter(|entry| !entry.is_empty()).take(MAX_ENTRIES) {
            let Some(address) = header.address(entry) else { break };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    /// The key by which a client is limited; `None` for a trusted proxy, because all clients behind it would share the
    /// limit. Without a configured header, an address of a private network can be a proxy too: in front of a container, for
    /// instance, all visitors come from one.
    #[must_use]
    pub fn limited(&self, client: IpAddr) -> Option<ClientNetwork> {
        let client = client.to_canonical();
        let proxy = self.trusts(client) || (self.header.is_none() && is_private(client));
        (!proxy).then(|| ClientNetwork::of(client))
    }

    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}

/// A client: an IPv4 address, or the /64 of an IPv6 address, because every household has a whole /64.
///
/// `Debug` does not show it: addresses must not get into logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientNetwork(Ipv6Addr);

impl ClientNetwork {
    /// The network of an address. An IPv4 address is the same in either notation.
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

impl fmt::Debug for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientNetwork(…)")
    }
}

/// Whether an address belongs to a private network (RFC 1918, RFC 4193).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// An address as proxies write it: an IPv6 address with or without brackets, with or without a port.
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

/// A port, or the obfuscated name that RFC 7239 allows in its place.
fn is_port(text: &str) -> bool {
    let obfuscated = text
        .strip_prefix('_')
        .is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)));
    obfuscated || ((1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
}

/// The parts of a text between separators outside quotes, the last one first, trimmed.
///
/// From the end, so that a quote that the client never closed does not hide what a proxy appended.
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

/// Whether a quote after this text is escaped: by an odd number of backslashes.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}
