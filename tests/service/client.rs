//! A client that knows whether an answer came, and whether it came whole.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};

/// Longer than the service may take for any answer.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The header, in small letters.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Whether it acknowledges a view.
    pub(crate) fn counted(&self) -> bool {
        self.status == 200 && self.json()["counted"] == true
    }

    /// Whether it says that a view is certainly not counted.
    pub(crate) fn refused(&self) -> bool {
        self.status == 503 && self.body.contains("was not counted")
    }
}

/// One connection, kept alive.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address.parse().map_err(io::Error::other)?, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub(crate) fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    /// Reads a complete answer.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.split("\r\n").next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, head, body: String::from_utf8(body).map_err(io::Error::other)? })
    }

    pub(crate) fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))?;
        self.answer()
    }

    /// Sends a view; of the site alone where `article` is empty.
    pub(crate) fn view(&mut self, site: &str, article: &str) -> io::Result<Answer> {
        let (head, body) = view(site, article);
        self.send(&(head + &body))?;
        self.answer()
    }
}

/// The header and the body of a request that counts a view.
pub(crate) fn view(site: &str, article: &str) -> (String, String) {
    let body = if article.is_empty() { String::new() } else { json!({ "article": article }).to_string() };
    let length = body.len();
    let head =
        format!("POST /v1/sites/{site}/views HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    (head, body)
}
