//! Metrics of requests and connections. Their gauges return to zero however a request ends.

use std::{io::Read, time::Duration};

use truycap::http::Limits;

use super::server::{Answer, Client, Options, Server, start, wait_for};

impl Server {
    /// Requests the metrics with these headers.
    fn scrape(&self, headers: &[&str]) -> Answer {
        let mut client = Client::connect(self.admin);
        client.request("GET", "/metrics", headers, "");
        client.answer()
    }

    /// The value of a metric; 0 if it is not reported.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.scrape(&[]);
        let value = text.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_default()
    }
}

const BEGIN: &str = "POST /v1/sites/portal/views HTTP/1.1\r\nHost: t\r\nUser-Agent: Mozilla/5.0\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n{";
pub(crate) const IN_FLIGHT: &str = "truycap_http_requests_in_flight{listener=\"public\"}";
pub(crate) const CONNECTIONS: &str = "truycap_http_connections{listener=\"public\"}";

fn requests(method: &str, status: &str) -> String {
    format!("truycap_http_requests_total{{method=\"{method}\",route=\"views\",status=\"{status}\"}}")
}

#[test]
fn gauges_return_to_zero_after_a_client_disconnects_within_a_request() {
    let server = start(Options::default());
    let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(BEGIN));
    wait_for("three requests in progress", || server.metric(IN_FLIGHT) == 3.0);
    assert_eq!(server.metric(CONNECTIONS), 3.0);
    drop(clients);
    wait_for("the connections to be closed", || server.metric(CONNECTIONS) == 0.0);
    assert_eq!(server.metric(IN_FLIGHT), 0.0);
    // Either the server saw the body break off, or the connection was closed before it could answer.
    assert_eq!(server.metric(&requests("POST", "aborted")) + server.metric(&requests("POST", "400")), 3.0);
}

#[test]
fn a_client_that_disconnects_before_its_answer_is_reported_as_aborted() {
    let server = start(Options::default());
    server.faults.stuck.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut client = server.connect();
    client.request("POST", "/v1/sites/portal/views", &[], "");
    wait_for("the request to be in progress", || server.metric(IN_FLIGHT) == 1.0);
    drop(client);
    wait_for("the request to be aborted", || server.metric(&requests("POST", "aborted")) == 1.0);
    assert_eq!(server.metric(IN_FLIGHT), 0.0);
    server.faults.stuck.store(false, std::sync::atomic::Ordering::SeqCst);
    // The view is still counted.
    wait_for("the view", || server.metric("truycap_views_total{outcome=\"counted\",site=\"portal\"}") == 1.0);
}

#[test]
fn gauges_return_to_zero_after_answers_of_every_kind() {
    let limits = Limits { body_read: Duration::from_millis(200), header_read: Duration::from_millis(200), ..Limits::default() };
    let server = start(Options { limits, ..Options::default() });
    server.view("/1");
    server.ask("POST", "/v1/sites/portal/views", &["Origin: https://la.example.vn"], "");
    server.ask("HEAD", "/v1/sites/portal/figures", &[], "");
    let mut slow = server.connect();
    slow.send(BEGIN);
    assert_eq!(slow.answer().status, 408);
    wait_for("the connections to be closed", || server.metric(CONNECTIONS) == 0.0);
    assert_eq!(server.metric(IN_FLIGHT), 0.0);
    for status in ["200", "403", "408"] {
        assert_eq!(server.metric(&requests("POST", status)), 1.0, "{status}");
    }
    assert_eq!(server.metric("truycap_http_request_duration_seconds_count{route=\"views\"}"), 3.0);
}

#[test]
fn processor_time_has_a_fraction_of_a_second() {
    let server = start(Options::default());
    let seconds = || server.metric("process_cpu_seconds_total");
    let before = seconds();
    server.view("/1");
    let after = seconds();
    assert!(before < after, "{before} {after}");
    for other in ["open_fds", "max_fds", "virtual_memory_bytes", "resident_memory_bytes", "start_time_seconds", "threads"] {
        assert!(server.metric(&format!("process_{other}")) > 0.0, "{other}");
    }
    let text = server.scrape(&[]);
    assert_eq!(text.text().lines().filter(|line| line.starts_with("process_cpu_seconds_total ")).count(), 1);
}

#[test]
fn metrics_are_compressed_for_clients_that_accept_it() {
    let server = start(Options::default());
    // Prometheus' own header, a preference, and three that exclude or do not prefer it.
    for (accepted, coding) in
        [("gzip", Some("gzip")), ("br, GZIP;q=0.5", Some("gzip")), ("gzip;q=0", None), ("gzip;q=0.5, identity", None), ("br", None)]
    {
        let answer = server.scrape(&[&format!("Accept-Encoding: {accepted}")]);
        assert_eq!((answer.status, answer.header("content-encoding")), (200, coding), "{accepted}");
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
        let mut text = String::new();
        match coding {
            Some(_) => flate2::read::GzDecoder::new(&*answer.body).read_to_string(&mut text).unwrap(),
            None => (&*answer.body).read_to_string(&mut text).unwrap(),
        };
        assert!(text.contains("# TYPE truycap_views_total counter"), "{accepted}");
    }
    assert_eq!(server.scrape(&[]).header("content-encoding"), None);
}

#[test]
fn the_bounded_tables_report_how_full_they_are() {
    let server = start(Options::default());
    server.view("/1");
    for table in ["clients", "repeats", "visitors"] {
        assert!(server.metric(&format!("truycap_remembered_max{{table=\"{table}\"}}")) >= 100_000.0, "{table}");
    }
    // The usual limit is per client, and the test's client is one.
    let clients = server.metric("truycap_remembered{table=\"clients\"}");
    assert!(clients <= 1.0, "{clients}");
}
