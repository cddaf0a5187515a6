//! Clients that disconnect before their answer: a view is counted once or not at all.

use std::{
    net::Shutdown,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};

use super::{
    metrics::{CONNECTIONS, IN_FLIGHT},
    server::{Client, Options, Server, start, wait_for},
    visitors::{from, once_in},
};

const VIEWS: &str = "/v1/sites/portal/views";
const CLIENTS: u64 = 10;

/// The ways to disconnect.
const WAYS: [fn(Client); 3] =
    [|client| client.0.get_ref().shutdown(Shutdown::Write).unwrap(), |client| client.0.get_ref().shutdown(Shutdown::Both).unwrap(), drop];

/// Sends `several` views on one connection.
fn send(server: &Server, several: usize, header: &str) -> Client {
    let mut client = server.connect();
    let headers = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
    let view = format!("POST {VIEWS} HTTP/1.1\r\nHost: t\r\nUser-Agent: Mozilla/5.0\r\nContent-Length: 0\r\n{headers}\r\n");
    client.send(view.repeat(several));
    client
}

/// Waits until the service has handled all views.
fn wait_for_the_end(server: &Server) {
    wait_for("the connections to be closed", || server.metric(CONNECTIONS) == 0.0 && server.metric(IN_FLIGHT) == 0.0);
    wait_for("the views to be journaled", || {
        // Views are written in order, so this one comes after them.
        let total = server.view("/last").json()["site"]["total"].as_f64();
        total == Some(server.metric("truycap_views_total{outcome=\"counted\",site=\"portal\"}"))
    });
}

fn set_stuck(faults: &AtomicBool, stuck: bool) {
    faults.store(stuck, SeqCst);
}

#[test]
fn a_client_that_disconnects_before_its_answer_is_counted_once_or_not_at_all() {
    for (way, several, stuck) in [(0, 1, false), (1, 1, false), (2, 1, false), (2, 3, false), (0, 1, true), (1, 1, true), (2, 3, true)] {
        let server = start(Options::default());
        set_stuck(&server.faults.stuck, stuck);
        let clients: Vec<_> = (0..CLIENTS).map(|_| send(&server, several, "")).collect();
        if stuck {
            wait_for("the views to be in progress", || server.metric(IN_FLIGHT) == CLIENTS as f64);
        }
        clients.into_iter().for_each(WAYS[way]);
        set_stuck(&server.faults.stuck, false);
        wait_for_the_end(&server);
        let figures = server.get("/v1/sites/portal/figures?article=/last").json();
        let counted = |figures: &serde_json::Value| figures["total"].as_u64().unwrap();
        let counted = counted(&figures["site"]) - counted(&figures["articles"]["/last"]);
        // A view in progress is written to the journal even if no client waits for it.
        let least = if stuck { CLIENTS } else { 0 };
        assert!((least..=CLIENTS * several as u64).contains(&counted), "way {way}, {several}, stuck: {stuck}: {counted}");
    }
}

#[test]
fn a_visitor_who_disconnects_before_the_answer_and_retries_counts_once_in_the_window() {
    for (way, disconnect) in WAYS.into_iter().enumerate() {
        for stuck in [false, true] {
            let server = start(once_in("30m"));
            set_stuck(&server.faults.stuck, stuck);
            let address = |number| from(&format!("203.0.113.{number}"));
            let clients: Vec<_> = (0..CLIENTS).map(|number| send(&server, 1, &address(number))).collect();
            if stuck {
                wait_for("the views to be in progress", || server.metric(IN_FLIGHT) == CLIENTS as f64);
            }
            clients.into_iter().for_each(disconnect);
            wait_for("the connections to be closed", || server.metric(CONNECTIONS) == 0.0);
            set_stuck(&server.faults.stuck, false);
            for number in 0..CLIENTS {
                let again = send(&server, 1, &address(number)).answer();
                assert_eq!(again.status, 200);
                if stuck {
                    assert_eq!(again.json()["reason"], "repeat", "way {way}");
                }
            }
            wait_for("each to be counted once", || server.total() == CLIENTS);
            let repeats = server.metric("truycap_views_total{outcome=\"repeat\",site=\"portal\"}");
            assert!(!stuck || repeats == CLIENTS as f64, "way {way}: {repeats}");
        }
    }
}
