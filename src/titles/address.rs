//! Which addresses the service connects to when it asks a portal: public ones, and one that the configured origin names itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{Ipv4Net, Ipv6Net};
use tokio::net::lookup_host;
use url::Host;

/// Networks that are not public, or that a name of a portal has no reason to resolve to: IANA's registry of special addresses, and
/// the address at which Azure's own services answer its machines.
const SPECIAL_V4: [Ipv4Net; 17] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(168, 63, 129, 16, 32),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 31, 196, 0, 24),
    v4(192, 52, 193, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 3),
];

/// The only network of IPv6 from which public addresses are given out, and what is special in it: some of these contain an
/// address of IPv4.
const GIVEN_V6: Ipv6Net = v6(0x2000, 0, 3);
const SPECIAL_V6: [Ipv6Net; 4] = [v6(0x2001, 0, 23), v6(0x2001, 0xdb8, 32), v6(0x2002, 0, 16), v6(0x3fff, 0, 20)];

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(a: u16, b: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), bits)
}

/// Whether an address is one on the public internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => SPECIAL_V4.iter().all(|network| !network.contains(&address)),
        IpAddr::V6(address) => GIVEN_V6.contains(&address) && SPECIAL_V6.iter().all(|network| !network.contains(&address)),
    }
}

/// Why a host has no address that can be connected to.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Its name has none.
    #[error("{host} has no address: {error}")]
    Unknown {
        /// The name.
        host: String,
        /// What the resolver says.
        error: String,
    },
    /// Its name has only addresses that are not public.
    #[error("{host} is at {address}, which is not a public address")]
    NotPublic {
        /// The name.
        host: String,
        /// One of them.
        address: IpAddr,
    },
}

/// The addresses of a host that can be connected to. They are connected to as they are: a name that is resolved a second time could
/// have another address then.
///
/// `host` is of a configured origin. So if it is an address, or `localhost`, which is only this machine, it need not be public.
///
/// # Errors
/// If there are none.
pub async fn resolve(host: &Host<&str>, port: u16) -> Result<Vec<SocketAddr>, AddressError> {
    let name = match host {
        Host::Ipv4(address) => return Ok(vec![(*address, port).into()]),
        Host::Ipv6(address) => return Ok(vec![(*address, port).into()]),
        Host::Domain(name) => *name,
    };
    let found = lookup_host((name, port)).await;
    permitted(name, found.map(Vec::from_iter).map_err(|error| error.to_string()))
}

/// Those of the addresses of a name that can be connected to.
///
/// # Errors
/// As [`resolve`].
pub fn permitted(name: &str, found: Result<Vec<SocketAddr>, String>) -> Result<Vec<SocketAddr>, AddressError> {
    let unknown = |error: &str| AddressError::Unknown { host: name.into(), error: error.into() };
    let mut addresses = found.map_err(|error| unknown(&error))?;
    let first = addresses.first().ok_or_else(|| unknown("the resolver names none"))?.ip();
    let is_local = name == "localhost";
    addresses.retain(|address| if is_local { address.ip().is_loopback() } else { is_public(address.ip()) });
    if addresses.is_empty() { Err(AddressError::NotPublic { host: name.into(), address: first }) } else { Ok(addresses) }
}
