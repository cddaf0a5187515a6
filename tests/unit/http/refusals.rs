//! Refused requests: their status, their detail for the client's author, and that they count nothing.

use super::server::{Options, start};

const JSON: &str = "Content-Type: application/json";
const VIEWS: &str = "/v1/sites/portal/views";

/// A request and its expected answer.
pub(crate) struct Case {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) headers: Vec<&'static str>,
    pub(crate) body: String,
    status: u16,
    /// A part of the detail.
    detail: &'static str,
    /// A header of the answer.
    header: Option<(&'static str, &'static str)>,
}

fn case(method: &'static str, target: impl Into<String>, status: u16, detail: &'static str) -> Case {
    Case { method, target: target.into(), headers: Vec::new(), body: String::new(), status, detail, header: None }
}

fn get(path: &str, status: u16, detail: &'static str) -> Case {
    case("GET", format!("/v1/sites/portal/{path}"), status, detail)
}

fn post(body: impl Into<String>, status: u16, detail: &'static str) -> Case {
    Case { headers: vec![JSON], body: body.into(), ..case("POST", VIEWS, status, detail) }
}

impl Case {
    fn with(self, headers: &[&'static str]) -> Self {
        Self { headers: headers.to_vec(), ..self }
    }

    fn and(self, name: &'static str, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

fn bodies() -> Vec<Case> {
    vec![
        post("{", 400, "cannot be read"),
        post("[\"/a\"]", 400, "not a JSON object"),
        post("\"/a\"", 400, "not a JSON object"),
        post("article=/a", 400, "not a JSON object"),
        post(" ", 400, "not a JSON object"),
        post("{} {}", 400, "cannot be read"),
        post(r#"{"article":1}"#, 400, "expected a string"),
        post(r#"{"article":["/a"]}"#, 400, "expected a string"),
        post(r#"{"article":"/a","article":"/b"}"#, 400, "duplicate field"),
        post(r#"{"article":""}"#, 400, "is empty"),
        post(r#"{"article":"a\nb"}"#, 400, "control character"),
        post(r#"{"article":"a\u0000"}"#, 400, "control character"),
        post(r#"{"article":"\ud800"}"#, 400, "cannot be read"),
        post(format!(r#"{{"article":"{}"}}"#, "a".repeat(257)), 400, "256 bytes"),
        post(format!(r#"{{"x":"{}"}}"#, "a".repeat(4100)), 413, "4096 bytes").and("connection", "close"),
        post("{}", 415, "Content-Type").with(&[]),
        post("{}", 415, "Content-Type").with(&["Content-Type: application/x-www-form-urlencoded"]),
        post("{}", 415, "Content-Type").with(&["Content-Type: application/jsonx"]),
        post("{}", 415, "Content-Type").with(&["Content-Type: ;"]),
        post("{}", 415, "Content-Encoding").with(&[JSON, "Content-Encoding: gzip"]),
        post("{}", 403, "origin").with(&[JSON, "Origin: https://elsewhere.example"]),
        post("", 403, "null").with(&["Origin: null"]),
        post("", 403, "origin").with(&["Origin: https://portal.example.vn:8443"]),
        post("", 403, "origin").with(&["Origin: http://portal.example.vn"]),
        post("", 403, "origin").with(&["Origin: https://portal.example.vn", "Origin: https://elsewhere.example"]),
    ]
}

fn queries() -> Vec<Case> {
    let many: String = (0..101).map(|i| format!("&article=/{i}")).collect();
    vec![
        get("figures?article=", 400, "is empty"),
        get("figures?article=%", 400, "percent-encoded"),
        get("figures?article=%4", 400, "percent-encoded"),
        get("figures?article=%zz", 400, "percent-encoded"),
        get("figures?article=%FF", 400, "percent-encoded"),
        get("figures?article=a%00", 400, "control character"),
        get(&format!("figures?article={}", "a".repeat(257)), 400, "256 bytes"),
        get(&format!("figures?{}", &many[1..]), 400, "more than 100"),
        get("views.gif?article=/a&article=/b", 400, "article is given more than once"),
        get("views.gif?article=%0A", 400, "control character"),
        get("top", 400, "period is missing: one of total, today, yesterday"),
        get("top?period=day", 400, "period is not one of total"),
        get("top?period=today&period=today", 400, "period is given more than once"),
        get("top?period=today&limit=0", 400, "from 1 to 100"),
        get("top?period=today&limit=101", 400, "from 1 to 100"),
        get("top?period=today&limit=ten", 400, "from 1 to 100"),
        get("top?period=today&limit=", 400, "from 1 to 100"),
        get("top?period=today&prefix=/", 400, "prefix is not one of the site's sections, which are \"/tin/\", \"/van-ban/\""),
        get("top?period=today&prefix=", 400, "prefix is not one of the site's sections"),
        get("top?period=today&prefix=/tin/1", 400, "prefix is not one of the site's sections"),
        get("top?period=today&prefix=/tin/&prefix=/tin/", 400, "prefix is given more than once"),
        case("GET", "/v1/sites/khoa/top?period=today&prefix=/tin/", 400, "this site has no sections; leave prefix out"),
        get("history?from=2026-11-01&to=2026-11-02", 400, "by is missing"),
        get("history?by=day&from=2026-11-01&to=2026-11-02&of=views", 400, "of: \"views\" is not one of visits, bot"),
        get("history?by=day&from=2026-11-01&to=2026-11-02&of=bot&article=/a", 400, "leave out article"),
        get("history?by=hour&from=2026&to=2026", 400, "by is not day, week, month or year"),
        get("history?by=total&from=total&to=total", 400, "by is not"),
        get("history?by=day&to=2026-11-02", 400, "from is missing"),
        get("history?by=day&from=2026-11-02", 400, "to is missing"),
        get("history?by=day&from=2026-11-31&to=2026-12-01", 400, "from is not a day such as"),
        get("history?by=day&from=2026-11&to=2026-12", 400, "from is not a day such as"),
        get("history?by=month&from=2026-W01&to=2026-12", 400, "from is not a month such as 2026-11, or a day such as"),
        get("history?by=week&from=2026-W47&to=2026-12", 400, "to is not a week such as 2026-W47, or a day such as"),
        get("history?by=year&from=2026-12&to=2026", 400, "from is not a year such as 2026, or a day such as"),
        get("history?by=day&from=2026-11-02&to=2026-11-01", 400, "from is after to"),
        get("history?by=day&from=2024-02-27&to=2026-11-23", 400, "more than 1000"),
        get("history?by=day&from=0001-01-01&to=9999-12-31", 400, "more than 1000"),
        get("history?by=day&from=2026-11-01&to=2026-11-01&article=", 400, "is empty"),
    ]
}

fn targets() -> Vec<Case> {
    let long = format!("/{}", "x".repeat(5000));
    vec![
        case("GET", "/nothing", 404, "/nothing"),
        case("POST", "/v1/sites/elsewhere/views", 404, "no site elsewhere"),
        case("GET", "/v1/sites/%FF/figures", 404, "no site %FF"),
        case("GET", "/v1/sites//figures", 404, "no site"),
        case("GET", "/v1/sites/portal/figures/", 404, "no page"),
        case("POST", "/v1/sites/portal/views/", 404, "no page"),
        case("GET", "/v1/sites/portal", 404, "no page"),
        case("OPTIONS", "*", 404, "no page"),
        case("GET", long, 404, "x…"),
        case("GET", VIEWS, 405, "POST").and("allow", "POST, OPTIONS"),
        case("PUT", VIEWS, 405, "POST").and("allow", "POST, OPTIONS"),
        case("DELETE", "/v1/sites/portal/figures", 405, "GET").and("allow", "GET, HEAD, OPTIONS"),
        case("POST", "/v1/sites/portal/views.gif", 405, "GET").and("allow", "GET, HEAD, OPTIONS"),
        case("POST", "/", 405, "GET").and("allow", "GET, HEAD, OPTIONS"),
        case("GET", "/v1/sites/portal/views.gif", 403, "origin").with(&["Origin: https://elsewhere.example"]),
    ]
}

pub(crate) fn all() -> Vec<Case> {
    [bodies(), queries(), targets()].into_iter().flatten().collect()
}

#[test]
fn a_refusal_says_why_and_counts_nothing() {
    let server = start(Options::default());
    server.view("/a");
    for case in all() {
        let Case { method, target, headers, body, status, detail, header } = case;
        let shown = format!("{method} {} {headers:?} {body}", &target[..target.len().min(100)]);
        let answer = server.ask(method, &target, &headers, &body);
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{shown}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{shown}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{shown}");
        let is_readable = status == 403 || detail.starts_with("no site");
        assert_eq!(answer.header("access-control-allow-origin"), is_readable.then_some("*"), "{shown}");
        let problem = answer.json();
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{shown}: {problem}");
        assert!(answer.body.len() < 600, "{shown}: {problem}");
        assert_eq!((problem["type"].as_str(), problem["status"].as_u64()), (Some("about:blank"), Some(status.into())), "{shown}");
        assert!(!problem["title"].as_str().unwrap().is_empty(), "{shown}");
        if let Some((name, value)) = header {
            assert_eq!(answer.header(name), Some(value), "{shown}");
        }
        assert_eq!(server.total(), 1, "{shown}");
    }
}

#[test]
fn a_body_that_is_too_long_is_refused_before_and_while_it_is_sent() {
    let server = start(Options::default());
    let head = format!("POST {VIEWS} HTTP/1.1\r\nHost: t\r\nUser-Agent: Mozilla/5.0\r\n{JSON}\r\n");
    let mut announced = server.connect();
    announced.send(format!("{head}Content-Length: 4097\r\n\r\n"));
    let mut chunked = server.connect();
    chunked.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    for _ in 0..2 {
        assert!(chunked.is_silent(std::time::Duration::from_millis(20)));
        chunked.send(format!("801\r\n{}\r\n", " ".repeat(2049)));
    }
    for mut client in [announced, chunked] {
        let answer = client.answer();
        assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
        assert!(client.is_closed());
    }
    let longest = format!(r#"{{"x":"{}"}}"#, "a".repeat(4096 - 8));
    assert_eq!((longest.len(), server.ask("POST", VIEWS, &[JSON], &longest).status), (4096, 200));
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let server = start(Options::default());
    let padding = |bytes: usize| format!("X-Padding: {}", "a".repeat(bytes));
    assert_eq!(server.ask("POST", VIEWS, &[&padding(16_000)], "").status, 200);
    let answer = server.ask("POST", VIEWS, &[&padding(16_384)], "");
    assert_eq!((answer.status, answer.header("content-type")), (431, Some("application/problem+json")));
    assert_eq!(answer.header("vary"), Some("Origin"));
    assert_eq!(server.ask("POST", VIEWS, &[&padding(100_000)], "").status, 431);
    assert_eq!(server.total(), 1);
}
