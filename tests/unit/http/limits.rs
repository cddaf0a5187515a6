//! Limits on the requests and connections of one client, and on the views of a site.

use std::{
    io::{BufRead, BufReader},
    net::{IpAddr, SocketAddr},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use truycap::{
    audience::{ClientNetwork, ClientResolver, ClientRules, MAX_CLIENTS, MonotonicClock, ProxyHeader, RateLimited, RateLimits},
    domain::site::{Rules, Site, SiteId},
};

use super::server::{Client, ORIGIN, Options, Server, start, wait_for};

const VIEWS: &str = "/v1/sites/portal/views";
const GIF: &str = "/v1/sites/portal/views.gif";
const FIGURES: &str = "/v1/sites/portal/figures";
const LIMITED: &str = "truycap_views_total{outcome=\"rate_limited\",site=\"portal\"}";
const REFUSED: &str = "truycap_http_refused_connections_total{listener=\"public\"}";

/// Milliseconds on the clock of each test.
static CLOCKS: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

fn ticks<const TEST: usize>() -> Instant {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    *START + Duration::from_millis(CLOCKS[TEST].load(SeqCst))
}

fn wait<const TEST: usize>(ms: u64) {
    CLOCKS[TEST].fetch_add(ms, SeqCst);
}

/// Clients behind a proxy on this machine, with a limit on the requests of each.
fn behind_a_proxy(max_requests_per_second: u32, ticks: MonotonicClock) -> Options {
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let resolver = ClientResolver { header: Some(ProxyHeader::XForwardedFor), trusted_proxies };
    let clients = ClientRules { resolver, max_requests_per_second, ..ClientRules::default() };
    Options { clients, ticks, ..Options::default() }
}

fn from(address: &str) -> String {
    format!("X-Forwarded-For: {address}")
}

impl Server {
    fn status(&self, method: &str, target: &str, headers: &[&str]) -> u16 {
        self.ask(method, target, headers, "").status
    }
}

#[test]
fn a_client_above_its_rate_is_limited_and_others_are_not() {
    let server = start(behind_a_proxy(2, ticks::<0>));
    let (one, other) = (from("203.0.113.5"), from("203.0.113.6"));
    let origin = format!("Origin: {ORIGIN}");
    let mut client = server.connect();
    let mut status = |header: &str| {
        client.request("POST", VIEWS, &[header, "Content-Type: text/plain"], "{}");
        client.answer().status
    };
    // A burst of ten seconds' worth, and no more.
    for _ in 0..20 {
        assert_eq!(status(&one), 200);
    }
    for _ in 0..3 {
        assert_eq!(status(&one), 429);
        // On the same connection, which stays open.
        assert_eq!(status(&other), 200);
    }
    assert_eq!((server.total(), server.metric(LIMITED)), (23, 3.0));
    let answer = server.ask("POST", VIEWS, &[&one, &origin], "");
    let headers = ["retry-after", "content-type", "access-control-allow-origin", "cache-control"].map(|name| answer.header(name));
    assert_eq!(answer.status, 429);
    assert_eq!(headers, [Some("1"), Some("application/problem+json"), Some(ORIGIN), Some("no-store")]);
    assert_eq!((&answer.json()["status"], &answer.json()["title"]), (&json!(429), &json!("Too Many Requests")));
    // Half a second is one request.
    wait::<0>(499);
    assert_eq!(status(&one), 429);
    wait::<0>(1);
    assert_eq!((status(&one), status(&one)), (200, 429));
    wait::<0>(60_000);
    let answers: Vec<_> = (0..21).map(|_| status(&one)).collect();
    assert_eq!((answers[19], answers[20]), (200, 429));
    assert_eq!(server.total(), 23 + 1 + 20);
    assert_eq!(server.metric("truycap_http_requests_total{method=\"POST\",route=\"views\",status=\"429\"}"), 7.0);
}

#[test]
fn every_kind_of_request_counts_for_the_rate_of_a_client() {
    // The clock of the rate limits does not advance.
    let server = start(behind_a_proxy(1, ticks::<1>));
    let requests = [
        ("POST", VIEWS),
        ("GET", GIF),
        ("GET", FIGURES),
        ("HEAD", FIGURES),
        ("OPTIONS", VIEWS),
        ("PATCH", VIEWS),
        ("GET", "/v1/sites/nope/figures"),
        ("GET", "/nothing"),
        ("GET", "/counter.js"),
        ("GET", "/"),
    ];
    let one = from("2001:db8:1:2::3");
    for (method, target) in requests {
        assert_ne!(server.status(method, target, &[&one]), 429, "{method} {target}");
    }
    // A /64 is one client.
    for address in ["2001:db8:1:2::3", "2001:db8:1:2:ffff::4", "8.8.8.8, 2001:db8:1:2::5"] {
        for (method, target) in requests {
            assert_eq!(server.status(method, target, &[&from(address)]), 429, "{method} {target} {address}");
        }
    }
    assert_eq!(server.status("GET", FIGURES, &[&from("2001:db8:1:3::3")]), 200);
    // An ambiguous head still ends its connection.
    for target in [VIEWS, "/v1/sites/nope/figures", "/nothing"] {
        let mut client = server.connect();
        client.request("POST", target, &[&one, "Transfer-Encoding: x, chunked"], "");
        assert_eq!((client.answer().status, client.is_closed()), (400, true), "{target}");
    }
    // Three views by POST and three by GIF; the other requests are not views.
    assert_eq!(server.metric(LIMITED), 6.0);
    assert_eq!(server.total(), 2);
}

#[test]
fn a_trusted_proxy_that_names_no_client_is_not_limited_and_an_untrusted_one_is() {
    let options = || behind_a_proxy(1, ticks::<1>);
    let silent = start(Options {
        clients: ClientRules { resolver: ClientResolver { header: None, ..options().clients.resolver }, ..options().clients },
        ..options()
    });
    let unreadable = start(options());
    for _ in 0..30 {
        assert_eq!(silent.status("POST", VIEWS, &[&from("203.0.113.5")]), 200);
        for headers in [vec![], vec!["X-Forwarded-For: unknown"], vec!["X-Forwarded-For: 203.0.113.5, _hidden, 127.0.0.2"]] {
            assert_eq!(unreadable.status("GET", FIGURES, &headers), 200, "{headers:?}");
        }
    }
    let untrusted = start(Options {
        clients: ClientRules { resolver: ClientResolver { trusted_proxies: vec![], ..options().clients.resolver }, ..options().clients },
        ..options()
    });
    let answers: Vec<_> = (0..11).map(|n| untrusted.status("GET", FIGURES, &[&from(&format!("203.0.113.{n}"))])).collect();
    assert_eq!((answers[9], answers[10]), (200, 429));
}

fn address(number: usize) -> ClientNetwork {
    ClientNetwork::of(IpAddr::from(u32::try_from(number).unwrap().to_be_bytes()))
}

#[test]
fn a_million_clients_take_no_more_memory_than_a_hundred_thousand() {
    let rates = RateLimits::new(1, ticks::<2>);
    let ask = |number| rates.take_request(|| Some(address(number)));
    (0..10).for_each(|_| assert_eq!(ask(0), Ok(())));
    for number in 1..1_000_000 {
        assert_eq!(ask(number), Ok(()));
    }
    assert_eq!(rates.clients(), MAX_CLIENTS);
    // Known clients are still limited, and new ones are not refused.
    assert_eq!(ask(0), Err(RateLimited));
    for _ in 0..11 {
        assert_eq!(ask(2_000_000), Ok(()));
    }
    // A client whose bucket is full again is forgotten; one with many requests is not.
    wait::<2>(3000);
    rates.forget();
    assert_eq!(rates.clients(), 1);
    assert_eq!([ask(0), ask(0), ask(0), ask(0)], [Ok(()), Ok(()), Ok(()), Err(RateLimited)]);
    wait::<2>(12_000);
    rates.forget();
    assert_eq!(rates.clients(), 0);
    let unlimited = RateLimits::new(0, Instant::now);
    (0..1000).for_each(|_| assert_eq!(unlimited.take_request(|| Some(address(0))), Ok(())));
}

#[test]
fn views_above_the_rate_of_a_site_are_refused_and_not_remembered() {
    let rules = Rules { max_views_per_second: 1, repeat_window: Duration::from_secs(1800), ..Rules::default() };
    let server = start(Options { rules, ..behind_a_proxy(0, ticks::<1>) });
    // Bots and repeats do not use up the limit.
    for _ in 0..20 {
        assert_eq!(server.outcome("/a", &["User-Agent: Googlebot"]), "bot");
    }
    for visitor in 0..10 {
        assert_eq!(server.outcome("/a", &[&from(&format!("203.0.113.{visitor}"))]), "counted");
        assert_eq!(server.outcome("/a", &[&from(&format!("203.0.113.{visitor}"))]), "repeat");
    }
    let late = from("203.0.113.99");
    for _ in 0..3 {
        let answer = server.ask("POST", VIEWS, &[&late, "Content-Type: text/plain"], r#"{"article":"/a"}"#);
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
        assert!(answer.text().contains("the view was not counted"), "{}", answer.text());
    }
    assert_eq!(server.status("GET", GIF, &[&late]), 429);
    assert_eq!((server.total(), server.metric(LIMITED)), (10, 4.0));
    // Figures are still served, and a repeat is still a repeat.
    assert_eq!(server.status("GET", FIGURES, &[&late]), 200);
    assert_eq!(server.outcome("/a", &[&from("203.0.113.0")]), "repeat");
}

#[test]
fn a_refused_view_counts_when_the_rate_of_the_site_allows_it() {
    let rules =
        Rules { max_views_per_second: 1, max_new_articles_per_day: 11, repeat_window: Duration::from_secs(1800), ..Rules::default() };
    let server = start(Options { rules, ..behind_a_proxy(0, later) });
    for article in 0..10 {
        assert_eq!(server.outcome(&format!("/{article}"), &[]), "counted");
    }
    for article in 10..20 {
        assert_eq!(server.view(&format!("/{article}")).status, 429);
    }
    LATER.store(1000, SeqCst);
    // After the refusals it is neither a repeat nor an article above the limit.
    assert_eq!(server.outcome("/19", &[]), "counted");
    assert_eq!(server.view("/18").status, 429);
    assert_eq!(server.total(), 11);
}

static LATER: AtomicU64 = AtomicU64::new(0);

fn later() -> Instant {
    ticks::<1>() + Duration::from_millis(LATER.load(SeqCst))
}

#[test]
fn a_new_configuration_changes_the_rate_of_a_site() {
    let rates = RateLimits::new(0, ticks::<1>);
    let site = |id: &str, max_views_per_second| Site {
        id: SiteId::parse(id).unwrap(),
        aliases: Vec::new(),
        origins: vec![],
        timezone: chrono_tz::Tz::Asia__Ho_Chi_Minh,
        sections: vec![],
        rules: Rules { max_views_per_second, ..Rules::default() },
    };
    let taken = |site: Site| (0..100).take_while(|_| rates.take_view(&site).is_ok()).count();
    assert_eq!(
        [("a", 1), ("b", 3), ("a", 1), ("a", 0), ("a", 2), ("b", 3)].map(|(id, most)| taken(site(id, most))),
        [10, 30, 0, 100, 20, 0]
    );
}

/// A connection from one of this machine's addresses.
fn connect_from(address: [u8; 4], to: SocketAddr) -> Client {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        socket.connect(to).await.unwrap()
    });
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    Client(BufReader::new(stream))
}

/// Whether the server answers. If it closes a connection at once, even sending can fail.
fn is_served(client: &mut Client) -> bool {
    let sent = client.try_send(format!("GET {FIGURES} HTTP/1.1\r\nHost: t\r\n\r\n"));
    let answered = sent.is_ok() && client.0.fill_buf().is_ok_and(|answer| !answer.is_empty());
    answered && client.answer().status == 200
}

#[test]
fn one_address_cannot_exceed_its_connections_and_others_are_served() {
    let server = start(Options { clients: ClientRules { max_connections: 3, ..ClientRules::default() }, ..Options::default() });
    let connect = |last| connect_from([127, 0, 0, last], server.public);
    let mut held: Vec<_> = (0..3).map(|_| connect(1)).collect();
    assert!(held.iter_mut().all(is_served));
    for refused in 1..=5 {
        assert!(!is_served(&mut connect(1)));
        assert_eq!(server.metric(REFUSED), f64::from(refused));
    }
    let mut others: Vec<_> = (0..3).map(|_| connect(2)).collect();
    assert!(others.iter_mut().all(is_served));
    assert!(!is_served(&mut connect(2)));
    assert!(held.iter_mut().all(is_served));
    // A permit is released however a connection ends: idle, or with a request in progress.
    held.pop();
    wait_for("a free permit", || is_served(&mut connect(1)));
    held[0].send(format!("POST {VIEWS} HTTP/1.1\r\nHost: t\r\nUser-Agent: Mozilla/5.0\r\nContent-Length: 9\r\n\r\n"));
    held.clear();
    wait_for("all permits", || {
        held = (0..3).map(|_| connect(1)).collect();
        held.iter_mut().all(is_served)
    });
    assert!(!is_served(&mut connect(1)));
}

#[test]
fn trusted_proxies_have_no_limit_of_connections() {
    let resolver = ClientResolver { header: None, trusted_proxies: vec!["127.0.0.2/32".parse().unwrap()] };
    let clients = ClientRules { max_connections: 1, resolver, ..ClientRules::default() };
    let server = start(Options { clients, ..Options::default() });
    let mut proxy: Vec<_> = (0..5).map(|_| connect_from([127, 0, 0, 2], server.public)).collect();
    assert!(proxy.iter_mut().all(is_served));
    let mut others: Vec<_> = (0..2).map(|_| connect_from([127, 0, 0, 1], server.public)).collect();
    assert_eq!(others.iter_mut().filter_map(|client| is_served(client).then_some(())).count(), 1);
    // The admin listener has no such limit.
    let mut admin: Vec<_> = (0..3).map(|_| Client::connect(server.admin)).collect();
    for client in &mut admin {
        client.request("GET", "/healthz", &[], "");
        assert_eq!(client.answer().status, 200);
    }
}
