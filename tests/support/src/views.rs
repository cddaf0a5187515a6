//! Views as portals send them; `""` as the article means a view of the site only.

use std::io;

use serde_json::{Value, json};

use crate::process::{
    Service,
    client::{Answer, Client},
};

/// The header and the body of a request that counts a view.
pub fn view(site: &str, article: &str) -> (String, String) {
    with_body(site, if article.is_empty() { String::new() } else { json!({ "article": article }).to_string() })
}

/// The same for a view that begins a visit.
fn visit(site: &str, article: &str) -> (String, String) {
    let article = (!article.is_empty()).then_some(article);
    with_body(site, json!({ "article": article, "visit": true }).to_string())
}

fn with_body(site: &str, body: String) -> (String, String) {
    let length = body.len();
    let head = format!(
        "POST /v1/sites/{site}/views HTTP/1.1\r\nhost: x\r\nuser-agent: Mozilla/5.0\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    (head, body)
}

impl Answer {
    /// Whether it acknowledges a view.
    pub fn counted(&self) -> bool {
        self.status == 200 && self.json()["counted"] == true
    }
}

impl Client {
    /// Sends a view.
    pub fn view(&mut self, site: &str, article: &str) -> io::Result<Answer> {
        let (head, body) = view(site, article);
        self.send(&(head + &body))?;
        self.answer()
    }

    /// Sends a view that begins a visit.
    pub fn visit(&mut self, site: &str, article: &str) -> io::Result<Answer> {
        let (head, body) = visit(site, article);
        self.send(&(head + &body))?;
        self.answer()
    }

    /// Sends a view that must be counted.
    #[track_caller]
    pub fn count(&mut self, site: &str, article: &str) -> Value {
        let answer = self.view(site, article).unwrap();
        assert!(answer.counted(), "{answer:?}");
        answer.json()
    }
}

impl Service {
    /// Sends a view that must be counted, over a new connection.
    #[track_caller]
    pub fn count(&self, site: &str, article: &str) -> Value {
        self.client().count(site, article)
    }

    /// Sends views of an article, or of the site only, over several connections at once.
    pub fn views(&self, site: &str, article: &str, count: usize) {
        const CONNECTIONS: usize = 16;
        std::thread::scope(|scope| {
            for connection in 0..CONNECTIONS.min(count) {
                scope.spawn(move || {
                    let mut client = self.client();
                    for _ in (connection..count).step_by(CONNECTIONS) {
                        client.count(site, article);
                    }
                });
            }
        });
    }
}
