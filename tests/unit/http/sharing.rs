//! Which pages can count and read: origins, preflights and caches.

use truycap::domain::site::Rules;

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
            let refused = !other.is_empty() && status != 405;
            assert_eq!(answer.status, if refused { 403 } else { status }, "{method} {target} {other:?}");
            assert_eq!(answer.header("vary"), Some("Origin"), "{method} {target} {other:?}");
            // Only a refusal is readable, and it has no figures.
            assert_eq!(answer.header("access-control-allow-origin"), refused.then_some("*"), "{method} {target} {other:?}");
            assert!(!refused || answer.header("content-type") == Some("application/problem+json"), "{method} {target} {other:?}");
        }
    }
    // Two origins and no origin, for each of the two targets that count.
    assert_eq!(server.total(), 6);
    assert_eq!(server.get("/v1/sites/elsewhere/figures").header("vary"), Some("Origin"));
}

#[test]
fn a_badge_and_a_box_are_for_every_origin_but_no_script_can_read_them() {
    let server = start(Options::default());
    for target in ["/v1/sites/portal/badge.svg", "/v1/sites/portal/box"] {
        let answer = server.ask("GET", target, &[FOREIGN], "");
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None), "{target}");
    }
}

#[test]
fn every_origin_can_read_why_a_page_is_none_of_a_site() {
    let server = start(Options::default());
    let detail = |method: &str, target: &str, headers: &[&str]| {
        let answer = server.ask(method, target, headers, "");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{target} {headers:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{target} {headers:?}");
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    let unknown = |id: &str| format!("there is no site {id}: data-site must be the id of a site in the configuration");
    for (method, resource) in [("POST", "views"), ("GET", "views.gif"), ("GET", "figures"), ("GET", "top"), ("GET", "history")] {
        assert_eq!(detail(method, &format!("/v1/sites/portl/{resource}"), &[FOREIGN]), unknown("portl"));
    }
    assert_eq!(detail("POST", "/v1/sites/c%E1%BB%95ng/views", &[FOREIGN]), unknown("cổng"));
    assert_eq!(detail("POST", "/v1/sites/a%E2%80%AEb%0A/views", &[FOREIGN]), unknown("a\\u{202e}b\\n"));
    assert_eq!(detail("POST", &format!("/v1/sites/{}/views", "a".repeat(500)), &[]), unknown(&format!("{}…", "a".repeat(200))));

    let refused = |origin: &str| detail("POST", VIEWS, &[&format!("Origin: {origin}")]);
    let add = |origin: &str| format!("the site portal does not accept views from {origin}: add it to the site's origins");
    assert_eq!(refused("https://www.portal.example.vn"), add("https://www.portal.example.vn"));
    assert_eq!(refused("https://portal.example.vn:8443"), add("https://portal.example.vn:8443"));
    assert_eq!(
        refused("null"),
        "the site portal does not accept views from null, which is the origin of a local file or of a sandboxed frame"
    );
    assert_eq!(refused("https://a\u{202e}\u{e9}"), add("https://a??"));
    assert_eq!(refused(&format!("https://{}", "a".repeat(2000))), add(&format!("https://{}...", "a".repeat(92))));
    for target in ["figures", "top?period=week", "history"] {
        let shown = detail("GET", &format!("/v1/sites/portal/{target}"), &[FOREIGN]);
        assert_eq!(shown, "the site portal does not show its figures to https://elsewhere.example: add it to the site's origins");
    }
    assert_eq!(server.total(), 0);

    let server = start(Options { rules: Rules { require_origin: true, ..Rules::default() }, ..Options::default() });
    let without = server.ask("GET", "/v1/sites/portal/views.gif", &[], "").json();
    let expected = "the site portal does not accept views from requests without Origin and Referer";
    assert_eq!(without["detail"], expected);
    let elsewhere = server.ask("GET", "/v1/sites/portal/views.gif", &["Referer: https://elsewhere.example/a"], "").json();
    assert_eq!(elsewhere["detail"], add("https://elsewhere.example"));
}

/// A script that a portal patches can add headers to a request, which then needs a preflight. Whether the page may count is decided
/// with the request, because its refusal must be readable.
#[test]
fn a_preflight_allows_every_origin_the_headers_that_it_asks_for() {
    let server = start(Options::default());
    let asks = "Access-Control-Request-Method: POST";
    let names = "Access-Control-Request-Headers: content-type,traceparent,x-requested-with";
    for (target, origin, allowed) in
        [(VIEWS, OWN, ORIGIN), (VIEWS, FOREIGN, "*"), (VIEWS, "X-None: ", "*"), ("/v1/sites/portl/views", FOREIGN, "*")]
    {
        let answer = server.ask("OPTIONS", target, &[origin, asks, names], "");
        assert_eq!((answer.status, answer.header("allow")), (204, Some("POST, OPTIONS")), "{target} {origin}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(allowed), "{target} {origin}");
        assert_eq!(answer.header("access-control-allow-methods"), Some("POST, OPTIONS"), "{target} {origin}");
        assert_eq!(answer.header("access-control-allow-headers"), names.strip_prefix("Access-Control-Request-Headers: "));
        assert_eq!((answer.header("access-control-max-age"), answer.header("vary")), (Some("86400"), Some("Origin")));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
    let figures = server.ask("OPTIONS", "/v1/sites/portal/figures", &[OWN, "Access-Control-Request-Method: GET"], "");
    assert_eq!(figures.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
    for odd in ["x;y".to_owned(), "\"x\"".to_owned(), "a".repeat(1001)] {
        let answer = server.ask("OPTIONS", VIEWS, &[OWN, asks, &format!("Access-Control-Request-Headers: {odd}")], "");
        assert_eq!(answer.header("access-control-allow-headers"), Some("*"), "{odd}");
    }
    // Without a method it is no preflight.
    let plain = server.ask("OPTIONS", VIEWS, &[FOREIGN, names], "");
    assert_eq!((plain.status, plain.header("access-control-allow-origin")), (204, None));
    assert_eq!(server.ask("OPTIONS", "/v1/sites/portl/views", &[FOREIGN], "").status, 404);
    assert_eq!(server.total(), 0);
}

#[test]
fn a_view_with_further_headers_is_counted() {
    let server = start(Options::default());
    let headers = [OWN, "Content-Type: application/json", "traceparent: 00-1-1-01", "X-Requested-With: XMLHttpRequest"];
    assert_eq!(server.ask("POST", VIEWS, &headers, "{}").status, 200);
    assert_eq!(server.total(), 1);
}
