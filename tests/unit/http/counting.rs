//! Which requests count a view, how often, and how they are answered.

use std::{io::Read, net::Shutdown, sync::atomic::Ordering::SeqCst, time::Duration};

use serde_json::json;
use truycap::http::Limits;

use super::server::{ORIGIN, Options, start, wait_for};

const VIEWS: &str = "/v1/sites/portal/views";
const ORIGIN_HEADER: &str = "Origin: https://portal.example.vn";
const GIF: &str = "/v1/sites/portal/views.gif";

#[test]
fn a_view_is_answered_with_figures_that_include_it() {
    let server = start(Options::default());
    let one = json!({ "total": 1, "today": 1, "yesterday": 0, "this_week": 1, "last_week": 0,
                      "this_month": 1, "last_month": 0, "this_year": 1, "last_year": 0 });
    let answer = server.view("/tin/1");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let none = json!({ "total": 0, "today": 0, "yesterday": 0, "this_week": 0, "last_week": 0,
                       "this_month": 0, "last_month": 0, "this_year": 0, "last_year": 0 });
    let expected = json!({ "counted": true, "site": one, "visits": none, "articles": { "/tin/1": one },
                           "as_of": "2026-11-23T10:00:00+07:00", "stale": false });
    assert_eq!(answer.json(), expected);
    assert!(answer.text().starts_with(r#"{"counted":true,"site":{"total":1,"today":1,"yesterday":0,"#), "{}", answer.text());
    let other = server.view("/tin/2").json();
    assert_eq!((&other["site"]["total"], &other["articles"]["/tin/2"]["total"]), (&json!(2), &json!(1)));
}

#[test]
fn a_view_begins_a_visit_if_its_page_says_so_and_the_reader_came_from_another_site() {
    let views = [
        (r#"{"visit":true}"#, 1),
        (r#"{"article":"/a","visit":true}"#, 2),
        (r#"{"article":"/a","visit":true,"from":"https://search.example"}"#, 3),
        (r#"{"article":"/a","visit":true,"from":"android-app://com.example.search"}"#, 4),
        (r#"{"article":"/a","visit":true,"from":null}"#, 5),
        (r#"{"article":"/a","visit":true,"from":"https://PORTAL.example.vn:443"}"#, 5),
        (r#"{"article":"/a","visit":true,"from":"https://portal.example.vn/tin/2?x"}"#, 5),
        (r#"{"article":"/a","visit":null}"#, 5),
        (r#"{"article":"/a","visit":false}"#, 5),
        (r#"{"article":"/a","from":"https://search.example"}"#, 5),
        (r#"{"article":"/a"}"#, 5),
        ("", 5),
    ];
    let server = start(Options::default());
    for (at, (body, visits)) in views.into_iter().enumerate() {
        let answer = server.ask("POST", VIEWS, &["Content-Type: text/plain"], body).json();
        assert_eq!((&answer["site"]["total"], &answer["visits"]["today"]), (&json!(at + 1), &json!(visits)), "{body}");
    }
    assert_eq!(server.ask("GET", GIF, &[], "").status, 200);
    let figures = server.get("/v1/sites/portal/figures").json();
    assert_eq!((&figures["site"]["total"], &figures["visits"]["total"]), (&json!(views.len() + 1), &json!(5)));
    let wrong = server.ask("POST", VIEWS, &["Content-Type: text/plain"], r#"{"visit":"yes"}"#);
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    let history = "/v1/sites/portal/history?by=day&from=2026-11-23&to=2026-11-23&of=visits";
    wait_for("the visits in the history", || server.get(history).json()["buckets"][0]["views"] == 5);
}

#[test]
fn a_view_can_name_its_article_in_every_allowed_form() {
    let forms: [(&[&str], &str, Option<&str>); 8] = [
        (&[], "", None),
        (&["Content-Length: 0", "Content-Type: application/json"], "", None),
        (&["Content-Type: application/json"], "{}", None),
        (&["Content-Type: application/json"], r#"{"article":null}"#, None),
        (&["Content-Type: Application/JSON; charset=utf-8"], r#"{"article":"/a","width":1280,"x":{"article":7}}"#, Some("/a")),
        (&["Content-Type: text/plain"], r#" {"article":"/a"}"#, Some("/a")),
        (&["Content-Type: text/plain;charset=UTF-8"], r#"{"article":"\u002fa"}"#, Some("/a")),
        (&["Content-Type: text/plain", ORIGIN_HEADER], r#"{"article":"/a"}"#, Some("/a")),
    ];
    let server = start(Options::default());
    for (i, (headers, body, article)) in forms.into_iter().enumerate() {
        let answer = server.ask("POST", VIEWS, headers, body);
        assert_eq!(answer.status, 200, "{headers:?} {body}: {}", answer.text());
        assert_eq!(answer.json()["site"]["total"], i + 1);
        let articles = answer.json()["articles"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(articles, Vec::from_iter(article), "{headers:?} {body}");
    }
}

#[test]
fn an_ordinary_http_client_can_count_a_view() {
    let server = start(Options::default());
    let mut answer = ureq::post(format!("http://{}{VIEWS}", server.public))
        .header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0")
        .send_json(json!({ "article": "/tin/1" }))
        .unwrap();
    assert_eq!(answer.body_mut().read_json::<serde_json::Value>().unwrap()["articles"]["/tin/1"]["today"], 1);
}

#[test]
fn an_article_is_the_same_in_every_spelling_and_is_returned_normalised() {
    let server = start(Options::default());
    let (nfc, nfd) = ("/tin/Th\u{1ed1}ng-k\u{ea}", "/tin/Tho\u{302}\u{301}ng-ke\u{302}");
    assert_ne!(nfc, nfd);
    server.view(nfc);
    let answer = server.view(nfd).json();
    assert_eq!(answer["articles"], json!({ nfc: answer["site"] }));
    assert_eq!(answer["site"]["total"], 2);
    let both = format!("/v1/sites/portal/figures?article={}&article={}", escape(nfd), escape(nfc));
    assert_eq!(server.get(&both).json()["articles"], json!({ nfc: answer["site"] }));
}

/// Every byte percent-encoded.
pub(crate) fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn a_chunked_body_counts_when_it_is_complete() {
    let server = start(Options::default());
    let mut client = server.connect();
    client.send(format!(
        "POST {VIEWS} HTTP/1.1\r\nHost: t\r\nUser-Agent: Mozilla/5.0\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
    client.send("b\r\n{\"article\":\r\n");
    assert!(client.is_silent(Duration::from_millis(50)));
    assert_eq!(server.total(), 0);
    client.send("5\r\n\"/a\"}\r\n0\r\n\r\n");
    assert_eq!(client.answer().json()["articles"]["/a"]["total"], 1);
}

#[test]
fn a_client_that_disconnects_within_the_body_counts_nothing() {
    let server = start(Options::default());
    for framing in ["Content-Length: 100\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"] {
        let mut client = server.connect();
        client.send(format!("POST {VIEWS} HTTP/1.1\r\nHost: t\r\nUser-Agent: Mozilla/5.0\r\nContent-Type: text/plain\r\n{framing}"));
        client.0.get_ref().shutdown(Shutdown::Write).unwrap();
        // At the end of the server's bytes, it is done with the request.
        client.0.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(server.total(), 0, "{framing}");
    }
}

#[test]
fn an_expectation_before_a_body_is_answered_with_100_or_a_refusal() {
    let server = start(Options::default());
    let head =
        format!("POST {VIEWS} HTTP/1.1\r\nHost: t\r\nUser-Agent: Mozilla/5.0\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\n");
    let mut client = server.connect();
    client.send(format!("{head}Content-Length: 2\r\n\r\n"));
    assert_eq!(client.head().status, 100);
    client.send("{}");
    assert_eq!(client.answer().json()["counted"], true);
    let mut refused = server.connect();
    refused.send(format!("{head}Content-Length: 4097\r\n\r\n"));
    assert_eq!(refused.answer().status, 413);
    assert!(refused.is_closed());
}

#[test]
fn pipelined_views_count_once_each_and_are_answered_in_order() {
    let server = start(Options::default());
    let mut client = server.connect();
    let one = |i| {
        let body = format!(r#"{{"article":"/{i}"}}"#);
        format!(
            "POST {VIEWS} HTTP/1.1\r\nHost: t\r\nUser-Agent: Mozilla/5.0\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    client.send((1..=20).map(one).collect::<String>());
    for i in 1..=20 {
        let answer = client.answer().json();
        assert_eq!(answer["site"]["total"], i);
        assert_eq!(answer["articles"][format!("/{i}")]["total"], 1);
    }
    assert_eq!(server.total(), 20);
}

#[test]
fn views_by_bots_and_prefetches_are_not_counted_and_the_answer_says_why() {
    let automated = [
        ("Sec-Purpose: prefetch;prerender", "prefetch"),
        ("Sec-Purpose: prefetch", "prefetch"),
        ("Purpose: Prefetch", "prefetch"),
        ("X-Moz: prefetch", "prefetch"),
        ("X-Purpose: preview", "prefetch"),
        ("X-Purpose: instant", "prefetch"),
        ("User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "bot"),
        ("User-Agent: Mozilla/5.0 (compatible; Baiduspider/2.0)", "bot"),
        ("User-Agent: Mozilla/5.0 (compatible; Yahoo! Slurp)", "bot"),
        ("User-Agent: coccoc-Crawler", "bot"),
    ];
    let server = start(Options::default());
    server.view("/a");
    for (header, reason) in automated {
        let answer = server.ask("POST", VIEWS, &[header, "Content-Type: text/plain"], r#"{"article":"/a"}"#);
        assert_eq!(answer.status, 200, "{header}");
        let answer = answer.json();
        assert_eq!((&answer["counted"], &answer["reason"]), (&json!(false), &json!(reason)), "{header}");
        assert_eq!(answer["articles"]["/a"]["total"], 1, "{header}");
        assert_eq!(server.ask("GET", &format!("{GIF}?article=/a"), &[header], "").status, 200);
        assert_eq!(server.total(), 1, "{header}");
    }
    let browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
    assert_eq!(server.ask("POST", VIEWS, &[browser], "").json()["counted"], true);
}

#[test]
fn the_gif_counts_a_view_of_the_article_in_its_query() {
    let server = start(Options::default());
    let referer = "Referer: https://portal.example.vn/other";
    let answer = server.ask("GET", &format!("{GIF}?article=%2Ftin%2F1&t=5"), &[referer], "");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/gif")));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!((answer.body.len(), &answer.body[..6], answer.body[42]), (43, b"GIF89a".as_slice(), b';'));
    assert_eq!(server.ask("GET", GIF, &[referer], "").status, 200);
    let figures = server.get("/v1/sites/portal/figures?article=/tin/1&article=/other").json();
    assert_eq!(figures["site"]["total"], 2);
    assert_eq!((&figures["articles"]["/tin/1"]["total"], &figures["articles"]["/other"]["total"]), (&json!(1), &json!(0)));
}

#[test]
fn options_and_head_count_nothing() {
    let server = start(Options::default());
    for target in [VIEWS, GIF, "/v1/sites/portal/figures"] {
        assert_eq!(server.ask("OPTIONS", target, &[], "").status, 204);
        let preflight = [ORIGIN_HEADER, "Access-Control-Request-Method: POST"];
        assert_eq!(server.ask("OPTIONS", target, &preflight, "").header("access-control-allow-origin"), Some(ORIGIN));
    }
    let head = server.ask("HEAD", GIF, &[], "");
    assert_eq!((head.status, head.header("content-length"), head.header("cache-control")), (200, Some("43"), Some("no-store")));
    assert_eq!(server.ask("HEAD", VIEWS, &[], "").status, 405);
    assert_eq!(server.total(), 0);
}

#[test]
fn a_view_that_cannot_be_journaled_is_not_acknowledged() {
    let server = start(Options { limits: Limits { request: Duration::from_millis(200), ..Limits::default() }, ..Options::default() });
    server.faults.full.store(true, SeqCst);
    for (method, target) in [("POST", VIEWS), ("GET", GIF)] {
        let answer = server.ask(method, target, &[ORIGIN_HEADER], "");
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    }
    wait_for("the journal to be reported", || server.ready().status == 503);
    assert_eq!(server.ready().json(), json!({ "ready": false, "journal": "full", "store": "ok" }));
    assert_eq!(server.total(), 0);
    server.faults.full.store(false, SeqCst);
    wait_for("room in the journal", || server.ask("POST", VIEWS, &[], "").status == 200);
    wait_for("readiness", || server.ready().status == 200);

    server.faults.stuck.store(true, SeqCst);
    let answer = server.ask("POST", VIEWS, &[], "");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    server.faults.stuck.store(false, SeqCst);
}

#[test]
fn views_are_counted_while_the_store_is_unreachable() {
    let server = start(Options { store_unreachable: true, ..Options::default() });
    let answer = server.view("/a");
    assert_eq!((answer.status, answer.json()["counted"].clone()), (200, json!(true)));
    let figures = server.get("/v1/sites/portal/figures?article=/a");
    assert_eq!((figures.status, figures.header("cache-control")), (200, Some("no-store")));
    let figures = figures.json();
    assert_eq!((&figures["site"], &figures["articles"], &figures["stale"]), (&json!(null), &json!({}), &json!(true)));
    for target in ["/v1/sites/portal/top?period=today", "/v1/sites/portal/history?by=year&from=2026&to=2026"] {
        let answer = server.get(target);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    }
    wait_for("the store to be reported", || server.ready().json()["store"] == "down");
    assert_eq!(server.ready().status, 200);
    server.faults.unreachable.store(false, SeqCst);
    wait_for("the store to recover", || server.get("/v1/sites/portal/figures").json()["stale"] == false);
    assert_eq!(server.total(), 1);
}

#[test]
fn an_answer_to_head_has_no_body() {
    let server = start(Options::default());
    let mut client = server.connect();
    client.send("HEAD /v1/sites/portal/figures HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("application/json")));
    assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 100);
    let mut rest = Vec::new();
    client.0.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
}
