//! Headers in which proxies name their client, after bytes that the client wrote.

use std::net::IpAddr;

use bolero::check;
use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};
use truycap::audience::{ClientNetwork, ClientResolver, ProxyHeader};

const PROXY: &str = "127.0.0.1";
const CLIENT: &str = "203.0.113.5";
const HEADERS: [(ProxyHeader, &str); 3] =
    [(ProxyHeader::XForwardedFor, "x-forwarded-for"), (ProxyHeader::Forwarded, "forwarded"), (ProxyHeader::XRealIp, "x-real-ip")];

/// What trusted proxies can append for a client that chose the `host`.
fn appended(header: ProxyHeader, host: &str) -> Vec<String> {
    match header {
        ProxyHeader::XRealIp => vec![CLIENT.into()],
        ProxyHeader::XForwardedFor => vec![CLIENT.into(), format!("{CLIENT}:4711"), format!("{CLIENT}, 10.1.2.3")],
        ProxyHeader::Forwarded => {
            let quoted = host.replace('\\', "\\\\").replace('"', "\\\"");
            vec![
                format!("for={CLIENT}"),
                format!("for=\"{CLIENT}:4711\";proto=https, for=10.1.2.3"),
                format!("for={CLIENT};host=\"{quoted}\""),
                format!("host=\"{quoted}\";for={CLIENT};by=\"[2001:db8::1]\""),
            ]
        }
    }
}

fn headers(name: &str, lines: &[Vec<u8>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines {
        // Invalid header values do not reach the resolver.
        headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(line).ok()?);
    }
    Some(headers)
}

/// An input is the lines that the client writes. The last one is also its `Host`.
#[test]
fn nothing_that_a_client_writes_changes_its_address() {
    let of = |text: &str| ClientNetwork::of(text.parse::<IpAddr>().unwrap());
    let untrusted: IpAddr = "198.51.100.7".parse().unwrap();
    check!(name = "address").with_iterations(2000).for_each(|bytes: &[u8]| {
        let lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let last = lines.last().unwrap();
        let host = String::from_utf8_lossy(last);
        for (header, name) in HEADERS {
            let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap(), "10.1.0.0/16".parse().unwrap()];
            let resolver = ClientResolver { header: Some(header), trusted_proxies };
            let client = |peer, headers: &HeaderMap| {
                ClientNetwork::of(resolver.resolve(peer, headers.get_all(name).iter().map(HeaderValue::as_bytes)))
            };
            let Some(written) = headers(name, &lines) else { continue };
            assert!(client(untrusted, &written) == ClientNetwork::of(untrusted), "{name}: an untrusted peer was trusted");
            let _ = client(PROXY.parse().unwrap(), &written);
            for entry in appended(header, &host) {
                let on_its_own = [&lines[..], &[entry.clone().into_bytes()]].concat();
                let mut on_the_last_line = lines.clone();
                *on_the_last_line.last_mut().unwrap() = [last, ", ".as_bytes(), entry.as_bytes()].concat();
                for lines in [on_its_own, on_the_last_line] {
                    let Some(headers) = headers(name, &lines) else { continue };
                    assert!(client(PROXY.parse().unwrap(), &headers) == of(CLIENT), "{name}: {:?}", headers.get_all(name));
                }
            }
        }
    });
}
