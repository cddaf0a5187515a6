//! What Redis stores about visitors.

use super::{
    process::eventually,
    redis_server::Server,
    setup::{LOGGING, place},
    traces::{AGENT, VISITORS, files_with},
    views::view,
};

#[test]
fn redis_holds_no_address_or_agent_of_a_visitor_and_its_keys_expire() {
    let server = Server::start(&LOGGING);
    let site = r#"[{ id = "portal", origins = ["https://portal.example.vn"], repeat_window = "1h", visitors = true }]"#;
    let place = place(&server).with("SITES", site).with("CLIENTS__HEADER", "x-forwarded-for");
    let service = place.start();
    for (visitor, _) in VISITORS {
        let (head, body) = view("portal", "/tin/duoc-dem");
        let named = head.replace("host: x", &format!("host: x\r\nx-forwarded-for: {visitor}")).replace("Mozilla/5.0", AGENT);
        let mut client = service.client();
        client.send(&(named + &body)).unwrap();
        assert!(client.answer().unwrap().counted());
    }
    eventually("the visitors are counted", || (service.answer("portal", &[])["visitors"]["visitors_today"] == 2).then_some(()));
    service.stop();
    let () = server.cli("CONFIG SET rdbcompression no");
    let _: String = server.cli("SAVE");
    assert_ne!(files_with(&server.dir, b"/tin/duoc-dem"), [""; 0]);
    for traces in VISITORS.map(|(_, traces)| traces).into_iter().chain([&[AGENT.as_bytes()][..]]).flatten() {
        assert_eq!(files_with(&server.dir, traces), [""; 0], "{}", traces.escape_ascii());
    }
    let keys: Vec<String> = server.cli("KEYS *:visitors:*");
    assert!(keys.len() >= 3, "{keys:?}");
    for key in keys {
        let seconds: i64 = server.cli(&format!("TTL {key}"));
        assert!((1..=48 * 3600).contains(&seconds), "{key}: {seconds}");
    }
}
