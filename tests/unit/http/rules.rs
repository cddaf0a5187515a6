//! The rules of a site: a required origin, and limits against invented articles.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use chrono::{DateTime, TimeDelta, Utc};
use regex::Regex;
use serde_json::json;
use truycap::domain::site::{Origin, Rules};

use super::server::{Options, now, start, wait_for};

const VIEWS: &str = "/v1/sites/portal/views";
const GIF: &str = "/v1/sites/portal/views.gif";

#[test]
fn a_site_can_require_an_origin_for_every_view() {
    let rules = Rules { require_origin: true, ..Rules::default() };
    let server = start(Options { rules, ..Options::default() });
    let own = "https://portal.example.vn";
    for (method, target) in [("POST", VIEWS), ("GET", GIF)] {
        for (header, status) in [
            (String::new(), 403),
            (format!("Origin: {own}"), 200),
            ("Origin: null".into(), 403),
            (format!("Referer: {own}/tin/1?a=b"), 200),
            (format!("Referer: {own}"), 200),
            (format!("Referer: {own}:443/"), 200),
            (format!("Referer: {own}.evil.example/"), 403),
            (format!("Referer: {own}@evil.example/"), 403),
            ("Referer: https://evil.example/?https://portal.example.vn/".into(), 403),
            ("Referer: portal.example.vn".into(), 403),
            (format!("Origin: https://evil.example\r\nReferer: {own}/"), 403),
        ] {
            let headers: Vec<_> = [header.as_str()].into_iter().filter(|header| !header.is_empty()).collect();
            assert_eq!(server.ask(method, target, &headers, "").status, status, "{method} {header}");
        }
    }
    assert_eq!(server.total(), 8);
    // Figures can be read without an origin.
    assert_eq!(server.get("/v1/sites/portal/figures").status, 200);
}

#[test]
fn new_articles_per_day_are_limited_and_further_views_count_for_the_site() {
    MINUTES_OF_ARTICLES.store(0, SeqCst);
    let rules = Rules { max_new_articles_per_day: 2, ..Rules::default() };
    let server = start(Options { rules, clock: articles_later, ..Options::default() });
    for (article, expected) in [("/a", "counted"), ("/b", "counted"), ("/c", "article_limit"), ("/a", "counted"), ("/d", "article_limit")] {
        assert_eq!(server.outcome(article, &[]), expected, "{article}");
    }
    let answer = server.view("/e").json();
    assert_eq!((&answer["counted"], &answer["reason"], &answer["articles"]), (&json!(true), &json!("article_limit"), &json!({})));
    assert_eq!(server.ask("GET", &format!("{GIF}?article=/f"), &[], "").status, 200);
    let figures = server.get("/v1/sites/portal/figures?article=/a&article=/b&article=/c&article=/f").json();
    let totals: Vec<_> = ["/a", "/b", "/c", "/f"].iter().map(|article| figures["articles"][article]["total"].as_u64().unwrap()).collect();
    assert_eq!((totals, &figures["site"]["total"]), (vec![2, 1, 0, 0], &json!(7)));
    // A day later, known articles are not new, and two more are allowed.
    MINUTES_OF_ARTICLES.store(24 * 60, SeqCst);
    for (article, expected) in [("/a", "counted"), ("/b", "counted"), ("/c", "counted"), ("/d", "counted"), ("/e", "article_limit")] {
        assert_eq!(server.outcome(article, &[]), expected, "{article} on the next day");
    }
}

#[test]
fn known_articles_keep_their_views_while_the_store_is_down() {
    let rules = Rules { max_new_articles_per_day: 1, ..Rules::default() };
    let server = start(Options { rules, store_unreachable: true, ..Options::default() });
    for article in ["/a", "/b", "/c"] {
        assert_eq!(server.outcome(article, &[]), "counted", "{article}");
    }
    server.faults.unreachable.store(false, SeqCst);
    let totals = || {
        let figures = server.get("/v1/sites/portal/figures?article=/a&article=/b&article=/c").json();
        ["/a", "/b", "/c"].map(|article| figures["articles"][article]["total"].as_u64())
    };
    wait_for("the store to have them", || totals() == [Some(1); 3]);
    wait_for("figures that are not stale", || server.get("/v1/sites/portal/figures").json()["stale"] == false);
    // None of them was counted as new.
    for (article, expected) in [("/d", "counted"), ("/e", "article_limit"), ("/a", "counted")] {
        assert_eq!(server.outcome(article, &[]), expected, "{article}");
    }
}

static MINUTES_OF_ARTICLES: AtomicI64 = AtomicI64::new(0);

fn articles_later() -> DateTime<Utc> {
    now() + TimeDelta::minutes(MINUTES_OF_ARTICLES.load(SeqCst))
}

#[test]
fn articles_that_do_not_match_the_pattern_count_for_the_site_alone() {
    let rules = Rules { articles: Some(Regex::new("^/tin/").unwrap()), ..Rules::default() };
    let server = start(Options { rules, ..Options::default() });
    for (article, expected) in [("/tin/1", "counted"), ("/", "article_pattern"), ("/x/tin/1", "article_pattern")] {
        assert_eq!(server.outcome(article, &[]), expected, "{article}");
    }
    let figures = server.get("/v1/sites/portal/figures?article=/tin/1&article=/").json();
    assert_eq!((&figures["site"]["total"], &figures["articles"]["/"]["total"]), (&json!(3), &json!(0)));
    assert_eq!(server.ask("POST", VIEWS, &[], "").json()["counted"], true);
    assert_eq!(server.metric("truycap_views_site_alone_total{reason=\"article_pattern\",site=\"portal\"}"), 2.0);
}

#[test]
fn pages_with_the_origin_null_count_if_the_site_allows_it() {
    assert_eq!(Origin::parse("null").unwrap().as_str(), "null");
    let server = start(Options { more_origins: &["null"], ..Options::default() });
    let answer = server.ask("POST", VIEWS, &["Origin: null"], "");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("null")));
    assert_eq!(start(Options::default()).ask("POST", VIEWS, &["Origin: null"], "").status, 403);
}

#[test]
fn a_site_can_have_all_hosts_below_a_name() {
    let rules = Rules { require_origin: true, ..Rules::default() };
    let server = start(Options { rules, more_origins: &["https://*.tinh.example.vn"], ..Options::default() });
    for host in ["soyte.tinh.example.vn", "a.b.tinh.example.vn", "xn--s-rjs.tinh.example.vn"] {
        let answer = server.ask("POST", VIEWS, &[&format!("Origin: https://{host}")], "");
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(&*format!("https://{host}"))), "{host}");
        assert_eq!(server.ask("GET", GIF, &[&format!("Referer: https://{host}/tin/1")], "").status, 200, "{host}");
    }
    for origin in [
        "https://tinh.example.vn",
        "https://.tinh.example.vn",
        "https://a..tinh.example.vn",
        "https://*.tinh.example.vn",
        "https://eviltinh.example.vn",
        "https://evil.example/.tinh.example.vn",
        "https://evil.example:1.tinh.example.vn",
        "https://a.tinh.example.vn:8443",
        "https://a.tinh.example.vn.evil.example",
        "http://a.tinh.example.vn",
    ] {
        let answer = server.ask("POST", VIEWS, &[&format!("Origin: {origin}")], "");
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, Some("*")), "{origin}");
        assert_eq!(server.ask("GET", GIF, &[&format!("Referer: {origin}/")], "").status, 403, "{origin}");
    }
    let policy = server.get("/v1/sites/portal/box");
    assert!(policy.header("content-security-policy").unwrap().contains(" https://*.tinh.example.vn"), "{policy:?}");
}
