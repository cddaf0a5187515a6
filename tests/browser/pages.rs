//! Pages of somebody else: a server of files on a port of its own.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
};

use crate::process::{Place, Service};

/// An article of the demo.
pub(crate) const ARTICLE: &str = "/tin/hoi-dua-thuyen-song-mau";

/// A service that knows the figures of that article already: a page is filled once, and on a busy machine the first
/// answer may come without what the store was too slow to tell.
pub(crate) fn service(place: &Place) -> Service {
    let service = place.start();
    service.article("portal", ARTICLE);
    service
}

impl Service {
    /// The address of the demo's article.
    pub(crate) fn article_page(&self) -> String {
        format!("{}{ARTICLE}", self.origin())
    }

    /// The beginning of the addresses of its pages.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.public)
    }
}

/// What is answered to everything that is no file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// The connection ends without an answer.
    Nothing,
    /// 503, as a proxy before a dead service may.
    Unavailable,
    /// 200 and something that is not what the page expects.
    Rubbish,
    /// What a service says whose store is away since it started.
    Unknown,
}

const UNKNOWN: &str = r#"{"counted":true,"site":null,"articles":{},"as_of":"2026-11-23T10:00:00+07:00","stale":true}"#;

/// A path, the type of what is there, and its text.
pub(crate) type Page = (&'static str, &'static str, String);

/// The page of the demo's article, which is at `/` here, and its files, as the service has them.
pub(crate) fn demo(service: &Service) -> Vec<Page> {
    let get = |path: &str| ureq::get(format!("{}{path}", service.origin())).call().unwrap().body_mut().read_to_string().unwrap();
    let files = [
        ("/", "text/html"),
        ("/counter.js", "text/javascript"),
        ("/demo.css", "text/css"),
        ("/widget.css", "text/css"),
        ("/demo.svg", "image/svg+xml"),
    ];
    files.map(|(path, kind)| (path, kind, get(if path == "/" { ARTICLE } else { path }))).into()
}

/// Serves pages until the tests end; answers with their origin.
pub(crate) fn serve(pages: Vec<Page>, otherwise: Otherwise) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let pages = pages.clone();
            // A browser opens connections that it does not use: each has a thread, so that they hold up nobody.
            std::thread::spawn(move || answer(&stream.unwrap(), &pages, otherwise));
        }
    });
    origin
}

fn answer(mut stream: &TcpStream, pages: &[Page], otherwise: Otherwise) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let path = request.split(' ').nth(1).unwrap_or_default();
    let _ = lines.by_ref().take_while(|line| !line.is_empty()).count();
    let page = pages.iter().find(|(own, ..)| *own == path);
    let (status, kind, text) = match (page, otherwise) {
        (Some((_, kind, text)), _) => ("200 OK", *kind, text.as_str()),
        (None, Otherwise::Nothing) => return,
        (None, Otherwise::Unavailable) => ("503 Service Unavailable", "application/problem+json", "{}"),
        (None, Otherwise::Unknown) => ("200 OK", "application/json", UNKNOWN),
        (None, Otherwise::Rubbish) => ("200 OK", "text/html", "<h1>Đang bảo trì</h1>"),
    };
    let length = text.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    );
}
