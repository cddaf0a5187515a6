//! Which pages can count and read: origins, preflights and caches.

use super::server::{ORIGIN, Options, start};

const OWN: &str = "Origin: https://portal.example.vn";
const FOREIGN: &str = "Origin: https://elsewhere.example";
const VIEWS: &str = "/v1/sites/portal/views";

#[test]
fn only_pages_of_the_site_can_read_the_answers() {
    let server = start(Options::default());
    let cases = [
        ("POST", VIEWS, 200),
        ("POST", "/v1/sites/portal/figures", 405),
        ("GET", "/v1/sites/portal/figures", 200),
        ("GET", "/v1/sites/portal/figures?article=", 400),
        ("GET", "/v1/sites/portal/top?period=today", 200),
        ("GET", "/v1/sites/portal/history?by=year&from=2026&to=2026", 200),
        ("GET", "/v1/sites/portal/views.gif", 200),
    ];
    for (method, target, status) in cases {
        for origin in [OWN, "Origin: http://127.0.0.1:8080"] {
            let own = server.ask(method, target, &[origin], "");
            assert_eq!((own.status, own.header("vary")), (status, Some("Origin")), "{method} {target}");
            assert_eq!(own.header("access-control-allow-origin"), origin.strip_prefix("Origin: "), "{method} {target}");
        }
        for other in [vec![FOREIGN], vec!["Origin: null"], vec![]] {
            let answer = server.ask(method, target, &other, "");
            let refused = !other.is_empty() && (target == VIEWS || target.ends_with(".gif"));
            assert_eq!(answer.status, if refused { 403 } else { status }, "{method} {target} {other:?}");
            assert_eq!(answer.header("vary"), Some("Origin"), "{method} {target} {other:?}");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{method} {target} {other:?}");
        }
    }
    // Two origins and no origin, for each of the two targets that count.
    assert_eq!(server.total(), 6);
    assert_eq!(server.get("/v1/sites/elsewhere/figures").header("vary"), Some("Origin"));
}

#[test]
fn a_preflight_allows_views_from_pages_of_the_site_only() {
    let server = start(Options::default());
    let asks = "Access-Control-Request-Method: POST";
    let own = server.ask("OPTIONS", VIEWS, &[OWN, asks, "Access-Control-Request-Headers: content-type"], "");
    assert_eq!((own.status, own.header("access-control-allow-origin"), own.header("vary")), (204, Some(ORIGIN), Some("Origin")));
    assert_eq!(own.header("allow"), Some("POST, OPTIONS"));
    assert!(own.header("access-control-allow-methods").unwrap().split(", ").any(|method| method == "POST"));
    assert_eq!(own.header("access-control-allow-headers"), Some("content-type"));
    assert_eq!(own.header("access-control-max-age"), Some("86400"));
    for headers in [&[FOREIGN, asks][..], &[asks], &[OWN]] {
        let answer = server.ask("OPTIONS", VIEWS, headers, "");
        assert_eq!((answer.status, answer.header("allow")), (204, Some("POST, OPTIONS")), "{headers:?}");
        assert_eq!(answer.header("access-control-allow-methods"), None, "{headers:?}");
        assert_eq!(answer.header("access-control-allow-origin").is_some(), headers.contains(&OWN), "{headers:?}");
    }
}
