//! The contents of the log, and what it must never contain.

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
    client
        .send(&format!("GET /v1/sites/portal/top?period=today HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.7\r\n{header}\r\n"))
        .unwrap();
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
fn without_a_terminal_each_log_line_is_json_and_each_failed_request_has_one() {
    let place = without_store().with("LOG__FORMAT", "auto");
    let process = place.spawn();
    let address = |name: &str| {
        let lines = process.log();
        let mut lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find_map(|line| Some(line.get(name)?.as_str()?.to_owned()))
    };
    let public = eventually("the service listens", || address("public"));
    let mut client = Client::connect(&public).unwrap();
    let generated = fail(&mut client, "");
    assert_eq!(generated.len(), 16, "{generated}");
    assert_eq!(fail(&mut client, "X-Request-Id: tu-proxy:7\r\n"), "tu-proxy:7");
    assert_eq!(client.get("/khong-co").unwrap().status, 404);
    process.signal("TERM");
    let finished = process.wait(std::time::Duration::from_secs(10));
    assert_eq!(finished.code, Some(0));

    let failed = about_requests(&finished.err);
    let ids: Vec<_> = failed.iter().map(|line| line["request_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&generated, "tu-proxy:7"], "one line for each failed request, and none for others");
    for line in &failed {
        let fields = [&line["level"], &line["method"], &line["route"], &line["detail"]].map(|value| value.as_str().unwrap());
        assert_eq!(fields, ["WARN", "GET", "top", "the store is unreachable"]);
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
fn an_invalid_request_id_is_replaced() {
    let place = without_store();
    let service = place.start_unready();
    for bad in [String::new(), "a b".into(), "\"".into(), "é".into(), "x".repeat(65)] {
        let id = fail(&mut service.client(), &format!("X-Request-Id: {bad}\r\n"));
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{bad:?} became {id:?}");
    }
    let longest = "x".repeat(64);
    assert_eq!(fail(&mut service.client(), &format!("X-Request-Id: {longest}\r\n")), longest);
    service.stop();
}
