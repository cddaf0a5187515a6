//! Which texts are site ids and origins, and which day it is for a site.

use chrono_tz::Tz;
use truycap::domain::{
    producer::{Digest, Position, ProducerId},
    site::{Origin, Rules, Site, SiteId},
};

#[test]
fn a_site_id_is_safe_in_urls_and_keys() {
    let longest = "a".repeat(64);
    for text in ["a", "7", "portal", "Portal", "so-tt.example_vn", "0-", "a..", longest.as_str()] {
        assert_eq!(SiteId::parse(text).unwrap().as_str(), text);
    }
    let too_long = "a".repeat(65);
    let wrong =
        ["", ".", "..", "-a", "_a", ".a", "a b", " a", "a ", "a/b", "a{b}", "a:b", "a\n", "a\0", "cổng", "ａ", "a%20", "*", &too_long];
    for text in wrong {
        assert_eq!(SiteId::parse(text).unwrap_err().0, text);
    }
}

#[test]
fn an_origin_is_normalised_as_browsers_do() {
    let known = [
        ("http://portal.example.vn", "http://portal.example.vn"),
        ("https://portal.example.vn", "https://portal.example.vn"),
        ("https://portal.example.vn/", "https://portal.example.vn"),
        ("HTTPS://Portal.Example.VN", "https://portal.example.vn"),
        ("http://localhost", "http://localhost"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://portal:80", "http://portal"),
        ("https://portal:443/", "https://portal"),
        ("http://portal:443", "http://portal:443"),
        ("https://portal:80", "https://portal:80"),
        ("http://portal:080", "http://portal"),
        ("http://portal:65535", "http://portal:65535"),
        ("http://a_b.local", "http://a_b.local"),
        ("https://xn--cng-2m4b.vn", "https://xn--cng-2m4b.vn"),
        ("http://[::1]", "http://[::1]"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://[2001:DB8::A]:443", "https://[2001:db8::a]"),
        ("http://[2001:db8:0:0:0:0:0:1]", "http://[2001:db8::1]"),
        ("http://[0:0:0:0:0:0:0:0001]:81", "http://[::1]:81"),
        ("http://[::ffff:192.0.2.128]", "http://[::ffff:c000:280]"),
    ];
    for (text, origin) in known {
        assert_eq!(Origin::parse(text).unwrap().as_str(), origin, "{text}");
        assert_eq!(Origin::parse(origin).unwrap().as_str(), origin);
    }
}

#[test]
fn an_invalid_origin_is_refused() {
    let wrong = [
        "",
        " ",
        "*",
        "portal",
        "portal.example.vn",
        "portal:8080",
        "//portal",
        "http",
        "http:",
        "http:/portal",
        "http://",
        "http:///",
        "http:///portal",
        "http://:80",
        "http://portal:",
        "http://portal:/",
        "http://portal:x",
        "http://portal:65536",
        "http://portal:-1",
        "http://portal:+80",
        "http://portal: 80",
        "http://portal:80:80",
        "http://portal:8080/a",
        "http://portal/a",
        "http://portal//",
        "http://portal?",
        "http://portal?a",
        "http://portal#",
        "http://portal/?a",
        "http://portal/#",
        "http://user@portal",
        "http://user:pass@portal",
        "http://user:pass@portal:80",
        "http://por tal",
        " http://portal",
        "http://portal ",
        "http://portal\n",
        "http://portal\\",
        "http://*.portal",
        "http://cổng.vn",
        "http://ｐortal",
        "http://por%74al",
        "ftp://portal",
        "ws://portal",
        "file:///",
        "javascript:alert(1)",
        "javascript://portal",
        "data:text/html,",
        "chrome-extension://abc",
        "http://::1",
        "http://[::1",
        "http://::1]",
        "http://[]",
        "http://[::1]x",
        "http://[::1]80",
        "http://[::1]:",
        "http://[::1]:x",
        "http://[[::1]]",
        "http://[127.0.0.1]",
        "http://[fe80::1%eth0]",
        "http://a,http://b",
        "http://http://a",
    ];
    for text in wrong {
        assert_eq!(Origin::parse(text).unwrap_err().0, text);
    }
}

#[test]
fn a_sites_day_follows_its_time_zone() {
    let site = |timezone| Site {
        id: SiteId::parse("portal").unwrap(),
        aliases: Vec::new(),
        origins: vec![],
        timezone,
        sections: vec![],
        rules: Rules::default(),
    };
    let day = |timezone, at: &str| site(timezone).day(at.parse().unwrap()).to_string();
    assert_eq!(day(Tz::Asia__Ho_Chi_Minh, "2019-12-31T16:59:59.999Z"), "2019-12-31");
    assert_eq!(day(Tz::Asia__Ho_Chi_Minh, "2019-12-31T17:00:00Z"), "2020-01-01");
    assert_eq!(day(Tz::America__New_York, "2020-01-01T04:59:59Z"), "2019-12-31");
    assert_eq!(day(Tz::Pacific__Apia, "2011-12-30T10:00:00Z"), "2011-12-31");
}

#[test]
fn a_producers_id_has_one_spelling_of_32_digits() {
    let id = ProducerId(0x0123_4567_89ab_cdef);
    assert_eq!(id.to_string(), "00000000000000000123456789abcdef");
    for id in [id, ProducerId(0), ProducerId(u128::MAX)] {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    for text in [
        "",
        "0",
        "0123456789abcdef",
        "00000000000000000123456789ABCDEF",
        "+0000000000000000123456789abcdef",
        "0000000000000000123456789abcdefg",
    ] {
        assert!(text.parse::<ProducerId>().is_err(), "{text}");
    }
}

#[test]
fn a_position_has_one_spelling() {
    assert_eq!(Position { seq: 1234, digest: Digest(0x89ab_cdef_0123_4567) }.to_string(), "1234:89abcdef01234567");
    assert_eq!(Position::START.to_string(), "0:0000000000000000");
    assert_eq!(Position::default(), Position::START);
    for seq in [0, 1, u64::MAX] {
        for digest in [0, 1, 1 << 63, u64::MAX] {
            let position = Position { seq, digest: Digest(digest) };
            assert_eq!(position.to_string().parse(), Ok(position));
        }
    }
    for text in [
        "",
        ":",
        "1",
        "1:",
        ":89abcdef01234567",
        "+1:89abcdef01234567",
        "-1:89abcdef01234567",
        "1:89ABCDEF01234567",
        "1:89abcdef0123456",
        "1:089abcdef01234567",
        "1:+9abcdef01234567",
        "18446744073709551616:89abcdef01234567",
        "1:89abcdef01234567:",
        " 1:89abcdef01234567",
    ] {
        assert_eq!(text.parse::<Position>().unwrap_err().0, text);
    }
}

#[test]
fn the_null_origin_is_accepted() {
    for text in ["null", "NULL"] {
        assert_eq!(Origin::parse(text).unwrap().as_str(), "null");
    }
    assert!(Origin::parse("null/").is_err());
}
