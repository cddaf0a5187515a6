//! Figures, most-read lists, histories, the demo portal and the admin listener.

use serde_json::{Value, json};
use truycap::domain::site::Rules;

use super::{
    counting::escape,
    server::{Client, Options, Server, start},
};

const FIGURES: &str = "/v1/sites/portal/figures";

#[test]
fn figures_of_many_articles_are_returned_in_the_requested_order() {
    let server = start(Options::default());
    for article in ["/b", "/a", "/b"] {
        server.view(article);
    }
    let answer = server.get(&format!("{FIGURES}?article=/z&utm_source=x%20y&article=%2Fb&article=/a&article=/b"));
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("public, max-age=1")));
    let text = answer.text();
    let positions = ["\"site\":", "\"/z\":", "\"/b\":", "\"/a\":", "\"as_of\":", "\"stale\":"].map(|part| text.find(part).unwrap());
    assert!(positions.is_sorted(), "{text}");
    assert_eq!(text.matches("\"/b\"").count(), 1, "{text}");
    let answer = answer.json();
    assert_eq!(["/z", "/b", "/a"].map(|article| answer["articles"][article]["total"].as_u64().unwrap()), [0, 2, 1]);
    assert_eq!((answer["site"]["total"].as_u64(), answer.get("counted"), answer.get("reason")), (Some(3), None, None));
    assert_eq!(answer["as_of"], "2026-11-23T10:00:00+07:00");
}

/// A hundred ids of the maximum length do not fit, because a target has at most 64 KiB.
#[test]
fn a_hundred_articles_with_ids_as_long_as_a_headline_fit_into_one_request() {
    let server = start(Options::default());
    let id = |i| {
        format!(
            "/tin-t\u{1ee9}c/{i:03}-r\u{1ed9}n-r\u{e0}ng-h\u{1ed9}i-\u{111}ua-thuy\u{1ec1}n-tr\u{ea}n-s\u{f4}ng-m\u{1eab}u-n\u{103}m-nay"
        )
    };
    let parameters: Vec<_> = (0..100).map(|i| format!("article={}", escape(&id(i)))).collect();
    let target = format!("{FIGURES}?{}", parameters.join("&"));
    assert!(target.len() > 16 * 1024);
    let answer = server.get(&target);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["articles"].as_object().unwrap().len(), 100);
}

#[test]
fn a_plus_in_a_query_is_a_space_and_an_escaped_plus_is_a_plus() {
    let server = start(Options::default());
    let articles = server.get(&format!("{FIGURES}?article=a+b%2Bc&article=%C3%AA")).json()["articles"].clone();
    assert_eq!(articles.as_object().unwrap().keys().collect::<Vec<_>>(), ["a b+c", "\u{ea}"]);
}

#[test]
fn a_site_is_found_however_its_id_is_escaped() {
    let server = start(Options::default());
    assert_eq!(server.get("/v1/sites/p%6Frtal/figures").status, 200);
}

/// Waits until a target returns the expected answer, because the store gets the views a moment later.
fn wait_until(server: &Server, target: &str, expected: &Value) {
    let mut last = Value::Null;
    crate::http::server::wait_for(&format!("{target} to be {expected}"), || {
        last = server.get(target).json();
        last == *expected
    });
}

#[test]
fn the_most_read_articles_are_listed() {
    let server = start(Options::default());
    for article in ["/c", "/b", "/a", "/b"] {
        server.view(article);
    }
    let row = |article, views| json!({ "article": article, "views": views });
    let all = json!({ "period": "this_week", "articles": [row("/b", 2), row("/a", 1), row("/c", 1)], "stale": false });
    wait_until(&server, "/v1/sites/portal/top?period=this_week", &all);
    let answer = server.get("/v1/sites/portal/top?period=total&limit=1");
    assert_eq!(answer.header("cache-control"), Some("public, max-age=10"));
    assert_eq!(answer.json(), json!({ "period": "total", "articles": [row("/b", 2)], "stale": false }));
    assert_eq!(server.get("/v1/sites/portal/top?period=yesterday&limit=100").json()["articles"], json!([]));
    assert!(answer.text().starts_with(r#"{"period":"total","articles":[{"article":"/b","views":2}"#), "{}", answer.text());
}

#[test]
fn a_section_has_a_list_of_its_own() {
    let server = start(Options::default());
    for article in ["/tin/b", "/a", "/tin/b", "/tin/a", "/tin"] {
        server.view(article);
    }
    let row = |article, views| json!({ "article": article, "views": views });
    let news = json!({ "period": "today", "articles": [row("/tin/b", 2), row("/tin/a", 1)], "stale": false });
    wait_until(&server, "/v1/sites/portal/top?period=today&prefix=/tin/", &news);
    assert_eq!(server.get("/v1/sites/portal/top?period=today&prefix=%2Ftin%2F&limit=1").json()["articles"], json!([row("/tin/b", 2)]));
    let none = server.get("/v1/sites/portal/top?period=today&prefix=/van-ban/");
    assert_eq!(none.json(), json!({ "period": "today", "articles": [], "stale": false }));
    let all = json!({ "period": "today", "articles": [row("/tin/b", 2), row("/a", 1), row("/tin", 1), row("/tin/a", 1)], "stale": false });
    wait_until(&server, "/v1/sites/portal/top?period=today", &all);
}

#[test]
fn a_list_without_the_store_is_the_last_one_and_stale() {
    let server = start(Options::default());
    server.view("/a");
    let row = json!([{ "article": "/a", "views": 1 }]);
    wait_until(&server, "/v1/sites/portal/top?period=today", &json!({ "period": "today", "articles": row, "stale": false }));
    server.faults.unreachable.store(true, std::sync::atomic::Ordering::SeqCst);
    let stale = json!({ "period": "today", "articles": row, "stale": true });
    wait_until(&server, "/v1/sites/portal/top?period=today", &stale);
    assert_eq!(server.get("/v1/sites/portal/top?period=today").header("cache-control"), Some("no-store"));
    assert_eq!(server.get("/v1/sites/portal/top?period=total").status, 503, "this one was not read before");
}

#[test]
fn a_history_has_every_bucket_between_its_bounds() {
    let server = start(Options::default());
    server.view("/a");
    server.ask("POST", "/v1/sites/portal/views", &[], "");
    let row = |bucket, views| json!({ "bucket": bucket, "views": views });
    let history = |query: &str| format!("/v1/sites/portal/history?{query}");
    let days = json!({ "by": "day", "buckets": [row("2026-11-22", 0), row("2026-11-23", 2)] });
    wait_until(&server, &history("by=day&from=2026-11-22&to=2026-11-23"), &days);
    assert_eq!(server.get(&history("by=day&from=2026-11-22&to=2026-11-23")).header("cache-control"), Some("public, max-age=10"));
    let cases = [
        ("by=day&from=2026-11-23&to=2026-11-23&article=/a", vec![row("2026-11-23", 1)]),
        ("by=week&from=2026-W48&to=2026-11-30", vec![row("2026-W48", 2), row("2026-W49", 0)]),
        ("by=month&from=2025-12&to=2026-01", vec![row("2025-12", 0), row("2026-01", 0)]),
        ("by=month&from=2026-11-30&to=2026-11", vec![row("2026-11", 2)]),
        ("by=year&from=2025&to=2026-01-01", vec![row("2025", 0), row("2026", 2)]),
    ];
    for (query, buckets) in cases {
        assert_eq!(server.get(&history(query)).json()["buckets"], json!(buckets), "{query}");
    }
    let thousand = server.get(&history("by=day&from=2024-02-28&to=2026-11-23"));
    assert_eq!(thousand.json()["buckets"].as_array().unwrap().len(), 1000);
}

#[test]
fn a_history_of_what_was_not_counted_is_kept_by_reason() {
    let rules = Rules { articles: Some(regex::Regex::new("^/tin/").unwrap()), ..Rules::default() };
    let server = start(Options { rules, ..Options::default() });
    let view = |header: &str, article: &str| {
        server.ask("POST", "/v1/sites/portal/views", &[header, "Content-Type: application/json"], &format!("{{\"article\":\"{article}\"}}"))
    };
    for (header, article, status) in [
        ("User-Agent: curl/8.5", "/tin/1", 200),
        ("User-Agent: curl/8.5", "/khac", 200),
        ("Sec-Purpose: prefetch", "/tin/1", 200),
        ("Origin: https://elsewhere.example", "/tin/1", 403),
        ("X-Any: 1", "/khac", 200),
        ("X-Any: 1", "/tin/1", 200),
    ] {
        assert_eq!(view(header, article).status, status, "{header}");
    }
    let history = |of: &str| format!("/v1/sites/portal/history?by=day&from=2026-11-22&to=2026-11-23{of}");
    let row = |bucket, views| json!({ "bucket": bucket, "views": views });
    for (of, views) in [("bot", 2), ("prefetch", 1), ("foreign", 1), ("article_pattern", 1), ("repeat", 0), ("rate_limited", 0)] {
        let expected = json!({ "by": "day", "of": of, "buckets": [row("2026-11-22", 0), row("2026-11-23", views)] });
        wait_until(&server, &history(&format!("&of={of}")), &expected);
    }
    wait_until(&server, &history(""), &json!({ "by": "day", "buckets": [row("2026-11-22", 0), row("2026-11-23", 2)] }));
}

#[test]
fn the_demo_is_served_only_if_it_is_enabled() {
    const HOUR: &str = "public, max-age=3600";
    let files = [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/tin/vuon-cam-vao-vu", "text/html; charset=utf-8", "no-cache"),
        ("/demo.js", "text/javascript; charset=utf-8", HOUR),
        ("/demo.css", "text/css; charset=utf-8", HOUR),
        ("/demo.svg", "image/svg+xml", HOUR),
    ];
    let (with, without) = (start(Options::default()), start(Options { demo: false, ..Options::default() }));
    for (path, kind, caching) in files {
        let answer = with.get(path);
        assert_eq!((answer.status, answer.header("content-type"), answer.header("cache-control")), (200, Some(kind), Some(caching)));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(!answer.body.is_empty());
        assert_eq!(with.ask("HEAD", path, &[], "").header("content-length"), answer.header("content-length"));
        assert_eq!(without.get(path).status, 404, "{path}");
    }
    for path in ["/tin/", "/tin/vuon-cam-vao-vu/", "/tin/nope", "/index.html"] {
        assert_eq!(with.get(path).status, 404, "{path}");
    }
}

#[test]
fn the_demo_counts_under_whatever_name_a_browser_reaches_it() {
    let (with, without) = (start(Options::default()), start(Options { demo: false, ..Options::default() }));
    let view = |server: &Server, site: &str, host: &str, origin: &str| {
        let mut client = server.connect();
        let head = format!("POST /v1/sites/{site}/views HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n");
        client.send(format!(
            "{head}User-Agent: Mozilla/5.0 Firefox/130.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        ));
        let answer = client.answer();
        let readable = answer.header("access-control-allow-origin") == Some(origin);
        (answer.status, readable)
    };
    for (host, origin) in
        [("my-vm.lan:9000", "http://my-vm.lan:9000"), ("demo.example", "https://demo.example"), ("[::1]:80", "http://[::1]:80")]
    {
        assert_eq!(view(&with, "portal", host, origin), (200, true), "{host}");
        assert_eq!(view(&without, "portal", host, origin), (403, false), "{host}");
        assert_eq!(view(&with, "khoa", host, origin), (403, false), "only the site of the demo: {host}");
    }
    for (host, origin) in [("my-vm.lan:9000", "http://my-vm.lan"), ("my-vm.lan", "http://other.lan"), ("null", "null")] {
        assert_eq!(view(&with, "portal", host, origin), (403, false), "{host} {origin}");
    }
}

#[test]
fn the_demo_has_no_broken_links_and_nothing_inline() {
    let server = start(Options::default());
    let home = server.get("/");
    let links: std::collections::BTreeSet<_> =
        home.text().split("href=\"").skip(1).map(|rest| rest.split_once('"').unwrap().0).filter(|link| link.starts_with("/tin/")).collect();
    assert!(links.len() >= 4, "{links:?}");
    for path in std::iter::once("/").chain(links) {
        let page = server.get(path);
        assert_eq!(page.status, 200, "{path}");
        let policy = page.header("content-security-policy").unwrap();
        for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'self'"] {
            assert!(policy.split("; ").any(|own| own == rule), "{policy}");
        }
        // Braces would be placeholders without a value.
        for nothing in ["<style", "style=", "onclick", "{", "}"] {
            assert!(!page.text().contains(nothing), "{path} has {nothing}");
        }
        assert!(page.text().split("<script").skip(1).all(|tag| tag.contains("></script>")), "{path}");
        for local in page.text().split([' ']).filter_map(|part| part.strip_prefix("src=\"").or_else(|| part.strip_prefix("href=\""))) {
            let target = local.split_once('"').unwrap().0;
            if target.starts_with('/') {
                assert_eq!(server.ask("HEAD", target, &[], "").status, 200, "{target} on {path}");
            }
        }
    }
}

#[test]
fn the_admin_listener_serves_health_and_readiness_and_no_public_routes() {
    let server = start(Options::default());
    let ask = |method: &str, target: &str| {
        let mut client = Client::connect(server.admin);
        client.request(method, target, &[], "");
        if method == "HEAD" { client.head() } else { client.answer() }
    };
    let health = ask("GET", "/healthz");
    assert_eq!((health.status, health.text(), health.header("cache-control")), (200, "ok", Some("no-store")));
    let ready = ask("GET", "/readyz");
    assert_eq!((ready.status, ready.json()), (200, json!({ "ready": true, "journal": "ok", "store": "ok" })));
    assert_eq!((ask("HEAD", "/readyz").status, ask("POST", "/readyz").status), (200, 405));
    for path in ["/", FIGURES, "/v1/sites/portal/top?period=today", "/healthz/"] {
        assert_eq!(ask("GET", path).status, 404, "{path}");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(server.get(path).status, 404, "{path} on the public listener");
    }
}
