//! A portal on its own port, whose server can also imitate a faulty service.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::process::{Place, Service};
pub(crate) use truycap_test_support::demo::{ARTICLE, service};

/// The articles of most pages here, as in addresses; at most 50.
const ARTICLES: [&str; 48] = [
    "/",
    "/a",
    "/b",
    "/c",
    "/start",
    "/first",
    "/shown",
    "/page",
    "/srcdoc",
    "/x2",
    "/x4",
    "art-a",
    "50%25",
    "/-/a",
    "/-/b",
    "/-/c",
    "/-/d",
    "/-/e",
    "/web/a",
    "/web/b",
    "/bai/a",
    "/bai/b",
    "/bai/part",
    "/bai/whole",
    "/app",
    "/app/%23/tin/1",
    "/app/%23!/tin/2",
    "/app/%23/tin/b%C3%A0i",
    "/new",
    "/new/tin/1",
    "/new/tin/2",
    "/old",
    "/old/tin/1",
    "/old/tin/2",
    "/tin/1",
    "/tin/2",
    "/tin/3",
    "/tin/4",
    "/tin/9",
    "/tin/a",
    "/tin/b",
    "/tin/in",
    "/tin/khac",
    "/tin/c%20c",
    "/tin/%25E9",
    "/tin/%C3%A0",
    "/tin/m%E1%BB%99t",
    "/tin/ba%20th%E1%BB%A9",
];

/// How a request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// The connection is closed without an answer.
    Nothing,
    /// No answer; the connection stays open.
    Never,
    /// Another answer, after this time.
    After(Duration, Box<Reply>),
    /// One answer after the other; the last one remains.
    InTurn(Vec<Reply>),
    /// Status, header lines and body.
    Text(&'static str, String, String),
}

#[derive(Debug)]
struct Shared {
    pages: Mutex<HashMap<String, Reply>>,
    delays: Mutex<HashMap<String, Duration>>,
    otherwise: Mutex<Reply>,
    requests: Mutex<Vec<String>>,
}

/// A server of pages. It runs until the tests end.
#[derive(Clone, Debug)]
pub(crate) struct Portal {
    pub(crate) origin: String,
    shared: Arc<Shared>,
}

impl Portal {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let shared =
            Shared { pages: Mutex::default(), delays: Mutex::default(), otherwise: Mutex::new(Reply::Nothing), requests: Mutex::default() };
        let portal = Self { origin, shared: Arc::new(shared) };
        portal.file("/favicon.ico", "image/svg+xml", "");
        let answering = Arc::clone(&portal.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&answering);
                // A browser opens connections that it does not use, so each has its own thread and blocks no other.
                std::thread::spawn(move || answer(&stream.unwrap(), &shared));
            }
        });
        portal
    }

    /// A service that accepts views of these pages, knows their figures, and has no demo.
    pub(crate) fn service(&self, place: &Place) -> Service {
        place.write("truycap.toml", format!("demo = false\n[[sites]]\nid = \"portal\"\norigins = [\"{}\"]\n", self.origin));
        let service = place.start();
        service.knows(&ARTICLES);
        service
    }

    /// Sets the answer at a path, with any query; returns its URL.
    pub(crate) fn at(&self, path: &str, reply: Reply) -> String {
        self.shared.pages.lock().unwrap().insert(path.to_owned(), reply);
        format!("{}{path}", self.origin)
    }

    /// From now on, the answer at a path takes this long.
    pub(crate) fn slow(&self, path: &str, delay: Duration) {
        self.shared.delays.lock().unwrap().insert(path.to_owned(), delay);
    }

    /// Serves a file at a path.
    pub(crate) fn file(&self, path: &str, kind: &str, text: impl Into<String>) -> String {
        self.at(path, Reply::Text("200 OK", format!("Content-Type: {kind}; charset=utf-8"), text.into()))
    }

    /// Serves a page at a path.
    pub(crate) fn page(&self, path: &str, text: impl Into<String>) -> String {
        self.file(path, "text/html", text)
    }

    /// Serves a page whose policy allows nothing but scripts, styles and connections of an origin.
    pub(crate) fn strict_page(&self, path: &str, from: &str, text: impl Into<String>) -> String {
        let policy = format!(
            "Content-Type: text/html; charset=utf-8\r\nContent-Security-Policy: default-src 'none'; script-src {from}; \
             connect-src {from}; style-src {from}; require-trusted-types-for 'script'"
        );
        self.at(path, Reply::Text("200 OK", policy, text.into()))
    }

    /// Sets the answer at all other paths.
    pub(crate) fn otherwise(&self, reply: Reply) {
        *self.shared.otherwise.lock().unwrap() = reply;
    }

    /// The requests so far: method, target, and `Sec-Purpose` if it was sent.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Serves copies of the demo's files, with its article at `/`.
    pub(crate) fn show_demo(&self, service: &Service) {
        self.show_files(service, "");
        self.page("/", get(service, ARTICLE));
        self.file("/demo.svg", "image/svg+xml", get(service, "/demo.svg"));
        self.file("/demo.css", "text/css", get(service, "/demo.css"));
    }

    /// Serves copies of the scripts and their style sheet under a prefix. The scripts then send their requests there.
    pub(crate) fn show_files(&self, service: &Service, prefix: &str) {
        for (path, kind) in [("/counter.js", "text/javascript"), ("/widget.js", "text/javascript"), ("/widget.css", "text/css")] {
            self.file(&format!("{prefix}{path}"), kind, get(service, path));
        }
    }
}

/// What a service answers at a path.
pub(crate) fn get(service: &Service, path: &str) -> String {
    ureq::get(format!("{}{path}", service.origin())).call().unwrap().body_mut().read_to_string().unwrap()
}

/// A file of a package that scripts/set-up.sh installs.
pub(crate) fn npm(path: &str) -> String {
    let path = format!("{}/tests/browser/npm/node_modules/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; run scripts/set-up.sh"))
}

/// The path of a request line, without the query.
fn path_of(request: &str) -> &str {
    request.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default()
}

fn answer(stream: &TcpStream, shared: &Shared) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let head: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let purpose = head.iter().find(|line| line.to_ascii_lowercase().starts_with("sec-purpose")).map_or("", String::as_str);
    shared.requests.lock().unwrap().push(format!("{} {purpose}", request.trim_end_matches(" HTTP/1.1")));
    let delay = shared.delays.lock().unwrap().get(path_of(&request)).copied();
    std::thread::sleep(delay.unwrap_or_default());
    let page = shared.pages.lock().unwrap().get_mut(path_of(&request)).map(|reply| {
        let now = reply.clone();
        if let Reply::InTurn(replies) = reply
            && replies.len() > 1
        {
            replies.remove(0);
        }
        now
    });
    let reply = page.unwrap_or_else(|| shared.otherwise.lock().unwrap().clone());
    send(reply, stream);
}

fn send(reply: Reply, mut stream: &TcpStream) {
    match reply {
        Reply::InTurn(replies) => send(replies[0].clone(), stream),
        Reply::Nothing => {}
        Reply::Never => std::thread::sleep(Duration::from_secs(120)),
        Reply::After(wait, reply) => {
            std::thread::sleep(wait);
            send(*reply, stream);
        }
        Reply::Text(status, header, text) => {
            let length = text.len();
            let _ = write!(stream, "HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}");
        }
    }
}
