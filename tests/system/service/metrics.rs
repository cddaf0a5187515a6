//! The metrics.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    process::{Command, Stdio},
};

use super::{
    files::place,
    process::{Service, client::Client, eventually, wait::within},
    views::view,
};

/// The answer of `/metrics`.
pub(crate) fn scrape(service: &Service) -> String {
    let answer = Client::connect(&service.admin).unwrap().get("/metrics").unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    answer.body
}

/// The value of a metric, which is given with its labels as in the text.
pub(crate) fn value(scrape: &str, metric: &str) -> Option<f64> {
    scrape.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ')?.parse().ok())
}

/// Sends requests of every kind.
fn use_all(service: &Service) {
    service.count("portal", "/bí-mật/1");
    let (head, body) = view("portal", "/bí-mật/2");
    for header in
        ["user-agent: Googlebot 203.0.113.7", "sec-purpose: prefetch", "origin: https://la.example.vn", "x-forwarded-for: 203.0.113.7"]
    {
        let mut client = service.client();
        client.send(&head.replace("host: x", &format!("host: x\r\n{header}"))).unwrap();
        client.send(&body).unwrap();
        client.answer().unwrap();
    }
    for path in
        ["/v1/sites/portal/top?period=today", "/v1/sites/portal/views.gif?article=/b%C3%AD-m%E1%BA%ADt/3", "/v1/sites/la/top", "/la/trang"]
    {
        // The client cannot read the GIF as text; the result does not matter.
        let _ = service.client().get(path);
    }
    let mut client = service.client();
    client.send("BREW /v1/sites/portal/figures HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert_eq!(client.answer().unwrap().status, 405);
    service.ready();
}

#[test]
fn every_metric_passes_promtool_and_is_documented() {
    let sites = r#"[{ id = "portal", origins = ["https://portal.example.vn"], articles = "^/b" }]"#;
    let place = place().with("SITES", sites);
    let service = place.start();
    use_all(&service);
    // It counts for the site alone.
    service.count("portal", "/1");
    let text = scrape(&service);

    let mut promtool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = promtool.wait_with_output().unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{}", String::from_utf8_lossy(&checked.stderr));

    let mut exposed = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(exposed.insert(name, kind).is_none(), "{name} is exposed twice");
        let help = text.lines().find_map(|line| line.strip_prefix(&format!("# HELP {name} ")));
        assert!(help.is_some_and(|help| help.len() > 10), "{name} has no help");
    }
    let table = include_str!("../../../docs/metrics.md");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let mut rows: BTreeMap<_, _> =
        rows.filter_map(|(name, rest)| rest.split_once(" | ").map(|(kind, _)| (name, kind))).filter(is_metric).collect();
    // A file has no servers; the tests on a cluster read this one.
    assert_eq!(rows.remove("truycap_store_node_up"), Some("gauge"));
    assert_eq!(rows, exposed);
    let routes: BTreeSet<_> = text.split("route=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let (_, list) = table.split_once("`route` is ").unwrap();
    let (list, _) = list.split_once(" for an unknown path").unwrap();
    assert_eq!(list.split('`').skip(1).step_by(2).collect::<BTreeSet<_>>(), routes);
    service.stop();
}

fn is_metric((_, kind): &(&str, &str)) -> bool {
    ["counter", "gauge", "histogram"].contains(kind)
}

#[test]
fn no_label_holds_an_article_a_path_or_an_address() {
    let place = place();
    let service = place.start();
    use_all(&service);
    let text = scrape(&service);
    for secret in ["mật", "/", "trang", "203.0.113.7", "127.0.0.1", "BREW", "example.vn", "\"la\""] {
        // The help text of a metric can contain a slash.
        let line = text.lines().find(|line| !line.starts_with('#') && line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
    assert_eq!(value(&text, "truycap_http_requests_total{method=\"other\",route=\"figures\",status=\"405\"}"), Some(1.0));
    assert_eq!(value(&text, "truycap_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"}"), Some(1.0));
    service.stop();
}

#[test]
fn views_are_counted_by_outcome_and_figures_are_exposed_by_site() {
    let place = place();
    let service = place.start();
    use_all(&service);
    let text = scrape(&service);
    let outcomes = [
        ("counted", 3.0),
        ("bot", 1.0),
        ("prefetch", 1.0),
        ("repeat", 0.0),
        ("foreign", 1.0),
        ("rate_limited", 0.0),
        ("full", 0.0),
        ("busy", 0.0),
        ("unknown", 0.0),
    ];
    for (outcome, views) in outcomes {
        assert_eq!(value(&text, &format!("truycap_views_total{{outcome=\"{outcome}\",site=\"portal\"}}")), Some(views), "{outcome}");
    }
    assert_eq!(value(&text, "truycap_site_views{figure=\"today\",site=\"portal\"}"), Some(3.0));
    assert_eq!(value(&text, "truycap_site_views{figure=\"total\",site=\"khoa\"}"), Some(0.0));
    eventually("the store has all views", || {
        let text = scrape(&service);
        (value(&text, "truycap_store_lag_views") == Some(0.0) && value(&text, "truycap_store_lag_seconds") == Some(0.0)).then_some(())
    });
    let text = scrape(&service);
    assert!(value(&text, "truycap_store_applies_total{outcome=\"done\"}") >= Some(1.0), "{text}");
    assert_eq!(value(&text, "truycap_journal_max_bytes"), Some(256.0 * 1024.0 * 1024.0));
    assert_eq!((value(&text, "truycap_journal_up"), value(&text, "truycap_store_up")), (Some(1.0), Some(1.0)));
    within(std::time::Duration::from_secs(15), "the journal is measured", || {
        value(&scrape(&service), "truycap_journal_bytes").filter(|bytes| *bytes > 0.0)
    });
    service.stop();
}
