//! The contents of the log, and what it must never contain.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    files::place,
    process::{Place, client::Client, eventually},
};

/// A place whose store is a Redis that is not running, so that requests for lists fail.
fn without_store() -> Place {
    place().with("STORE__URL", "redis://dem:mat-khau@127.0.0.1:1/0")
}

/// Requests a list, which fails; returns the request id in the answer.
fn fail(client: &mut Client, header: &str) -> String {
    fail_to_get(client, "top?period=today", header)
}

/// Requests a resource of a site, which fails; returns the request id in the answer.
fn fail_to_get(client: &mut Client, resource: &str, header: &str) -> String {
    client.send(&format!("GET /v1/sites/portal/{resource} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.7\r\n{header}\r\n")).unwrap();
    let answer = client.answer().unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
    let id = answer.head.split_once("x-request-id: ").unwrap().1;
    id.split("\r\n").next().unwrap().to_owned()
}

/// The lines of a JSON log that are about requests.
fn about_requests(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    lines.filter(|line| line.get("request_id").is_some()).collect()
}

#[test]
fn without_a_terminal_each_log_line_is_json_and_failed_requests_have_one() {
    let place = without_store().with("LOG__FORMAT", "auto");
    let (process, public, _) = place.spawn_json();
    let mut client = Client::connect(&public).unwrap();
    let generated = fail(&mut client, "");
    assert_eq!(generated.len(), 16, "{generated}");
    let history = "history?by=day&from=2026-11-01&to=2026-11-02";
    assert_eq!(fail_to_get(&mut client, history, "X-Request-Id: tu-proxy:7\r\n"), "tu-proxy:7");
    assert_eq!(client.get("/khong-co").unwrap().status, 404);
    process.signal("TERM");
    let finished = process.wait(Duration::from_secs(10));
    assert_eq!(finished.code, Some(0));

    let failed = about_requests(&finished.err);
    let ids: Vec<_> = failed.iter().map(|line| line["request_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&generated, "tu-proxy:7"], "one line for each failed request, and none for others");
    for (line, route) in failed.iter().zip(["top", "history"]) {
        let fields = ["level", "method", "route", "site", "detail"].map(|name| line[name].as_str().unwrap());
        assert_eq!(fields, ["WARN", "GET", route, "portal", "the store is unreachable"]);
        assert_eq!(line["status"], 503);
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z') && line["ms"].is_u64(), "{line}");
    }
}

#[test]
fn a_failed_start_is_logged_as_a_line_of_json() {
    let place = place().with("LOG__FORMAT", "auto");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let finished = place.with("LISTEN__PUBLIC", &taken.local_addr().unwrap().to_string()).run(&["serve"]);
    drop(taken);
    assert_eq!(finished.code, Some(1), "{}", finished.err);
    let line: Value = serde_json::from_str(&finished.err).unwrap_or_else(|error| panic!("{error}: {}", finished.err));
    assert_eq!((line["level"].as_str(), line["message"].as_str()), (Some("ERROR"), Some("cannot start")));
    assert!(line["error"].as_str().unwrap().contains("cannot listen on 127.0.0.1:"), "{line}");
}

#[test]
fn neither_passwords_nor_addresses_of_visitors_are_logged() {
    for (level, refused) in [("info", false), ("debug", true)] {
        let place = without_store().with("LOG__LEVEL", level);
        let service = place.start_unready();
        fail(&mut service.client(), "X-Request-Id: 1\r\n");
        service.get("/khong-co");
        let finished = service.stop();
        for secret in ["mat-khau", "203.0.113.7"] {
            assert!(!finished.err.contains(secret), "{secret} is in: {}", finished.err);
        }
        assert_eq!(finished.err.contains("a request was refused"), refused, "{}", finished.err);
        assert_eq!(finished.err.matches("a request failed").count(), 1, "{}", finished.err);
    }
}

#[test]
fn a_request_id_is_returned_and_an_invalid_one_replaced() {
    let place = without_store();
    let service = place.start_unready();
    for bad in [String::new(), "a b".into(), "\"".into(), "é".into(), "x".repeat(65)] {
        let id = fail(&mut service.client(), &format!("X-Request-Id: {bad}\r\n"));
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{bad:?} became {id:?}");
    }
    let counted = |id: &str| {
        let mut client = service.client();
        client
            .send(&format!("POST /v1/sites/portal/views HTTP/1.1\r\nhost: x\r\nuser-agent: Mozilla/5.0\r\n{id}content-length: 0\r\n\r\n"))
            .unwrap();
        client.answer().unwrap()
    };
    assert!(counted("x-request-id: tu-proxy:8\r\n").head.contains("x-request-id: tu-proxy:8\r\n"), "a counted view has it too");
    assert!(!counted("").head.contains("x-request-id"), "without one there is no line of the log to find");
    let longest = "x".repeat(64);
    assert_eq!(fail(&mut service.client(), &format!("X-Request-Id: {longest}\r\n")), longest);
    service.stop();
}

#[test]
fn requests_that_fail_alike_have_one_line_a_second_which_accounts_for_all() {
    const REQUESTS: u64 = 300;
    let place = without_store().with("LOG__FORMAT", "json");
    let (process, public, _) = place.spawn_json();
    let begun = Instant::now();
    let mut client = Client::connect(&public).unwrap();
    for _ in 0..REQUESTS {
        fail(&mut client, "");
    }
    let lines = || lines(&process.log(), |line| line["route"] == "top");
    let accounted =
        || lines().iter().map(|line| line["left_out"].as_u64().unwrap() + u64::from(line.get("request_id").is_some())).sum::<u64>();
    eventually("all requests are accounted for", || (accounted() == REQUESTS).then_some(()));
    let (lines, seconds) = (lines().len() as u64, begun.elapsed().as_secs());
    assert!(lines <= seconds + 2, "{lines} lines in {seconds} seconds");
}

/// The lines of a JSON log, as far as it is written, that `wanted` accepts.
fn lines(log: &str, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(wanted).collect()
}

/// Sends a view from a page of this origin; returns the status.
fn view_from(client: &mut Client, site: &str, headers: &str) -> u16 {
    client
        .send(&format!("POST /v1/sites/{site}/views HTTP/1.1\r\nhost: x\r\nuser-agent: Mozilla/5.0\r\n{headers}content-length: 0\r\n\r\n"))
        .unwrap();
    client.answer().unwrap().status
}

#[test]
fn the_log_names_the_origins_and_sites_whose_views_are_refused_once_a_minute() {
    let sites = r#"[{ id = "portal", origins = ["https://portal.example.vn"] }, { id = "khoa", origins = ["https://khoa.example.vn"], max_views_per_second = 1 },
        { id = "kin", origins = ["https://kin.example.vn"], require_origin = true }]"#;
    let place = place().with("SITES", sites).with("LOG__FORMAT", "json");
    let (process, public, _) = place.spawn_json();
    let mut client = Client::connect(&public).unwrap();
    for _ in 0..3 {
        assert_eq!(view_from(&mut client, "portal", "origin: https://www.portal.example.vn\r\n"), 403);
        assert_eq!(view_from(&mut client, "portal", "origin: http://portal.example.vn\r\n"), 403);
        assert_eq!(view_from(&mut client, "kin", ""), 403);
        assert_eq!(view_from(&mut client, "kin", "referer: https://www.kin.example.vn/bai-viet?ten=An\r\n"), 403);
        assert_eq!(view_from(&mut client, "cong", ""), 404);
    }
    assert_eq!(view_from(&mut client, "portal", &format!("origin: \u{202e}{}\r\n", "x".repeat(200))), 403);
    assert_eq!((0..13).filter(|_| view_from(&mut client, "khoa", "") == 429).count(), 3);

    let warned =
        eventually("all is logged", || Some(lines(&process.log(), |line| line["level"] == "WARN")).filter(|lines| lines.len() >= 7));
    let messages: Vec<_> = warned.iter().map(|line| line["message"].as_str().unwrap()).collect();
    let cut = format!("views from ?{}... are refused: it is not among the origins of site portal", "x".repeat(99));
    assert_eq!(
        messages,
        [
            "views from https://www.portal.example.vn are refused: it is not among the origins of site portal",
            "views from http://portal.example.vn are refused: it is not among the origins of site portal",
            "views without an origin are refused: site kin requires one",
            "views from https://www.kin.example.vn are refused: it is not among the origins of site kin",
            "views of site cong are refused: there is no such site",
            &cut,
            "views of site khoa are refused: it has more than its max_views_per_second",
        ]
    );
    assert_eq!((warned[0]["site"].as_str(), warned[0]["origin"].as_str()), (Some("portal"), Some("https://www.portal.example.vn")));

    // What was left out is accounted for at the latest by the stop.
    process.signal("TERM");
    let log = process.wait(Duration::from_secs(10)).err;
    let further =
        |event| lines(&log, |line| line["event"] == event).iter().map(|line| line["left_out"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(further("origins_refused"), [2, 2, 2, 2]);
    assert_eq!((further("unknown_sites_refused"), further("sites_limited")), (vec![2], vec![2]));
}

#[test]
fn invented_origins_and_sites_neither_fill_the_log_nor_hide_the_refusals_of_other_sites() {
    let place = place().with("LOG__FORMAT", "json").with("CLIENTS__MAX_REQUESTS_PER_SECOND", "0");
    let (process, public, _) = place.spawn_json();
    let mut client = Client::connect(&public).unwrap();
    for name in 0..1000 {
        assert_eq!(view_from(&mut client, "portal", &format!("origin: https://{name}.example.com\r\n")), 403);
        assert_eq!(view_from(&mut client, &format!("cong-{name}"), ""), 404);
    }
    assert_eq!(view_from(&mut client, "khoa", "origin: https://khoa.moi.example.vn\r\n"), 403);
    process.signal("TERM");
    let log = process.wait(Duration::from_secs(10)).err;
    let count = |event| lines(&log, |line| line["event"] == event).len();
    assert_eq!((count("origin_refused"), count("unknown_site_refused")), (11, 10));
    let last = lines(&log, |line| line["origin"] == "https://khoa.moi.example.vn");
    assert!(last.len() == 1 && last[0]["site"] == "khoa", "{last:?}");
    let sum = |event| lines(&log, |line| line["event"] == event).iter().map(|line| line["left_out"].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("origins_refused"), sum("unknown_sites_refused")), (990, 990));
    assert!(lines(&log, |line| line["event"] == "origins_refused").iter().all(|line| line["site"] == "portal"));
}

#[test]
fn a_client_that_exceeds_its_limit_and_then_stops_is_accounted_for() {
    let place = place().with("LOG__FORMAT", "json").with("CLIENTS__HEADER", "x-forwarded-for");
    let place = place.with("CLIENTS__MAX_REQUESTS_PER_SECOND", "1");
    let (process, public, _) = place.spawn_json();
    let mut client = Client::connect(&public).unwrap();
    let statuses = (0..100).map(|_| view_from(&mut client, "portal", "x-forwarded-for: 198.51.100.1\r\n"));
    let limited = statuses.filter(|status| *status == 429).count() as u64;
    process.signal("TERM");
    let log = process.wait(Duration::from_secs(10)).err;
    let logged = lines(&log, |line| line["event"] == "client_limited");
    assert!(logged.len() == 2 && logged[1]["left_out"] == limited - 1, "{limited}: {logged:?}");
    assert!(logged[1]["message"].as_str().unwrap().contains("one client sent most of them"), "{}", logged[1]);
}

#[test]
fn a_proxy_whose_client_header_is_ignored_is_logged_once_and_again_after_a_reload_that_was_taken() {
    let sites = r#"[{ id = "portal", origins = ["https://portal.example.vn"], repeat_window = "30m" }]"#;
    let proxy = |line: &Value| line["header"] == "x-real-ip";
    for (header, expected) in [("none", 1), ("x-forwarded-for", 0)] {
        let place = place().with("SITES", sites).with("LOG__FORMAT", "json").with("CLIENTS__HEADER", header);
        place.write("truycap.toml", "");
        let (process, public, _) = place.spawn_json();
        let mut client = Client::connect(&public).unwrap();
        let mut view = || assert_eq!(view_from(&mut client, "portal", "x-real-ip: 203.0.113.7\r\n"), 200);
        (0..3).for_each(|_| view());
        let logged = lines(&process.log(), proxy);
        assert!(logged.len() <= expected, "{logged:?}");
        for (file, event) in [("demo = 1", "\"reload_refused\""), ("", "\"reloaded\"")] {
            place.write("truycap.toml", file);
            process.signal("HUP");
            eventually("the reload is logged", || process.log().contains(event).then_some(()));
            (0..3).for_each(|_| view());
        }
        process.signal("TERM");
        let finished = process.wait(Duration::from_secs(10));
        let logged = lines(&finished.err, proxy);
        assert_eq!(logged.len(), 2 * expected, "{logged:?}");
        for line in logged {
            assert!(
                line["message"].as_str().unwrap().contains(r#"If the proxy sets this header itself, set clients.header = "x-real-ip""#),
                "{line}"
            );
        }
        assert!(!finished.err.contains("203.0.113.7"), "{}", finished.err);
    }
}
