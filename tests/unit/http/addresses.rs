//! Which client a request comes from, if proxies name it and clients forge the header.

use std::net::IpAddr;

use truycap::audience::{ClientNetwork, ClientResolver, ProxyHeader};

/// The trusted proxies: this machine, an IPv4 network and an IPv6 network.
const TRUSTED: [&str; 4] = ["127.0.0.0/8", "::1/128", "10.1.0.0/16", "2001:db8:aaaa::/48"];
const LOCAL: &str = "127.0.0.1";

fn address(text: &str) -> ClientNetwork {
    ClientNetwork::of(text.parse::<IpAddr>().unwrap())
}

fn found(header: ProxyHeader, peer: &str, lines: &[&[u8]]) -> ClientNetwork {
    let trusted_proxies = TRUSTED.iter().map(|network| network.parse().unwrap()).collect();
    let resolver = ClientResolver { header: Some(header), trusted_proxies };
    ClientNetwork::of(resolver.resolve(peer.parse().unwrap(), lines.iter().copied()))
}

/// The `Debug` output of `ClientNetwork` hides the address, so a failure shows the row.
fn check(header: ProxyHeader, rows: &[(&str, &[&str], &str)]) {
    for (peer, lines, expected) in rows {
        let bytes: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        assert!(found(header, peer, &bytes) == address(expected), "{header:?} {peer} {lines:?}: expected {expected}");
    }
}

#[test]
fn x_forwarded_for_is_trusted_only_as_far_as_trusted_proxies_wrote_it() {
    let long = format!("203.0.113.9, {}", ["10.1.0.1"; 40].join(", "));
    check(
        ProxyHeader::XForwardedFor,
        &[
            // The usual case: nginx on this machine appends the browser's address.
            (LOCAL, &["203.0.113.5"], "203.0.113.5"),
            ("::1", &["203.0.113.5"], "203.0.113.5"),
            ("::ffff:127.0.0.1", &["203.0.113.5"], "203.0.113.5"),
            // The client's own entries are to the left.
            (LOCAL, &["8.8.8.8, 203.0.113.5"], "203.0.113.5"),
            (LOCAL, &["8.8.8.8", "203.0.113.5"], "203.0.113.5"),
            (LOCAL, &["127.0.0.1, 10.1.2.3, 203.0.113.5"], "203.0.113.5"),
            (LOCAL, &["\", 203.0.113.5"], "203.0.113.5"),
            (LOCAL, &["garbage, 203.0.113.5, 10.1.2.3"], "203.0.113.5"),
            // A chain of proxies, over several lines.
            (LOCAL, &["203.0.113.5, 10.1.2.3"], "203.0.113.5"),
            (LOCAL, &["8.8.8.8", "203.0.113.5", "10.1.2.3, 10.1.2.4"], "203.0.113.5"),
            (LOCAL, &["203.0.113.5, 2001:db8:aaaa::7"], "203.0.113.5"),
            // The header of an untrusted peer is ignored.
            ("198.51.100.7", &["203.0.113.5"], "198.51.100.7"),
            ("10.2.0.1", &["203.0.113.5"], "10.2.0.1"),
            ("2001:db8:bbbb::1", &["203.0.113.5"], "2001:db8:bbbb::1"),
            // No address, or none that can be parsed: the nearest known one.
            (LOCAL, &[], LOCAL),
            (LOCAL, &[""], LOCAL),
            (LOCAL, &[" , ,"], LOCAL),
            (LOCAL, &["unknown"], LOCAL),
            (LOCAL, &["203.0.113.5, unknown"], LOCAL),
            (LOCAL, &["203.0.113.5, _hidden, 10.1.2.3"], "10.1.2.3"),
            (LOCAL, &["203.0.113.5, 999.1.1.1"], LOCAL),
            (LOCAL, &["203.0.113.5, 1.2.3"], LOCAL),
            (LOCAL, &["203.0.113.5, fe80::1%eth0"], LOCAL),
            (LOCAL, &["for=203.0.113.5"], LOCAL),
            // Empty entries are skipped.
            (LOCAL, &["8.8.8.8, 203.0.113.5, ,"], "203.0.113.5"),
            // Ports and brackets.
            (LOCAL, &["203.0.113.5:4711"], "203.0.113.5"),
            (LOCAL, &["2001:db8:1:2:3::4"], "2001:db8:1:2::"),
            (LOCAL, &["[2001:db8:1:2:3::4]"], "2001:db8:1:2::"),
            (LOCAL, &["[2001:db8:1:2:3::4]:443"], "2001:db8:1:2::"),
            (LOCAL, &["[2001:db8::1"], LOCAL),
            (LOCAL, &["[2001:db8::1]443"], LOCAL),
            (LOCAL, &["[203.0.113.5]"], LOCAL),
            (LOCAL, &["203.0.113.5:port"], LOCAL),
            (LOCAL, &["203.0.113.5:"], LOCAL),
            (LOCAL, &["[::ffff:203.0.113.5]:80"], "203.0.113.5"),
            // All addresses are trusted: the farthest one.
            (LOCAL, &["10.1.0.9, 10.1.0.1"], "10.1.0.9"),
            // Longer than any real chain of proxies.
            (LOCAL, &[&long], "10.1.0.1"),
        ],
    );
}

#[test]
fn forwarded_is_parsed_as_in_rfc_7239_and_from_its_end() {
    check(
        ProxyHeader::Forwarded,
        &[
            (LOCAL, &["for=203.0.113.5"], "203.0.113.5"),
            (LOCAL, &["For=203.0.113.5;proto=https;by=10.1.0.1"], "203.0.113.5"),
            (LOCAL, &["proto=https; for = \"203.0.113.5:80\" ;host=\"a,b;c\""], "203.0.113.5"),
            (LOCAL, &["for=8.8.8.8, for=203.0.113.5, for=10.1.2.3"], "203.0.113.5"),
            (LOCAL, &["for=8.8.8.8", "for=203.0.113.5"], "203.0.113.5"),
            (LOCAL, &["for=\"[2001:db8:1:2:3::4]:4711\""], "2001:db8:1:2::"),
            (LOCAL, &["for=\"[2001:db8:1:2:3::4]\""], "2001:db8:1:2::"),
            (LOCAL, &["for=\"203.0.113.5:_secret\""], "203.0.113.5"),
            // A quote that the client opened does not swallow what the proxy appended.
            (LOCAL, &["for=\", for=203.0.113.5"], "203.0.113.5"),
            (LOCAL, &["for=\"8.8.8.8, for=\"203.0.113.5\""], "203.0.113.5"),
            (LOCAL, &["for=8.8.8.8;host=\"x\\\", for=203.0.113.5"], "203.0.113.5"),
            // Nor does a quote that looks escaped within the proxy's own quotes: here a host of one backslash.
            (LOCAL, &["for=8.8.8.8;x=\", for=203.0.113.5;host=\"\\\\\""], "203.0.113.5"),
            (LOCAL, &["for=203.0.113.5;host=\"\\\", for=8.8.8.8, \\\"\""], "203.0.113.5"),
            // No address, or an obfuscated one.
            (LOCAL, &["for=unknown"], LOCAL),
            (LOCAL, &["for=203.0.113.5, for=_gazonk, for=10.1.2.3"], "10.1.2.3"),
            (LOCAL, &["proto=https"], LOCAL),
            (LOCAL, &["for=203.0.113.5;for=203.0.113.6"], LOCAL),
            (LOCAL, &["for="], LOCAL),
            (LOCAL, &["203.0.113.5"], LOCAL),
            ("198.51.100.7", &["for=203.0.113.5"], "198.51.100.7"),
        ],
    );
}

#[test]
fn x_real_ip_is_one_address() {
    check(
        ProxyHeader::XRealIp,
        &[
            (LOCAL, &["203.0.113.5"], "203.0.113.5"),
            (LOCAL, &["8.8.8.8", "203.0.113.5"], "203.0.113.5"),
            (LOCAL, &["localhost"], LOCAL),
            ("198.51.100.7", &["203.0.113.5"], "198.51.100.7"),
        ],
    );
}

#[test]
fn an_entry_that_is_not_text_names_no_client_and_later_entries_count() {
    assert!(found(ProxyHeader::XForwardedFor, LOCAL, &[b"203.0.113.5, \xff"]) == address(LOCAL));
    assert!(found(ProxyHeader::XForwardedFor, LOCAL, &[b"\xff, 203.0.113.5"]) == address("203.0.113.5"));
    assert!(found(ProxyHeader::Forwarded, LOCAL, &[b"for=\"\xff, for=203.0.113.5"]) == address("203.0.113.5"));
    assert!(found(ProxyHeader::XForwardedFor, LOCAL, &[b"203.0.113.5, \xff", b"203.0.113.6"]) == address("203.0.113.6"));
}

#[test]
fn without_a_header_the_peer_is_the_client() {
    let resolver = ClientResolver { header: None, trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()] };
    let client = resolver.resolve(LOCAL.parse().unwrap(), [&b"203.0.113.5"[..]].into_iter());
    assert!(ClientNetwork::of(client) == address(LOCAL));
}

#[test]
fn an_ipv6_network_of_64_bits_is_one_client_and_addresses_are_not_shown() {
    assert!(address("2001:db8:1:2:3:4:5:6") == address("2001:db8:1:2:ffff::1"));
    assert!(address("2001:db8:1:2::1") != address("2001:db8:1:3::1"));
    assert!(address("::ffff:203.0.113.5") == address("203.0.113.5"));
    assert!(address("203.0.113.5") != address("203.0.113.6"));
    assert_eq!(format!("{:?}", address("203.0.113.5")), "ClientNetwork(…)");
}

#[test]
fn private_addresses_are_not_limited_if_no_proxy_header_is_configured() {
    let limited =
        |header, address: &str| ClientResolver { header, ..ClientResolver::default() }.limited(address.parse().unwrap()).is_some();
    for address in ["10.0.3.1", "172.17.0.1", "192.168.1.1", "::ffff:172.17.0.1", "fd00::1"] {
        assert!(!limited(None, address), "{address}");
        assert!(limited(Some(ProxyHeader::XForwardedFor), address), "{address}");
    }
    for address in ["203.0.113.7", "172.32.0.1", "2001:db8::1"] {
        assert!(limited(None, address), "{address}");
    }
}
