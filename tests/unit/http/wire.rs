//! Bytes that no browser sends: how they are answered, that each view is counted once or not at all, that nothing else is
//! counted, and that the next request is answered as usual.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    answers::assert_no_internals,
    server::{Options, Server, start, wait_for},
};

/// Bytes on their own connection. If `ends` is set, it is closed for writing after them.
struct Case {
    what: &'static str,
    bytes: Vec<u8>,
    ends: bool,
    /// The statuses of all answers, in order.
    answers: Vec<u16>,
    /// How many views these bytes count.
    counted: u64,
}

const REFUSED: &[u16] = &[400];

fn case(what: &'static str, bytes: impl Into<Vec<u8>>, answers: &[u16], counted: u64) -> Case {
    Case { what, bytes: bytes.into(), ends: false, answers: answers.to_vec(), counted }
}

/// A POST of a view with further headers and a body, after which the connection closes.
fn post(headers: &str, body: &str) -> String {
    format!("POST /v1/sites/portal/views HTTP/1.1\r\nHost: t\r\nUser-Agent: Mozilla/5.0\r\nConnection: close\r\n{headers}\r\n{body}")
}

/// A view of the site alone with another request line or other headers.
fn line(line: &str, headers: &str) -> String {
    format!("{line}\r\n{headers}User-Agent: Mozilla/5.0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

const VIEW: &str = "POST /v1/sites/portal/views HTTP/1.1";
const HOST: &str = "Host: t\r\n";

fn lines() -> Vec<Case> {
    let long = format!("GET /v1/sites/portal/figures?article=/{} HTTP/1.1", "x".repeat(70_000));
    vec![
        case("a good view", line(VIEW, HOST), &[200], 1),
        case("HTTP/1.0 without a host", line("POST /v1/sites/portal/views HTTP/1.0", ""), &[200], 1),
        case("HTTP/0.9", "GET /v1/sites/portal/views.gif\r\n", REFUSED, 0),
        case("HTTP/1.2", line("POST /v1/sites/portal/views HTTP/1.2", HOST), REFUSED, 0),
        case("HTTP/3.0", line("POST /v1/sites/portal/views HTTP/3.0", HOST), REFUSED, 0),
        case("no version", line("POST /v1/sites/portal/views", HOST), REFUSED, 0),
        case("two spaces", line("POST  /v1/sites/portal/views HTTP/1.1", HOST), REFUSED, 0),
        case("a space in the target", line("POST /v1/sites/por tal/views HTTP/1.1", HOST), REFUSED, 0),
        case("NUL in the target", line("POST /v1/sites/portal\0/views HTTP/1.1", HOST), REFUSED, 0),
        case("a target that is not ASCII", line("POST /v1/sites/pörtal/views HTTP/1.1", HOST), &[404], 0),
        case("an absolute target", line("POST http://t/v1/sites/portal/views HTTP/1.1", HOST), &[200], 1),
        case("an absolute target on another host", line("GET http://elsewhere.example/x HTTP/1.1", HOST), &[404], 0),
        case("a target that is an authority", line("POST portal:80 HTTP/1.1", HOST), &[404], 0),
        case("CONNECT", line("CONNECT portal:80 HTTP/1.1", HOST), &[404], 0),
        case("an asterisk", line("POST * HTTP/1.1", HOST), &[404], 0),
        case("a target with two dots", line("POST /v1/sites/x/../portal/views HTTP/1.1", HOST), &[404], 0),
        case("an encoded slash", line("POST /v1/sites%2Fportal/views HTTP/1.1", HOST), &[404], 0),
        case("a target that is too long", line(&long, HOST), &[414], 0),
        case("an unknown method", line("BREW /v1/sites/portal/views HTTP/1.1", HOST), &[405], 0),
        case("a method in lower case", line("post /v1/sites/portal/views HTTP/1.1", HOST), &[405], 0),
        case("a method with a NUL", line("PO\0ST /v1/sites/portal/views HTTP/1.1", HOST), REFUSED, 0),
        case("TRACE", line("TRACE /v1/sites/portal/views HTTP/1.1", HOST), &[405], 0),
        case(
            "a method that a header overrides",
            line("GET /v1/sites/portal/views HTTP/1.1", &format!("{HOST}X-HTTP-Method-Override: POST\r\n")),
            &[405],
            0,
        ),
        case("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", REFUSED, 0),
        case("the PROXY protocol", format!("PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\n{}", line(VIEW, HOST)), REFUSED, 0),
        case("version 2 of the PROXY protocol", format!("\r\n\r\n\0\r\nQUIT\n!\u{11}\0\u{c}{}", line(VIEW, HOST)), REFUSED, 0),
        case("TLS", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".repeat(8), REFUSED, 0),
        case("empty lines before it", format!("\r\n\r\n{}", line(VIEW, HOST)), &[200], 1),
    ]
}

fn heads() -> Vec<Case> {
    let many: String = (0..200).map(|number| format!("X-{number}: 1\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "x".repeat(20_000));
    let very_long = format!("X-Long: {}\r\n", "x".repeat(70_000));
    vec![
        case("no host", line(VIEW, ""), REFUSED, 0),
        case("two hosts", line(VIEW, "Host: t\r\nHost: t\r\n"), REFUSED, 0),
        case("an empty host", line(VIEW, "Host: \r\n"), &[200], 1),
        case("a bare line feed", line(VIEW, HOST).replace("\r\n", "\n"), &[200], 1),
        case("a bare carriage return", line(VIEW, "Host: t\rX: 1\r\n"), REFUSED, 0),
        case("NUL in a header", line(VIEW, "Host: t\r\nX: a\0b\r\n"), REFUSED, 0),
        case("a space before the colon", line(VIEW, "Host : t\r\n"), REFUSED, 0),
        case("a folded header", line(VIEW, "Host: t\r\nX: a\r\n b\r\n"), REFUSED, 0),
        case("a header without a colon", line(VIEW, "Host: t\r\nnothing\r\n"), REFUSED, 0),
        case("a header without a name", line(VIEW, "Host: t\r\n: x\r\n"), REFUSED, 0),
        case("a header that is not ASCII", line(VIEW, "Host: t\r\nX: ế\r\n"), &[200], 1),
        case("too many headers", line(VIEW, &format!("{HOST}{many}")), &[431], 0),
        case("headers that are too long", line(VIEW, &format!("{HOST}{long}")), &[431], 0),
        case("a header longer than the read buffer", line(VIEW, &format!("{HOST}{very_long}")), &[431], 0),
        case("an upgrade", line(VIEW, "Host: t\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"), &[200], 1),
        case("a range", line("GET /v1/sites/portal/figures HTTP/1.1", "Host: t\r\nRange: bytes=0-1\r\n"), &[200], 0),
        case("a head that is never finished", "POST /v1/sites/portal/views HTTP/1.1\r\nHost: t\r\n", &[], 0).ending(),
        case("nothing at all", "", &[], 0).ending(),
    ]
}

fn bodies() -> Vec<Case> {
    let json = "Content-Type: application/json\r\n";
    let sized = |length: &str, body: &str| post(&format!("{json}Content-Length: {length}\r\n"), body);
    let chunked = |body: &str| post(&format!("{json}Transfer-Encoding: chunked\r\n"), body);
    let chunked_by = |coding: &str| post(&format!("{json}Transfer-Encoding: {coding}\r\n"), "2\r\n{}\r\n0\r\n\r\n");
    let both = sized("2\r\nTransfer-Encoding: chunked", "2\r\n{}\r\n0\r\n\r\n").replace("Connection: close\r\n", "");
    let deep = "[".repeat(4000);
    vec![
        case("a length that is not a number", sized("many", "{}"), REFUSED, 0),
        case("a negative length", sized("-2", "{}"), REFUSED, 0),
        case("a length with a sign", sized("+2", "{}"), REFUSED, 0),
        case("a length that overflows", sized("99999999999999999999999", "{}"), REFUSED, 0),
        case("a length above the limit", sized("1000000000000", "{}"), &[413], 0),
        case("the greatest length that is read", sized("18446744073709551613", "{}"), &[413], 0),
        case("a length that does not fit", sized("18446744073709551615", "{}"), &[431], 0),
        case("two lengths", sized("2\r\nContent-Length: 3", "{} "), REFUSED, 0),
        case("two lengths in one line", sized("2, 3", "{} "), REFUSED, 0),
        case("the same length twice", sized("2\r\nContent-Length: 2", "{}"), &[200], 1),
        // A proxy in front may have used the length, so the bytes after it are not a request.
        case("a length and chunks, and a view after them", both + &line(VIEW, HOST), &[200], 1),
        case("chunks", chunked("1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), &[200], 1),
        case("chunks with trailers", chunked("2;a=b\r\n{}\r\n0\r\nX: 1\r\n\r\n"), &[200], 1),
        case("a chunk whose size is not a number", chunked("x\r\n{}\r\n0\r\n\r\n"), REFUSED, 0),
        case("a chunk whose size overflows", chunked("fffffffffffffffff\r\n{}\r\n"), REFUSED, 0),
        case("a chunk that is longer than it says", chunked("1\r\n{}\r\n0\r\n\r\n"), REFUSED, 0),
        case("chunks without end", chunked(&format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(8)), &[413], 0),
        case("an unknown encoding", post(&format!("{json}Transfer-Encoding: gzip, chunked\r\n"), "0\r\n\r\n"), REFUSED, 0),
        case("chunked twice", chunked_by("chunked\r\nTransfer-Encoding: chunked"), REFUSED, 0),
        case("an encoding that looks like chunks", chunked_by("xchunked"), REFUSED, 0),
        case("chunked with a vertical tab before it", chunked_by("\x0bchunked"), REFUSED, 0),
        case("a chunk with an extension without end", chunked(&format!("2;{}", "x".repeat(40_000))), REFUSED, 0),
        case("trailers without end", chunked(&format!("2\r\n{{}}\r\n0\r\n{}", "X: 1\r\n".repeat(8000))), REFUSED, 0),
        case("chunks in HTTP/1.0", chunked("2\r\n{}\r\n0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0"), REFUSED, 0),
        case("chunked, but not at the end", post(&format!("{json}Transfer-Encoding: chunked, gzip\r\n"), "0\r\n\r\n"), REFUSED, 0),
        case("a body that is shorter than it says", sized("200", "{"), REFUSED, 0).ending(),
        case("brackets", sized("4000", &deep), &[400], 0),
        case(
            "bytes that are not text",
            {
                let mut bytes = sized("2", "").into_bytes();
                bytes.extend([0xff, 0xfe]);
                bytes
            },
            &[400],
            0,
        ),
        case("bytes after the body", sized("2", "{}GET / HTTP/1.1\r\n\r\n"), &[200], 1),
        case("an expectation", post(&format!("{json}Content-Length: 2\r\nExpect: 100-continue\r\n"), "{}"), &[100, 200], 1),
    ]
}

fn several() -> Vec<Case> {
    let view = |close| line(VIEW, HOST).replace("Connection: close\r\n", close);
    let (open, last) = (view(""), line(VIEW, HOST));
    vec![
        case("three views at once", format!("{open}{open}{last}"), &[200; 3], 3),
        case("a view, and bytes that are not a request", format!("{open}\0\r\n\r\n"), &[200, 400], 1),
        case(
            "a view between refusals",
            format!("{}{open}{}", open.replace("portal", "nowhere"), last.replace("portal", "nowhere")),
            &[404, 200, 404],
            1,
        ),
        case("a view and one that is cut off", format!("{open}POST /v1/sites/portal/views HT"), &[200], 1).ending(),
        case(
            "a view in the body of a request for the GIF",
            with_body(&line("GET /v1/sites/portal/views.gif HTTP/1.1", HOST), &last),
            &[200],
            1,
        ),
        case("a view in the body of a refusal", with_body(&last.replace("portal", "nowhere"), &last), &[404], 0),
        case("an article in a body that is not read", with_body(&line("GET /v1/sites/portal/figures HTTP/1.1", HOST), "{}"), &[200], 0),
        case(
            "a request in the body of another",
            post("Content-Type: text/plain\r\nContent-Length: 40\r\n", &format!("{:40}", "POST /v1/sites/portal/views HTTP/1.1")),
            &[400],
            0,
        ),
    ]
}

/// Adds a body to a request without one.
fn with_body(request: &str, body: &str) -> String {
    request.replace("Content-Length: 0", &format!("Content-Length: {}", body.len())) + body
}

impl Case {
    fn ending(self) -> Self {
        Self { ends: true, ..self }
    }

    fn run(&self, server: &Server) -> Vec<u16> {
        let mut stream = TcpStream::connect(server.public).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // The server can refuse and close before it has read everything.
        let _ = stream.write_all(&self.bytes);
        if self.ends {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        let mut answer = Vec::new();
        // A reset after the answer counts as a close.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert_no_internals(self.what, &answer);
        answer.match_indices("HTTP/1.").map(|(at, line)| answer[at + line.len() + 2..][..3].parse().unwrap()).collect()
    }
}

/// The total of another site, and all articles of this one, which must not get views of their own.
fn others(server: &Server) -> [Value; 2] {
    let khoa = server.get("/v1/sites/khoa/figures").json()["site"]["total"].clone();
    [khoa, server.get("/v1/sites/portal/top?period=total&limit=100").json()["articles"].clone()]
}

#[test]
fn malformed_requests_count_nothing_else_and_the_next_view_is_answered_as_usual() {
    let server = start(Options::default());
    let cases: Vec<_> = [lines(), heads(), bodies(), several()].into_iter().flatten().collect();
    assert!(cases.len() >= 40);
    let mut wrong = Vec::new();
    let mut before = 0;
    for (number, case) in (1..).zip(&cases) {
        let answers = case.run(&server);
        let begun = Instant::now();
        let good = server.view("/good").json();
        assert!(begun.elapsed() < Duration::from_secs(2), "after {}: {:?}", case.what, begun.elapsed());
        assert_eq!((&good["counted"], &good["articles"]["/good"]["total"]), (&json!(true), &json!(number)), "after {}", case.what);
        let total = good["site"]["total"].as_u64().unwrap();
        let counted = total - before - 1;
        before = total;
        if answers != case.answers || counted != case.counted {
            wrong.push(format!("{}: answered {answers:?}, not {:?}; counted {counted}, not {}", case.what, case.answers, case.counted));
        }
        let expected = [json!(0), json!([{ "article": "/good", "views": number }])];
        wait_for(&format!("nothing else to be counted after {}", case.what), || others(&server) == expected);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
