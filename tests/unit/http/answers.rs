//! What all answers have in common: browsers must not guess their type, pages restrict what they load, errors contain no
//! internals, and cacheable answers do not depend on who requests them.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use truycap::http::Limits;

use super::{
    refusals,
    server::{Answer, Client, Options, Server, start, wait_for},
};

/// The targets whose answers a cache can keep, each with its `Vary`.
const CACHEABLE: [(&str, &str); 12] = [
    ("/v1/sites/portal/figures", "Origin"),
    ("/v1/sites/portal/figures?article=/a&article=/b", "Origin"),
    ("/v1/sites/portal/top?period=today", "Origin"),
    ("/v1/sites/portal/history?by=year&from=2026&to=2026", "Origin"),
    ("/v1/sites/portal/box", "Origin"),
    ("/v1/sites/portal/badge.svg", "Origin"),
    ("/counter.js", "Accept-Encoding"),
    ("/widget.css", "Accept-Encoding"),
    ("/box.css", "Accept-Encoding"),
    ("/v1/openapi.json", ""),
    ("/", ""),
    ("/tin/hoi-dua-thuyen-song-mau", ""),
];

/// Headers that are not in a cache's keys unless `Vary` names them.
const UNKEYED: [&str; 30] = [
    "Host: evil.example",
    "X-Forwarded-Host: evil.example",
    "X-Host: evil.example",
    "X-Forwarded-Server: evil.example",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Scheme: nothttps",
    "X-Forwarded-Port: 1",
    "X-Forwarded-Prefix: /evil",
    "X-Forwarded-For: 203.0.113.5",
    "Forwarded: for=203.0.113.5;host=evil.example;proto=http",
    "X-Original-URL: /evil",
    "X-Rewrite-URL: /evil",
    "X-HTTP-Method-Override: POST",
    "X-HTTP-Method: DELETE",
    "X-Request-Id: evil",
    "Accept: text/html",
    "Accept-Language: en",
    "Accept-Charset: utf-16",
    "Authorization: Basic YTpi",
    "Cookie: lang=en; a=<script>",
    "User-Agent: Googlebot",
    "Referer: https://evil.example/<script>",
    "Range: bytes=0-0",
    "If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT",
    "Cache-Control: no-cache",
    "Pragma: no-cache",
    "Sec-Purpose: prefetch",
    "DNT: 1",
    "Via: 1.0 evil",
    "Upgrade: h2c",
];

/// Strings that would show a client the internals of the service.
const INTERNALS: [&str; 25] = [
    "simulated failure",
    "::",
    ".rs",
    "src/",
    "/tmp",
    "/root",
    "/home",
    "/work",
    "127.0.0.1",
    "redis",
    "Redis",
    "sqlite",
    "SQL",
    "SELECT",
    "INSERT",
    ".db",
    "struct ",
    "enum ",
    "Err(",
    "os error",
    "panicked",
    "thread '",
    "tokio",
    "hyper",
    "serde",
];

/// Fails if an error contains internals.
pub(crate) fn assert_no_internals(what: &str, error: &str) {
    for internal in INTERNALS {
        assert!(!error.contains(internal), "{internal:?} in the answer to {what}: {error}");
    }
}

/// Sends a request with one additional header, which can be `Host`.
fn ask(server: &Server, method: &str, target: &str, header: &str) -> Answer {
    let host = if header.starts_with("Host:") { "" } else { "Host: test\r\n" };
    let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
    let mut client = Client::connect(server.public);
    client.send(format!("{method} {target} HTTP/1.1\r\n{host}{header}\r\n"));
    if method == "HEAD" { client.head() } else { client.answer() }
}

/// The headers of an answer except `Date`.
fn head(answer: &Answer) -> Vec<(String, String)> {
    answer.headers.iter().filter(|(name, _)| name != "date").cloned().collect()
}

#[test]
fn cacheable_answers_do_not_depend_on_unkeyed_headers_or_bodies() {
    let server = start(Options::default());
    server.view("/a");
    wait_for("the list", || server.get(CACHEABLE[2].0).text().contains("/a"));
    for (target, vary) in CACHEABLE {
        let plain = ask(&server, "GET", target, "");
        assert_eq!((plain.status, plain.header("vary").unwrap_or_default()), (200, vary), "{target}");
        assert!(!plain.header("cache-control").unwrap().contains("no-store"), "{target}");
        for header in UNKEYED {
            let answer = ask(&server, "GET", target, header);
            assert_eq!((answer.status, head(&answer)), (200, head(&plain)), "{target} with {header}");
            assert!(answer.body == plain.body, "{target} with {header}");
            assert_eq!(head(&ask(&server, "HEAD", target, header)), head(&plain), "HEAD {target} with {header}");
        }
        // A body does not change the answer either.
        let mut client = server.connect();
        client.request("GET", target, &["Content-Type: application/json"], r#"{"article":"/evil"}"#);
        assert!(client.answer().body == plain.body, "{target} with a body");
    }
    assert_eq!(server.total(), 1);
}

/// `Vary` names `Origin`, but some caches ignore it: they must not show a refusal to other pages.
#[test]
fn a_refused_origin_gets_an_answer_that_no_cache_keeps_or_the_same_as_others() {
    let server = start(Options::default());
    server.view("/a");
    wait_for("the list", || server.get(CACHEABLE[2].0).text().contains("/a"));
    for (target, _) in CACHEABLE {
        let plain = ask(&server, "GET", target, "");
        for origin in ["Origin: https://evil.example", "Origin: null"] {
            let foreign = ask(&server, "GET", target, origin);
            let is_refused = foreign.status == 403 && foreign.header("cache-control") == Some("no-store");
            assert!(is_refused || (head(&foreign), &foreign.body) == (head(&plain), &plain.body), "{target}: {foreign:?}");
        }
    }
}

#[test]
fn cacheable_answers_depend_only_on_headers_that_vary_names() {
    let server = start(Options::default());
    for (target, vary) in CACHEABLE {
        for (name, header) in [("Origin", "Origin: https://portal.example.vn"), ("Accept-Encoding", "Accept-Encoding: gzip, br")] {
            let (plain, other) = (ask(&server, "GET", target, ""), ask(&server, "GET", target, header));
            assert_eq!(head(&plain) != head(&other), vary == name, "{target} with {header}");
            assert!(vary == "Accept-Encoding" || plain.body == other.body, "{target} with {header}");
        }
    }
}

/// Requests that succeed: method, target, a header.
fn successful() -> Vec<(&'static str, &'static str, &'static str)> {
    let kept = CACHEABLE.into_iter().flat_map(|(target, _)| ["GET", "HEAD", "OPTIONS"].map(|method| (method, target, "")));
    let others = [
        ("POST", "/v1/sites/portal/views", ""),
        ("POST", "/v1/sites/portal/views", "User-Agent: Googlebot"),
        ("OPTIONS", "/v1/sites/portal/views", ""),
        ("GET", "/v1/sites/portal/views.gif", ""),
        ("GET", "/v1/sites/portal/box?lang=en", ""),
        ("GET", "/counter.js", "If-None-Match: *"),
        ("GET", "/tin/lay-y-kien-cong-vien-ven-song", ""),
        ("GET", "/demo.css", ""),
        ("GET", "/demo.js", ""),
        ("GET", "/demo.svg", ""),
    ];
    kept.chain(others).collect()
}

/// One error of each kind that needs more than a request.
fn errors_from_faults() -> Vec<(&'static str, Answer)> {
    let limits = Limits { request: Duration::from_millis(200), body_read: Duration::from_millis(100), ..Limits::default() };
    let server = start(Options { limits, ..Options::default() });
    let view = || server.ask("POST", "/v1/sites/portal/views", &[], "");
    let mut slow = server.connect();
    slow.send("POST /v1/sites/portal/views HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n");
    let mut errors = vec![("a slow body", slow.answer())];
    errors.push(("long headers", server.get_with(&format!("X-Long: {}", "x".repeat(17_000)))));
    server.faults.stuck.store(true, SeqCst);
    errors.push(("a stuck journal", view()));
    server.faults.stuck.store(false, SeqCst);
    server.faults.full.store(true, SeqCst);
    errors.push(("a full journal", view()));
    wait_for("the journal to be reported", || server.ready().status == 503);
    errors.push(("readiness", server.ready()));
    server.faults.unreachable.store(true, SeqCst);
    errors.push(("a list without a store", server.get("/v1/sites/portal/top?period=today")));
    errors.push(("a history without a store", server.get("/v1/sites/portal/history?by=year&from=2026&to=2026")));
    let mut admin = Client::connect(server.admin);
    for (what, method, target) in [("a page of the admin", "GET", "/nothing"), ("a method of the admin", "POST", "/metrics")] {
        admin.request(method, target, &[], "");
        errors.push((what, admin.answer()));
    }
    errors
}

impl Server {
    fn get_with(&self, header: &str) -> Answer {
        self.ask("GET", "/v1/sites/portal/figures", &[header], "")
    }
}

#[test]
fn answers_forbid_type_sniffing_and_every_page_has_a_content_security_policy() {
    let server = start(Options::default());
    for (method, target, header) in successful() {
        let answer = ask(&server, method, target, header);
        assert!(answer.status < 400, "{method} {target}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{method} {target}");
        let is_page = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(!is_page || policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{method} {target}: {policy:?}");
    }
}

#[test]
fn errors_are_not_cached_and_contain_no_internals() {
    let server = start(Options::default());
    let refused = refusals::all().into_iter().map(|case| {
        let answer = server.ask(case.method, &case.target, &case.headers, &case.body);
        (case.target, answer)
    });
    let faults = errors_from_faults().into_iter().map(|(what, answer)| (what.to_owned(), answer));
    for (what, answer) in refused.chain(faults) {
        assert!(answer.status >= 400, "{what}");
        for (header, value) in [("cache-control", "no-store"), ("x-content-type-options", "nosniff")] {
            assert_eq!(answer.header(header), Some(value), "{what}");
        }
        let head: String = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        assert_no_internals(&what, &head);
        assert_no_internals(&what, answer.text());
        for named in ["server", "x-powered-by", "via"] {
            assert_eq!(answer.header(named), None, "{what}");
        }
    }
}
