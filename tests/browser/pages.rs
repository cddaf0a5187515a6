//! A portal of somebody else: pages on a port of its own, which may also play a service that is not itself.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::process::{Place, Service};
pub(crate) use truycap_test_support::demo::{ARTICLE, service};

/// How a request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// The connection ends without an answer.
    Nothing,
    /// Nobody answers, and the connection stays.
    Never,
    /// The status, the lines of the header, and the body.
    Text(&'static str, String, String),
}

#[derive(Debug)]
struct Shared {
    pages: Mutex<HashMap<String, Reply>>,
    otherwise: Mutex<Reply>,
    requests: Mutex<Vec<String>>,
}

/// A server of pages, until the tests end.
#[derive(Clone, Debug)]
pub(crate) struct Portal {
    pub(crate) origin: String,
    shared: Arc<Shared>,
}

impl Portal {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let shared = Shared { pages: Mutex::default(), otherwise: Mutex::new(Reply::Nothing), requests: Mutex::default() };
        let portal = Self { origin, shared: Arc::new(shared) };
        portal.file("/favicon.ico", "image/svg+xml", "");
        let answering = Arc::clone(&portal.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&answering);
                // A browser opens connections that it does not use: each has a thread, so that they hold up nobody.
                std::thread::spawn(move || answer(&stream.unwrap(), &shared));
            }
        });
        portal
    }

    /// A service that takes views of these pages, and has no demo.
    pub(crate) fn service(&self, place: &Place) -> Service {
        place.write("truycap.toml", format!("demo = false\n[[sites]]\nid = \"portal\"\norigins = [\"{}\"]\n", self.origin));
        let service = place.start();
        service.site("portal");
        service
    }

    /// From now on, what is answered at a path, whatever follows it in the query.
    pub(crate) fn at(&self, path: &str, reply: Reply) -> String {
        self.shared.pages.lock().unwrap().insert(path.to_owned(), reply);
        format!("{}{path}", self.origin)
    }

    /// The same for a file.
    pub(crate) fn file(&self, path: &str, kind: &str, text: impl Into<String>) -> String {
        self.at(path, Reply::Text("200 OK", format!("Content-Type: {kind}; charset=utf-8"), text.into()))
    }

    /// The same for a page.
    pub(crate) fn page(&self, path: &str, text: impl Into<String>) -> String {
        self.file(path, "text/html", text)
    }

    /// The same for a page that allows nothing but what comes from an origin.
    pub(crate) fn strict_page(&self, path: &str, from: &str, text: impl Into<String>) -> String {
        let policy = format!(
            "Content-Type: text/html; charset=utf-8\r\nContent-Security-Policy: default-src 'none'; script-src {from}; \
             connect-src {from}; style-src {from}; require-trusted-types-for 'script'"
        );
        self.at(path, Reply::Text("200 OK", policy, text.into()))
    }

    /// From now on, what is answered to everything that is no file.
    pub(crate) fn otherwise(&self, reply: Reply) {
        *self.shared.otherwise.lock().unwrap() = reply;
    }

    /// What was asked for: methods and targets, and `Sec-Purpose` where it was sent.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The page of the demo's article, which is at `/` here, and its files, as the service has them.
    pub(crate) fn show_demo(&self, service: &Service) {
        let get = |path: &str| ureq::get(format!("{}{path}", service.origin())).call().unwrap().body_mut().read_to_string().unwrap();
        self.page("/", get(ARTICLE));
        self.file("/demo.svg", "image/svg+xml", get("/demo.svg"));
        self.file("/counter.js", "text/javascript", get("/counter.js"));
        for path in ["/demo.css", "/widget.css"] {
            self.file(path, "text/css", get(path));
        }
    }
}

/// A path without what makes it a request.
fn path_of(request: &str) -> &str {
    request.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default()
}

fn answer(mut stream: &TcpStream, shared: &Shared) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let head: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let purpose = head.iter().find(|line| line.to_ascii_lowercase().starts_with("sec-purpose")).map_or("", String::as_str);
    shared.requests.lock().unwrap().push(format!("{} {purpose}", request.trim_end_matches(" HTTP/1.1")));
    let page = shared.pages.lock().unwrap().get(path_of(&request)).cloned();
    let reply = page.unwrap_or_else(|| shared.otherwise.lock().unwrap().clone());
    match reply {
        Reply::Nothing => {}
        Reply::Never => std::thread::sleep(Duration::from_secs(120)),
        Reply::Text(status, header, text) => {
            let length = text.len();
            let _ = write!(stream, "HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}");
        }
    }
}
