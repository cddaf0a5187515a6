//! Visitors behind a proxy, tested with the whole program.

use serde_json::{Value, json};

use super::{
    files::place,
    process::{Service, eventually},
    traces::{AGENT, VISITORS, files_with},
    views::view,
};

/// The answer to a view from `address`, which a proxy on this machine passes on.
fn from(service: &Service, address: &str) -> Value {
    let (head, body) = view("portal", "/1");
    let mut client = service.client();
    client.send(&(head.replace("host: x", &format!("host: x\r\nforwarded: for=8.8.8.8, for={address}")) + &body)).unwrap();
    client.answer().unwrap().json()
}

#[test]
fn visitors_behind_a_proxy_are_counted_separately_and_their_addresses_are_not_logged() {
    let site = r#"[{ id = "portal", origins = ["https://portal.example.vn"], repeat_window = "1h", visitors = true }]"#;
    let place = place().with("SITES", site).with("CLIENTS__HEADER", "forwarded").with("BOTS__DENY", "Evil").with("LOG__LEVEL", "debug");
    let service = place.start();
    for (address, counted, visitors) in [("203.0.113.77", true, 1), ("203.0.113.77", false, 1), ("203.0.113.78", true, 2)] {
        let answer = from(&service, address);
        assert_eq!((&answer["counted"], &answer["visitors"]["visitors_today"]), (&json!(counted), &json!(visitors)), "{answer}");
    }
    let (head, body) = view("portal", "/1");
    let mut client = service.client();
    client.send(&(head.replace("Mozilla/5.0", "Mozilla/5.0 evil") + &body)).unwrap();
    assert_eq!(client.answer().unwrap().json()["reason"], "bot");
    eventually("the counts", || (service.article("portal", "/1")[0] == 2).then_some(()));
    let log = service.stop().err;
    for secret in ["203.0.113", "8.8.8.8"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn no_trace_of_a_visitor_is_in_the_log_or_in_a_file() {
    let site = r#"[{ id = "portal", origins = ["https://portal.example.vn"], repeat_window = "1h", visitors = true, max_new_articles_per_day = 5 }]"#;
    let place = place().with("SITES", site).with("CLIENTS__HEADER", "forwarded");
    let service = place.start();
    for (visitor, _) in VISITORS {
        let (head, body) = view("portal", "/tin/duoc-dem");
        let named = format!("host: x\r\nforwarded: for=\"[{visitor}]\"").replace("[203.0.113.77]", "203.0.113.77");
        let mut client = service.client();
        client.send(&(head.replace("host: x", &named).replace("Mozilla/5.0", AGENT) + &body)).unwrap();
        assert!(client.answer().unwrap().counted());
    }
    eventually("the visitors are counted", || (service.answer("portal", &[])["visitors"]["visitors_today"] == 2).then_some(()));
    service.process.signal("HUP");
    eventually("the configuration is read again", || service.process.log().contains("configuration").then_some(()));
    // The files are checked while the service runs and after it has stopped.
    let dir = place.path("");
    let no_file_has_traces = || {
        for traces in VISITORS.map(|(_, traces)| traces).into_iter().chain([&[AGENT.as_bytes()][..]]).flatten() {
            assert_eq!(files_with(&dir, traces), [""; 0], "{}", traces.escape_ascii());
        }
    };
    no_file_has_traces();
    assert_ne!(files_with(&dir, b"/tin/duoc-dem"), [""; 0]);
    let log = service.stop().err;
    no_file_has_traces();
    for secret in ["203.0.113", "2001:db8", AGENT] {
        assert!(!log.contains(secret), "{log}");
    }
}
