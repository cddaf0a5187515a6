//! The owner's report over HTTP: who may read it, its headers, and what a wrong request is told.

use std::sync::atomic::Ordering::SeqCst;

use truycap::domain::site::{ReportAccess, ReportToken, Rules};

use super::server::{Answer, Client, Options, Server, start, wait_for};

const TOKEN: &str = "bao-cao-2026_TrangNhat.0";
const OTHER: &str = "0123456789abcdef";
const PAGE: &str = "/v1/sites/portal/report";
const FILE: &str = "/v1/sites/portal/report.csv";

fn with(report: ReportAccess) -> Server {
    start(Options { rules: Rules { report, ..Rules::default() }, ..Options::default() })
}

fn tokens() -> ReportAccess {
    ReportAccess::Token([TOKEN, OTHER].map(|token| ReportToken::new(token).unwrap()).into())
}

fn ask_admin(server: &Server, target: &str) -> Answer {
    let mut client = Client::connect(server.admin);
    client.request("GET", target, &[], "");
    client.answer()
}

fn detail(answer: &Answer) -> String {
    answer.json()["detail"].as_str().unwrap().to_owned()
}

#[test]
fn a_report_is_off_unless_the_site_says_otherwise() {
    let server = start(Options::default());
    for target in [PAGE, FILE, &format!("{PAGE}?token={TOKEN}")] {
        let answer = server.get(target);
        assert_eq!(answer.status, 403, "{target}");
        let expected = "the report of the site portal is off: write report = \"token\" and report_tokens, or report = \"public\", into its configuration";
        assert_eq!(detail(&answer), expected);
    }
}

#[test]
fn a_public_report_is_for_everyone() {
    let server = with(ReportAccess::Public);
    for target in [PAGE, FILE] {
        let answer = server.get(target);
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("public, max-age=1")), "{target}");
    }
}

#[test]
fn a_report_with_tokens_opens_with_each_of_them_only() {
    let server = with(tokens());
    for path in [PAGE, FILE] {
        for token in [TOKEN, OTHER] {
            let answer = server.get(&format!("{path}?token={token}&month=2026-10"));
            assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{path}");
        }
        let none = server.get(path);
        assert_eq!(none.status, 403);
        assert_eq!(detail(&none), "the report of the site portal needs a token: write token= and one of its report_tokens");
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "%20"] {
            let answer = server.get(&format!("{path}?token={wrong}"));
            assert_eq!(answer.status, 403, "{wrong:?}");
            assert_eq!(detail(&answer), "this token is none of the report_tokens of the site portal");
        }
        let twice = server.get(&format!("{path}?token={TOKEN}&token={OTHER}"));
        assert_eq!((twice.status, detail(&twice).as_str()), (400, "the parameter token is given more than once"));
    }
}

#[test]
fn an_unknown_site_has_no_report() {
    let server = with(tokens());
    assert_eq!(server.get(&format!("/v1/sites/nope/report?token={TOKEN}")).status, 404);
}

#[test]
fn the_admin_listener_shows_every_report() {
    for access in [ReportAccess::Off, ReportAccess::Public, tokens()] {
        let server = with(access);
        for target in [PAGE, FILE, "/v1/sites/khoa/report"] {
            let answer = ask_admin(&server, target);
            assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{target}");
        }
        let unknown = ask_admin(&server, "/v1/sites/nope/report");
        assert_eq!(unknown.status, 404);
    }
}

#[test]
fn a_report_leaks_no_address_and_runs_no_script() {
    let server = with(tokens());
    for path in [PAGE, FILE] {
        let answer = server.get(&format!("{path}?token={TOKEN}"));
        assert_eq!((answer.header("referrer-policy"), answer.header("x-robots-tag")), (Some("no-referrer"), Some("noindex")));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    let page = server.get(&format!("{PAGE}?token={TOKEN}"));
    let policy = page.header("content-security-policy").unwrap();
    let expected = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self' http://127.0.0.1:8080 https://portal.example.vn";
    assert_eq!(policy, expected);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let file = server.get(&format!("{FILE}?token={TOKEN}&from=2026-10-15&to=2026-11-14"));
    assert_eq!(file.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"portal_2026-10-15_2026-11-14.csv\""));
}

#[test]
fn a_file_has_the_views_that_the_store_has() {
    let server = with(ReportAccess::Public);
    server.view("/tin/1");
    server.view("/tin/1");
    server.view("/tin/2");
    wait_for("the views to be in the report", || {
        let file = server.get(&format!("{FILE}?lang=en"));
        let text = file.text().to_owned();
        // A Monday; the current month by default.
        text.contains("Period;Sum;;2026-11-01;2026-11-30;3;;\r\n")
            && text.contains("Period;Days with figures;;2026-11-23;2026-11-23;;;\r\nPeriod;Mean per day;;2026-11-01;2026-11-30;3;;\r\n")
            && text.contains("Steps;;;2026-11-23;2026-11-23;3;;\r\n")
            && text.contains("Most read;/tin/1;;2026-11-01;2026-11-30;2;;\r\n")
            && text.contains("All time;Total views;;2026-11-23;2026-11-23;3;;\r\n")
    });
}

#[test]
fn a_wrong_request_says_what_to_write() {
    let server = with(ReportAccess::Public);
    let known = [
        ("from=2026-10-01", "one end of the period is missing: write both, such as from=2026-10-01&to=2026-10-31"),
        ("month=10/2026", "month is not a month such as 2026-10"),
        ("month=2026-10&month=2026-11", "the parameter month is given more than once"),
        ("month=2026-10&by=hour", "by is not day, week, month or year"),
        ("lang=fr", "lang is not one of vi, en"),
    ];
    for (query, expected) in known {
        for path in [PAGE, FILE] {
            let answer = server.get(&format!("{path}?{query}"));
            assert_eq!((answer.status, detail(&answer).as_str()), (400, expected), "{query}");
        }
    }
}

#[test]
fn a_report_waits_for_the_store() {
    let server = with(ReportAccess::Public);
    server.faults.unreachable.store(true, SeqCst);
    let answer = server.get(PAGE);
    assert_eq!((answer.status, detail(&answer).as_str()), (503, "the store is unreachable"));
}

#[test]
fn only_texts_that_a_url_needs_not_encode_are_tokens() {
    assert!(ReportToken::new(&"a".repeat(16)).is_some() && ReportToken::new(&"a".repeat(128)).is_some());
    for wrong in ["", &"a".repeat(15), &"a".repeat(129), "0123456789 abcdef", "0123456789+abcdef", "0123456789\u{111}abcdef"] {
        assert!(ReportToken::new(wrong).is_none(), "{wrong:?}");
    }
    let token = ReportToken::new(TOKEN).unwrap();
    assert!(token.is(TOKEN) && !token.is(OTHER));
    assert!(!format!("{token:?}").contains("TrangNhat"));
}
