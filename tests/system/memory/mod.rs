//! The service never uses more than 150 MiB of memory, regardless of what clients send.
//!
//! With `TRUYCAP_SOAK=1` the tests send what is promised: 10 000 silent connections, 5 million article ids, 1 million
//! clients. Otherwise they send much less, and the limit is lower. `--nocapture` shows the measurements.

mod crowd;

use truycap_test_support::{process, redis_server};

use std::{
    fs,
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use crowd::Crowd;
use process::{Place, Service, eventually};
use redis_server::Server;

/// `more` with `TRUYCAP_SOAK`, otherwise `plain`.
fn soak(plain: u64, more: u64) -> u64 {
    if std::env::var_os("TRUYCAP_SOAK").is_some() { more } else { plain }
}

/// A place whose clients come through a proxy on this machine, and whose site counts visitors.
fn place() -> Place {
    let site = r#"[{ id = "portal", origins = ["https://portal.example.vn"], repeat_window = "30m", visitors = true }]"#;
    Place::new().with("SITES", site).with("CLIENTS__HEADER", "x-forwarded-for").with("LISTEN__MAX_CONNECTIONS", "20000")
}

/// Measurements of a service.
trait Measured {
    fn memory(&self) -> [u64; 2];
    fn metric(&self, name: &str) -> u64;
    fn open(&self) -> u64;
    fn measure(&self, what: &str);
}

impl Measured for Service {
    /// The resident memory of the process in bytes: now, and its maximum so far.
    fn memory(&self) -> [u64; 2] {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        ["VmRSS:", "VmHWM:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
        })
    }

    /// The sum of a metric over all its labels.
    fn metric(&self, name: &str) -> u64 {
        let text = process::client::Client::connect(&self.admin).unwrap().get("/metrics").unwrap().body;
        let lines = text.lines().filter(|line| line.starts_with(name)).map(|line| line.rsplit_once(' ').unwrap().1);
        lines.map(|value| value.parse::<u64>().unwrap()).sum()
    }

    /// The number of open connections.
    fn open(&self) -> u64 {
        self.metric("truycap_http_connections{listener=\"public\"}")
    }

    /// Prints the memory of the process, and fails if its maximum exceeds the limit: 64 MiB, or 150 MiB in a soak run.
    #[track_caller]
    fn measure(&self, what: &str) {
        let [now, most] = self.memory();
        println!("{what}: {:.1} MiB, at most {:.1} MiB", now as f64 / 1048576.0, most as f64 / 1048576.0);
        assert!(most <= soak(64, 150) << 20, "{what}: {most} bytes");
    }
}

/// A service, and `count` connections to it on which these bytes were sent.
fn connections(count: u64, bytes: &str) -> (Place, Service, Vec<TcpStream>) {
    rlimit::increase_nofile_limit(count + 1000).unwrap();
    let place = place();
    let service = place.start();
    let begun = Instant::now();
    let mut connections: Vec<_> = (0..count).map(|_| TcpStream::connect(&service.public).unwrap()).collect();
    connections.iter_mut().for_each(|connection| connection.write_all(bytes.as_bytes()).unwrap());
    println!("{count} connections opened in {:.1?}", begun.elapsed());
    // The service closes them after ten seconds, so all of them must be open before.
    eventually("all connections are open", || (service.open() == count).then_some(()));
    (place, service, connections)
}

#[test]
fn silent_connections_stay_within_the_limit() {
    let count = soak(1000, 10_000);
    let (_place, service, connections) = connections(count, "");
    service.measure(&format!("{count} silent connections"));
    eventually("all of them are closed", || (service.open() == 0).then_some(()));
    service.measure("after them");
    drop(connections);
    service.stop();
}

/// docs/security.md states the memory of these.
#[test]
fn connections_with_an_unfinished_head_stay_within_the_limit() {
    let count = soak(1000, 4096);
    let (_place, service, connections) = connections(count, "POST /v1/sites/portal/views HTTP/1.1\r\nHost: t\r\nX: ");
    service.measure(&format!("{count} connections, in the middle of a head"));
    drop(connections);
    service.stop();
}

/// Sends views of `count` articles, and requests for the figures of as many others.
fn articles(place: &Place, count: u64) {
    let service = place.start();
    service.measure("at the start");
    let views = Crowd::send(&service, count, |number| {
        let article = format!("{{\"article\":\"/tin-tuc/2026/11/bai-viet-so-{number}\"}}");
        let kind = "Content-Type: text/plain\r\nContent-Length";
        format!("POST /v1/sites/portal/views HTTP/1.1\r\nHost: t\r\nUser-Agent: Mozilla/5.0\r\n{kind}: {}\r\n\r\n{article}", article.len())
    });
    println!("{count} views of different articles: {views}");
    service.measure("after the views");
    let counted = service.metric("truycap_views_total{outcome=\"counted\"");
    assert_eq!(counted, views.accepted);
    let requests = Crowd::send(&service, count / 10, |number| {
        let article = |part: u64| format!("article=/khong-co/{number}-{part}");
        let query = (0..10).map(article).collect::<Vec<_>>().join("&");
        format!("GET /v1/sites/portal/figures?{query} HTTP/1.1\r\nHost: t\r\n\r\n")
    });
    println!("{} requests for the figures of ten unknown articles: {requests}", count / 10);
    service.measure("after them");
    let begun = Instant::now();
    process::wait::within(Duration::from_secs(soak(60, 1800)), "the store has all views", || {
        (service.metric("truycap_store_lag_views") == 0).then_some(())
    });
    println!("the store had all of them {:?} later", begun.elapsed());
    service.measure("when the store has all of them");
    service.stop();
}

#[test]
fn many_articles_in_the_built_in_store_stay_within_the_limit() {
    let place = place();
    articles(&place, soak(50_000, 5_000_000));
    let size = |name: &str| fs::metadata(place.path(name)).unwrap().len() >> 20;
    println!("on the disk: store {} MiB, journal {} MiB", size("data/truycap.db"), size("data/journal.db"));
}

#[test]
fn many_articles_in_redis_stay_within_the_limit() {
    let server = Server::start(&[]);
    articles(&place().with("STORE__URL", &server.url()), soak(50_000, 5_000_000));
}

/// Sends views by `count` clients behind a trusted proxy, each with its own user agent.
fn clients(place: &Place, count: u64) {
    let service = place.start();
    let views = Crowd::send(&service, count, |number| {
        let address = std::net::Ipv4Addr::from_bits(0x0b00_0000 + u32::try_from(number).unwrap());
        let agent = format!("User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{number}.0) Gecko/20100101 Firefox/{number}.0");
        format!("POST /v1/sites/portal/views HTTP/1.1\r\nHost: t\r\n{agent}\r\nX-Forwarded-For: {address}\r\nContent-Length: 0\r\n\r\n")
    });
    println!("{count} views by different clients: {views}");
    service.measure("after them");
    assert_eq!(views.accepted, count);
    println!("visitors: {}", service.answer("portal", &[])["visitors"]);
    service.stop();
}

#[test]
fn many_clients_behind_a_proxy_stay_within_the_limit() {
    clients(&place(), soak(20_000, 1_000_000));
}

#[test]
fn many_clients_behind_a_proxy_counted_in_redis_stay_within_the_limit() {
    let server = Server::start(&[]);
    clients(&place().with("STORE__URL", &server.url()), soak(20_000, 1_000_000));
}
