//! Two instances on one Redis behind the supplied proxies: a rolling restart fails no request, and no view counts twice.

use std::{
    env,
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    load::{Load, Tally, pages},
    process::{Place, Service, client::Client, eventually},
    proxies::{Instance, Proxy},
    redis_server::Server,
    sentinel_set::SentinelSet,
    sites::sites,
};

/// What the clients of a proxy saw.
#[derive(Default)]
struct Seen {
    tally: Tally,
    answers: u64,
    failures: Vec<String>,
}

/// One client's requests in turn: what it asks for, and the article that it counts.
const REQUESTS: [(&str, Option<&str>); 4] = [
    ("POST", Some("/posted")),
    ("/v1/sites/portal/views.gif?article=/pictured", Some("/pictured")),
    ("/v1/sites/portal/figures", None),
    ("/counter.js", None),
];

/// Sends one request over a kept connection; returns why it failed, if it did.
fn request(client: &mut Option<Client>, address: &str, what: &str, article: &str) -> Result<(), String> {
    if client.is_none() {
        *client = Some(Client::connect(address).map_err(|error| format!("connecting: {error}"))?);
    }
    let connection = client.as_mut().unwrap();
    let answer = if what == "POST" { connection.view("portal", article) } else { connection.get(what) };
    let result = match &answer {
        Ok(answer) if answer.status == 200 && (what != "POST" || answer.counted()) => Ok(()),
        other => Err(format!("{what}: {other:?}")),
    };
    if answer.is_err() || answer.is_ok_and(|answer| answer.head.contains("connection: close")) {
        *client = None;
    }
    result
}

/// Sends requests until `stop` is set.
fn send(address: &str, stop: &AtomicBool, seen: &Mutex<Seen>) {
    let mut client = None;
    for (what, article) in REQUESTS.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let result = request(&mut client, address, what, article.unwrap_or_default());
        let mut seen = seen.lock().unwrap();
        seen.answers += 1;
        match (result, article) {
            (Err(failure), _) => seen.failures.push(failure),
            (Ok(()), Some(article)) => seen.tally.acknowledge(&("portal".into(), (*article).into())),
            (Ok(()), None) => {}
        }
        drop(seen);
        thread::sleep(Duration::from_millis(1));
    }
}

/// A place of an instance as the proxies expect it, which drains connections this long.
fn place(redis: &Server, drain: &str) -> Place {
    sites()
        .with("STORE__URL", &redis.url())
        .with("LISTEN__DRAIN", drain)
        .with("CLIENTS__HEADER", "x-forwarded-for")
        .with("CLIENTS__MAX_REQUESTS_PER_SECOND", "0")
}

/// The number of restarts: `TRUYCAP_SOAK=1` does 100.
fn restarts() -> usize {
    if env::var_os("TRUYCAP_SOAK").is_some() { 100 } else { 3 }
}

/// Restarts two instances one after the other while clients send requests through the proxy.
fn restart_under_load(start: fn(&[Instance<'_>]) -> Proxy, drain: &str) {
    let redis = Server::start(&[]);
    let mut running = [(); 2].map(|()| {
        let place = place(&redis, drain);
        let service = place.start();
        // The next start gets the same ports.
        let place = place.with("LISTEN__PUBLIC", &service.public).with("LISTEN__ADMIN", &service.admin);
        (place, Some(service))
    });
    let proxy = {
        let instances = running.each_ref().map(|(_, service)| {
            let service = service.as_ref().unwrap();
            Instance { public: &service.public, admin: &service.admin }
        });
        start(&instances)
    };
    let (stop, seen) = (AtomicBool::new(false), Mutex::new(Seen::default()));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| send(&proxy.address, &stop, &seen));
        }
        let wait_for = |answers| {
            let wanted = seen.lock().unwrap().answers + answers;
            eventually("requests are answered", || (seen.lock().unwrap().answers >= wanted).then_some(()));
        };
        for restart in 0..restarts() {
            wait_for(200);
            let (place, service) = &mut running[restart % 2];
            service.take().unwrap().stop();
            *service = Some(place.start());
        }
        wait_for(200);
        stop.store(true, Ordering::Relaxed);
    });
    let Seen { tally, answers, failures } = seen.into_inner().unwrap();
    let few: Vec<_> = failures.iter().take(5).collect();
    assert!(failures.is_empty(), "{} of {answers} requests failed: {few:#?}\n{}", failures.len(), proxy.log());
    let [(_, a), (place, b)] = running;
    b.as_ref().unwrap().wait_for_views(&tally);
    a.unwrap().stop();
    b.unwrap().settle(&place, &redis, &tally);
}

#[test]
fn a_rolling_restart_behind_nginx_fails_no_request() {
    restart_under_load(Proxy::nginx, "500ms");
}

#[test]
fn a_rolling_restart_behind_haproxy_fails_no_request() {
    // HAProxy asks once a second, and twice before it believes the answer.
    restart_under_load(Proxy::haproxy, "3s");
}

/// An instance that takes requests and closes the connection instead of an answer; and what it took.
fn silent(took: &'static AtomicBool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut part) {
                head.extend_from_slice(&part[..length]);
                if head.windows(4).any(|end| end == b"\r\n\r\n") {
                    break;
                }
            }
            if head.starts_with(b"GET /readyz") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            } else if !head.is_empty() {
                took.store(true, Ordering::Relaxed);
            }
        }
    });
    address
}

/// A view that an instance took and did not answer may be counted, so no other instance may get it.
fn is_sent_once(start: fn(&[Instance<'_>]) -> Proxy, took: &'static AtomicBool) {
    let redis = Server::start(&[]);
    let place = place(&redis, "0s");
    let service: Service = place.start();
    let silent = silent(took);
    let proxy = start(&[Instance { public: &silent, admin: &silent }, Instance { public: &service.public, admin: &service.admin }]);
    let mut tally = Tally::default();
    for (what, article) in REQUESTS.iter().filter_map(|(what, article)| Some((what, (*article)?))) {
        let (mut good, mut bad) = (0, 0);
        took.store(false, Ordering::Relaxed);
        for _ in 0..200 {
            match request(&mut None, &proxy.address, what, article) {
                Ok(()) => {
                    good += 1;
                    tally.acknowledge(&("portal".into(), article.into()));
                }
                Err(failure) => {
                    assert!(failure.contains("502"), "{failure}");
                    assert!(took.swap(false, Ordering::Relaxed), "a view that no instance took failed: {failure}");
                    bad += 1;
                }
            }
            assert!(!took.load(Ordering::Relaxed), "{what}: a view was sent to both instances");
            if good > 5 && bad > 0 {
                break;
            }
        }
        assert!(good > 5 && bad > 0, "{what}: {good} answered, {bad} not");
    }
    service.settle(&place, &redis, &tally);
}

#[test]
fn nginx_repeats_no_view_that_an_instance_took() {
    static TOOK: AtomicBool = AtomicBool::new(false);
    is_sent_once(Proxy::nginx, &TOOK);
}

#[test]
fn haproxy_repeats_no_view_that_an_instance_took() {
    static TOOK: AtomicBool = AtomicBool::new(false);
    is_sent_once(Proxy::haproxy, &TOOK);
}

#[test]
fn haproxy_leads_to_the_primary_of_two_redis_servers_and_no_view_is_lost() {
    let redis = [(); 2].map(|()| Server::start_on_port(&[]));
    let ports = redis.each_ref().map(|server| server.tcp_url().rsplit_once(':').unwrap().1.trim_end_matches('/').to_owned());
    let follow = |follower: usize, primary: usize| redis[follower].cli::<()>(&format!("REPLICAOF 127.0.0.1 {}", ports[primary]));
    let info = |server: &Server| server.cli::<String>("INFO replication");
    follow(1, 0);
    eventually("the replica is in sync", || info(&redis[1]).contains("master_link_status:up").then_some(()));
    let proxy = Proxy::haproxy_to_redis(&ports.each_ref().map(|port| format!("127.0.0.1:{port}")));
    let place = place(&redis[0], "0s").with("STORE__URL", &format!("redis://{}", proxy.address));
    let service = place.start();
    let mut tally = Tally::default();
    let mut count = || {
        service.count("portal", "/1");
        tally.acknowledge(&("portal".into(), "/1".into()));
    };
    (0..20).for_each(|_| count());
    eventually("the first primary has the views", || (redis[0].counts().total("portal", "") == 20).then_some(()));

    redis[1].cli::<()>("REPLICAOF NO ONE");
    follow(0, 1);
    (0..20).for_each(|_| count());
    redis[1].wait_for("the new primary has all views", &tally);
    service.settle(&place, &redis[1], &tally);
}

#[test]
fn haproxy_leads_to_the_primary_that_sentinels_elect_and_no_view_is_lost() {
    let set = SentinelSet::start(&["--appendonly", "yes"]);
    let proxy = Proxy::haproxy_to_redis(&set.servers.iter().map(|node| node.address().to_string()).collect::<Vec<_>>());
    let place = place(&set.servers[0].server, "0s").with("STORE__URL", &format!("redis://{}", proxy.address));
    let service = place.start();
    let load = Load::start(2, pages(4, ""), Duration::from_millis(5));
    load.aim(Some(&service.public));
    load.wait_for(100);
    let primary = set.failover();
    load.wait_for(100);
    set.wait_until_whole();
    load.wait_for(100);
    let tally = load.finish();
    set.servers[primary].server.wait_for("the new primary has all views", &tally);
    service.settle(&place, &set.servers[primary].server, &tally);
}

#[test]
fn nginx_passes_long_requests_serves_files_without_truycap_and_shares_its_request_ids() {
    let redis = Server::start(&[]);
    let place = place(&redis, "0s");
    let service = place.start();
    let proxy = Proxy::nginx(&[Instance { public: &service.public, admin: &service.admin }]);
    let get = |path: &str| Client::connect(&proxy.address).unwrap().get(path).unwrap();
    // 49 articles with ids of 163 bytes.
    let articles: Vec<_> = (0..49).map(|number| format!("article=/{number:0>162}")).collect();
    let long = format!("/v1/sites/portal/figures?{}", articles.join("&"));
    assert_eq!(get(&long).status, 200);
    // truycap returns the id that nginx logged.
    let answer = get("/v1/sites/unknown/figures");
    let id = answer.head.split_once("x-request-id: ").unwrap().1.split_once("\r\n").unwrap().0;
    assert_eq!(answer.status, 404);
    eventually("nginx logs the id", || proxy.access_log().lines().any(|line| line.ends_with(&format!(" 404 {id}"))).then_some(()));

    let files = ["/counter.js", "/widget.js", "/widget.css", "/box.css", "/v1/sites/portal/figures"];
    for path in files {
        assert_eq!(get(path).status, 200, "{path}");
    }
    service.stop();
    for path in files {
        assert_eq!(get(path).status, 200, "{path} without truycap");
    }
    assert_eq!(get("/v1/sites/portal/views.gif").status, 502);
    assert!(!proxy.log().contains("[warn]"), "{}", proxy.log());
}

/// The token opens the report for everyone who can read the log.
#[test]
fn proxies_log_no_token_of_a_report() {
    let redis = Server::start(&[]);
    let place = place(&redis, "0s");
    let service = place.start();
    for start in [Proxy::nginx, Proxy::haproxy] {
        let proxy = start(&[Instance { public: &service.public, admin: &service.admin }]);
        for path in ["/v1/sites/portal/report", "/v1/sites/portal/report.csv"] {
            Client::connect(&proxy.address).unwrap().get(&format!("{path}?token=0123456789abcdef")).unwrap();
            eventually("the request is logged", || proxy.access_log().contains(&format!("\"GET {path} HTTP/1.1\"")).then_some(()));
        }
        assert!(!proxy.access_log().contains("0123456789abcdef"), "{}", proxy.access_log());
    }
}

/// A script that a page loads by http:// sends its views there.
#[test]
fn proxies_count_and_show_without_tls_and_redirect_only_pages_for_people() {
    let redis = Server::start(&[]);
    let place = place(&redis, "0s");
    let service = place.start();
    for start in [Proxy::nginx, Proxy::haproxy] {
        let proxy = start(&[Instance { public: &service.public, admin: &service.admin }]);
        let ask = |request: &str| {
            let mut client = Client::connect(&proxy.address).unwrap();
            client.send(&format!("{request}\r\nhost: x\r\nuser-agent: Mozilla/5.0\r\nconnection: close\r\n\r\n")).unwrap();
            client.answer().unwrap()
        };
        let view = "POST /v1/sites/portal/views HTTP/1.1\r\ncontent-length: 0";
        eventually("a view is counted", || (ask(view).status == 200).then_some(()));
        for path in ["/v1/sites/portal/figures", "/v1/sites/portal/box", "/counter.js", "/widget.js", "/widget.css", "/box.css"] {
            assert_eq!(ask(&format!("GET {path} HTTP/1.1")).status, 200, "{path}");
        }
        for path in ["/", "/tin/1?a=b", "/demo.css"] {
            let answer = ask(&format!("GET {path} HTTP/1.1"));
            assert!(answer.status == 308 && answer.head.contains(&format!("location: https://x{path}\r\n")), "{path}: {}", answer.head);
        }
    }
}
