//! Which addresses are connected to.

use std::net::{IpAddr, SocketAddr};

use truycap::titles::address::{is_public, permitted};

const PUBLIC: [&str; 14] = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "103.9.76.1",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2400:cb00::1",
    "2606:4700::1111",
];

const OTHERS: [&str; 48] = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.0",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.0",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:1.1.1.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "1fff::1",
    "2001::1",
    "2001:1ff::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "4000::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
];

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn only_addresses_of_the_public_internet_are_public() {
    for text in PUBLIC {
        assert!(is_public(address(text)), "{text}");
    }
    for text in OTHERS {
        assert!(!is_public(address(text)), "{text}");
    }
}

#[test]
fn a_name_is_connected_to_at_its_public_addresses_only() {
    let at = |texts: &[&str]| Ok(texts.iter().map(|text| SocketAddr::new(address(text), 443)).collect::<Vec<_>>());
    let name = "portal.example.vn";
    assert_eq!(permitted(name, at(&["10.0.0.1", "103.9.76.1", "::1"])).unwrap(), at(&["103.9.76.1"]).unwrap());
    for text in OTHERS {
        let error = permitted(name, at(&[text])).unwrap_err().to_string();
        assert_eq!(error, format!("portal.example.vn is at {}, which is not a public address", address(text)));
    }
    assert_eq!(permitted(name, at(&[])).unwrap_err().to_string(), "portal.example.vn has no address: the resolver names none");
    assert_eq!(permitted(name, Err("timed out".into())).unwrap_err().to_string(), "portal.example.vn has no address: timed out");
}

#[test]
fn localhost_is_this_machine_and_nothing_else() {
    let at = |texts: &[&str]| Ok(texts.iter().map(|text| SocketAddr::new(address(text), 80)).collect::<Vec<_>>());
    assert_eq!(permitted("localhost", at(&["::1", "10.0.0.1", "127.0.0.1"])).unwrap(), at(&["::1", "127.0.0.1"]).unwrap());
    assert!(permitted("localhost", at(&["10.0.0.1", "103.9.76.1"])).is_err());
    assert!(permitted("a.localhost", at(&["127.0.0.1"])).is_err());
}
