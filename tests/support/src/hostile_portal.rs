//! A portal that answers as a test says, byte by byte if it must, and remembers what it was asked.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// The connection of a client.
pub trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

/// Answers a request for a path. An error closes the connection: the client may have left.
type Handler = dyn Fn(&str, &mut dyn Stream) -> io::Result<()> + Send + Sync;

/// A server that runs until the tests end.
#[derive(Clone)]
pub struct HostilePortal {
    /// The address and the port.
    pub address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl fmt::Debug for HostilePortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostilePortal").field("address", &self.address).finish_non_exhaustive()
    }
}

impl HostilePortal {
    /// Starts a portal on a loopback address.
    pub fn start(handler: impl Fn(&str, &mut dyn Stream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::start_with(Ok, handler)
    }

    /// Starts a portal whose connections are opened first, for instance with TLS.
    pub fn start_with<S: Stream + 'static>(
        open: impl Fn(TcpStream) -> io::Result<S> + Send + Sync + 'static,
        handler: impl Fn(&str, &mut dyn Stream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let portal = Self { address: listener.local_addr().unwrap().to_string(), requests: Arc::default() };
        let requests = Arc::clone(&portal.requests);
        let (open, handler): (Arc<_>, Arc<Handler>) = (Arc::new(open), Arc::new(handler));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (open, handler, requests) = (Arc::clone(&open), Arc::clone(&handler), Arc::clone(&requests));
                thread::spawn(move || {
                    let _left = stream.and_then(|stream| answer(&mut open(stream)?, &*handler, &requests));
                });
            }
        });
        portal
    }

    /// The heads of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// How often a path was requested.
    pub fn asked(&self, path: &str) -> usize {
        self.requests().iter().filter(|head| head.starts_with(&format!("GET {path} "))).count()
    }
}

fn answer(stream: &mut dyn Stream, handler: &Handler, requests: &Mutex<Vec<String>>) -> io::Result<()> {
    let (mut head, mut reader) = (String::new(), BufReader::new(&mut *stream));
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    requests.lock().unwrap().push(head);
    handler(&path, stream)
}

/// Sends a complete answer.
pub fn send(stream: &mut dyn Stream, status: &str, headers: &str, body: &[u8]) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(body)?;
    stream.flush()
}

/// Sends a page.
pub fn page(stream: &mut dyn Stream, html: &str) -> io::Result<()> {
    send(stream, "200 OK", "Content-Type: text/html; charset=utf-8\r\n", html.as_bytes())
}
