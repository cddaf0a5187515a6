//! A hostile or broken portal that is asked for titles: lists have what can be used, and neither lists nor views nor a stop wait.

use std::{
    fs, io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};
use serde_json::{Value, json};

use super::{
    disk::as_root,
    hostile_portal::{HostilePortal, Stream, page, send},
    process::{Place, Service, eventually, wait::within},
};

const HTML: &str = "Content-Type: text/html\r\n";

/// A site `portal` with titles, and views of these articles: the first has most.
fn place(origins: &[&str], articles: &[&str]) -> Place {
    let place = Place::new();
    let rows: String =
        articles.iter().zip((1..=articles.len()).rev()).map(|(article, views)| format!("portal,{article},,{views}\n")).collect();
    let site = format!("[[sites]]\nid = \"portal\"\norigins = {origins:?}\ntitles = true\n");
    place.write("truycap.toml", format!("demo = false\n{site}"));
    let file = place.write("rows.csv", format!("site,article,period,views\n{rows}"));
    place.ok(&["import", "--config", "truycap.toml", &file]);
    place
}

fn top(service: &Service) -> Value {
    let answer = service.get("/v1/sites/portal/top?period=total&limit=100");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// The list when the portal has been asked about all articles, as ids and titles.
fn whole(service: &Service) -> Vec<(String, Option<String>)> {
    let list = eventually("the portal was asked", || Some(top(service)).filter(|list| list["stale"] == false));
    let row = |row: &Value| (row["article"].as_str().unwrap().into(), row["title"].as_str().map(String::from));
    list["articles"].as_array().unwrap().iter().map(row).collect()
}

fn expected(rows: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
    rows.iter().map(|(article, title)| ((*article).into(), title.map(String::from))).collect()
}

/// The value of `truycap_title_questions_total`.
fn questions(service: &Service, outcome: &str) -> u64 {
    let metrics = super::process::client::Client::connect(&service.admin).unwrap().get("/metrics").unwrap().body;
    let name = format!("truycap_title_questions_total{{outcome=\"{outcome}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}

fn moved(stream: &mut dyn Stream, to: &str) -> io::Result<()> {
    send(stream, "302 Found", &format!("Location: {to}\r\n"), b"")
}

/// Sends one byte after the other, for ever.
fn drip(stream: &mut dyn Stream, text: &str) -> io::Result<()> {
    for byte in text.bytes().chain(std::iter::repeat(b' ')) {
        stream.write_all(&[byte])?;
        stream.flush()?;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn hostile(path: &str, stream: &mut dyn Stream, inner: &str) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n";
    match path {
        "/markup" => page(stream, "<title><script>alert(1)</script><img src=x onerror=alert(2)></title>"),
        "/bidi" => page(stream, "<title>a\u{202e}b\u{2066}c\0d\u{1b}[31m\r\n\te</title>"),
        "/long" => page(stream, &format!("<title>{}</title>", "dài ".repeat(2_500_000))),
        "/endless" => {
            stream.write_all(format!("{head}<title>Vô tận</title>").as_bytes())?;
            loop {
                stream.write_all(&[b'x'; 65_536])?;
            }
        }
        "/slow" => drip(stream, &format!("{head}<title>Chậm</title>")),
        "/slow-head" => drip(stream, head),
        "/huge-head" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            loop {
                stream.write_all(b"X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n")?;
            }
        }
        "/continue" => loop {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        },
        "/garbage" => stream.write_all(b"\0\x01\x02 garbage\r\n\r\n"),
        "/close" => Ok(()),
        "/short" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n<title>x</title>"),
        path if path.starts_with("/round") => moved(stream, &format!("{path}x")),
        "/near" => moved(stream, "markup"),
        "/elsewhere" => moved(stream, "https://elsewhere.example/"),
        "/inside" => moved(stream, &format!("http://{inner}/secret")),
        "/metadata" => moved(stream, "http://169.254.169.254/latest/meta-data/"),
        "/file" => moved(stream, "file:///etc/passwd"),
        "/nowhere" => send(stream, "302 Found", "", b""),
        "/pdf" => send(stream, "200 OK", HTML, b"%PDF-1.7\n\xe2\xe3\xcf\xd3\n1 0 obj\n<</Type/Catalog>>\nendobj\n"),
        "/json" => send(stream, "200 OK", "Content-Type: application/json\r\n", b"<title>JSON</title>"),
        "/untyped" => send(stream, "200 OK", "", b"<title>No type</title>"),
        "/gzip" => send(stream, "200 OK", &format!("{HTML}Content-Encoding: gzip\r\n"), &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]),
        "/403" => send(stream, "403 Forbidden", HTML, b"<title>No</title>"),
        "/500" => send(stream, "500 Internal Server Error", HTML, b"<title>No</title>"),
        "/404" => send(stream, "404 Not Found", HTML, b"<title>No</title>"),
        "/410" => send(stream, "410 Gone", HTML, b"<title>No</title>"),
        _ => page(stream, "<title>Bài</title>"),
    }
}

#[test]
fn a_hostile_portal_gets_no_more_than_a_line_of_text_into_a_list() {
    let inner = HostilePortal::start(|_, stream| page(stream, "<title>Bí mật</title>"));
    let address = inner.address.clone();
    let portal = HostilePortal::start(move |path, stream| hostile(path, stream, &address));
    let ids = [
        "/tin/1",
        "/markup",
        "/bidi",
        "/long",
        "/endless",
        "/slow",
        "/slow-head",
        "/huge-head",
        "/continue",
        "/garbage",
        "/close",
        "/short",
        "/round",
        "/near",
        "/elsewhere",
        "/inside",
        "/metadata",
        "/file",
        "/nowhere",
        "/pdf",
        "/json",
        "/untyped",
        "/gzip",
        "/403",
        "/500",
        "/404",
        "/410",
    ];
    let place = place(&[&format!("http://{}", portal.address)], &ids);
    let service = place.start();
    let long = format!("{}…", "dài ".repeat(102).trim_end());
    let markup = "<script>alert(1)</script><img src=x onerror=alert(2)>";
    let titles = [
        ("/tin/1", "Bài"),
        ("/markup", markup),
        ("/bidi", "abc\u{fffd}d [31m e"),
        ("/long", &*long),
        ("/endless", "Vô tận"),
        ("/near", markup),
    ];
    let title = |id: &str| titles.iter().find(|(titled, _)| *titled == id).map(|(_, title)| *title);
    let rows: Vec<_> = ids.iter().filter(|id| !["/404", "/410"].contains(id)).map(|id| (*id, title(id))).collect();
    // Some take five seconds, and a portal that does not answer is paused.
    within(Duration::from_secs(90), "the portal was asked about every article", || {
        top(&service);
        let outcomes = ["titled", "untitled", "gone", "refused", "unanswered"].map(|outcome| questions(&service, outcome));
        (outcomes.iter().sum::<u64>() >= ids.len() as u64).then_some(())
    });
    let list = whole(&service);
    let shown: Vec<_> = list.iter().map(|(id, title)| (&**id, title.as_deref())).collect();
    assert_eq!(shown, rows);
    assert_eq!(inner.requests(), [""; 0], "only origins of the site are asked");
    assert_eq!(portal.asked("/roundxxxxx"), portal.asked("/round"));
    assert_eq!(portal.asked("/roundxxxxxx"), 0, "a redirect more than five");
    assert!(portal.requests().iter().all(|head| !head.to_lowercase().contains("cookie")));
    assert_eq!((questions(&service, "titled"), questions(&service, "untitled")), (6, 4));
    // Both are counted.
    for gone in ["/404", "/410"] {
        assert!(service.article("portal", gone)[0] > 0);
    }
    let finished = service.stop();
    assert!(finished.err.lines().all(|line| !ids.iter().any(|id| line.contains(&format!("{id} ")))), "{}", finished.err);
}

#[test]
fn a_portal_that_hangs_delays_no_list_no_view_and_no_stop() {
    let portal = HostilePortal::start(|_, _| {
        loop {
            thread::park();
        }
    });
    let place = place(&[&format!("http://{}", portal.address)], &["/a", "/b", "/c", "/d", "/e", "/f"]);
    let service = place.start();
    assert_eq!(top(&service)["articles"], json!([]), "nothing is listed that the portal was not asked about");
    eventually("the portal is asked", || (portal.requests().len() == 4).then_some(()));
    // The portal holds four questions now. All these answers come while it does.
    let begun = Instant::now();
    for _ in 0..20 {
        service.count("portal", "/a");
        top(&service);
    }
    let asked = portal.requests().len();
    assert!(asked == 4 || begun.elapsed() > Duration::from_secs(1), "the portal was asked {asked} times in {:?}", begun.elapsed());
    assert_eq!(whole(&service).len(), 6, "a portal that is away does not empty a list");
    top(&service);
    let finished = service.stop();
    assert!(!finished.err.contains("did not finish"), "{}", finished.err);
}

/// A place in which these names have these addresses.
fn with_hosts(mut place: Place, hosts: &str) -> Place {
    let file = place.write("hosts", format!("127.0.0.1 localhost\n{hosts}"));
    let user: &[&str] = if as_root() { &[] } else { &["--user", "--map-root-user"] };
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let words = [&["unshare"], user, &["--mount", "sh", "-c", script, &file]].concat();
    place.launcher = words.into_iter().map(String::from).collect();
    place
}

#[test]
fn a_name_of_a_portal_that_leads_to_a_private_address_is_not_connected_to() {
    let portal = HostilePortal::start(|_, stream| page(stream, "<title>Bí mật</title>"));
    let port = portal.address.rsplit(':').next().unwrap().to_owned();
    let ids = ["/a", "/b", "/c"];
    let without = expected(&ids.map(|id| (id, None)));
    for (name, address) in [("noi-bo.example.vn", "127.0.0.1"), ("x.example.vn", "10.0.0.1"), ("y.example.vn", "::ffff:127.0.0.1")] {
        let place = with_hosts(place(&[&format!("http://{name}:{port}")], &ids), &format!("{address} {name}\n"));
        let service = place.start();
        assert_eq!(whole(&service), without, "{name}");
        eventually("the log says why", || service.process.log().contains("which is not a public address").then_some(()));
        service.stop();
    }
    // An odd spelling of an address is not an origin that a browser sends.
    let odd = place(&[&format!("http://2130706433:{port}")], &ids);
    let service = odd.start();
    assert_eq!(whole(&service), without);
    service.stop();
    assert_eq!(portal.requests(), [""; 0]);
    // What the operator wrote is connected to.
    for host in ["127.0.0.1", "localhost"] {
        let place = place(&[&format!("http://{host}:{port}")], &ids);
        let service = place.start();
        assert_eq!(whole(&service), expected(&ids.map(|id| (id, Some("Bí mật")))), "{host}");
        service.stop();
    }
}

#[test]
fn a_proxy_of_the_environment_is_not_used() {
    let proxy = HostilePortal::start(|_, stream| page(stream, "<title>Proxy</title>"));
    let portal = HostilePortal::start(|_, stream| page(stream, "<title>Bài</title>"));
    let mut place = place(&[&format!("http://{}", portal.address)], &["/a"]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        place.environment.insert(name.into(), format!("http://{}", proxy.address));
    }
    let service = place.start();
    assert_eq!(whole(&service), expected(&[("/a", Some("Bài"))]));
    assert_eq!(proxy.requests(), [""; 0]);
    service.stop();
}

/// A portal with a certificate for `name`, and the file of its authority.
fn secure(place: &Place, name: &str) -> (HostilePortal, String) {
    let (key, mut params) = (KeyPair::generate().unwrap(), CertificateParams::default());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap());
    let open = move |stream| Ok(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?, stream));
    let portal = HostilePortal::start_with(open, |_, stream| page(stream, "<title>Bài</title>"));
    (portal, place.write("ca.pem", authority))
}

#[test]
fn a_portal_with_https_must_have_a_certificate_that_the_system_trusts() {
    for (name, is_trusted) in [("localhost", true), ("localhost", false), ("portal.example.vn", true)] {
        let files = Place::new();
        let (portal, authority) = secure(&files, name);
        let port = portal.address.rsplit(':').next().unwrap().to_owned();
        let mut place = place(&[&format!("https://localhost:{port}")], &["/a"]);
        let own = if is_trusted { authority } else { secure(&files, name).1 };
        place.environment.insert("SSL_CERT_FILE".into(), own);
        let service = place.start();
        let title = (is_trusted && name == "localhost").then_some("Bài");
        assert_eq!(whole(&service), expected(&[("/a", title)]), "{name} {is_trusted}");
        service.stop();
    }
}

#[test]
fn titles_can_be_turned_on_and_off_while_the_service_runs() {
    let portal = HostilePortal::start(|_, stream| page(stream, "<title>Bài</title>"));
    let place = place(&[&format!("http://{}", portal.address)], &["/a", "bai-7"]);
    let on = fs::read_to_string(place.path("truycap.toml")).unwrap();
    let reload = |text: &str, service: &Service| {
        place.write("truycap.toml", text);
        let reloads = service.process.log().matches("the configuration was reloaded").count();
        service.process.signal("HUP");
        eventually("the reload is logged", || {
            (service.process.log().matches("the configuration was reloaded").count() > reloads).then_some(())
        });
    };
    let service = place.start();
    assert_eq!(whole(&service), expected(&[("/a", Some("Bài"))]));
    reload(&on.replace("titles = true", "titles = false"), &service);
    assert_eq!(whole(&service), expected(&[("/a", None), ("bai-7", None)]));
    reload(&on, &service);
    assert_eq!(whole(&service), expected(&[("/a", Some("Bài"))]));
    service.stop();
}
