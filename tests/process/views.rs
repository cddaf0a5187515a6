//! Views, as portals send them; `""` for the article stands for a view of the site alone.

use std::io;

use serde_json::{Value, json};

use crate::process::{
    Service,
    client::{Answer, Client},
};

/// The header and the body of a request that counts a view.
pub(crate) fn view(site: &str, article: &str) -> (String, String) {
    let body = if article.is_empty() { String::new() } else { json!({ "article": article }).to_string() };
    let length = body.len();
    let head = format!(
        "POST /v1/sites/{site}/views HTTP/1.1\r\nhost: x\r\nuser-agent: Mozilla/5.0\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    (head, body)
}

impl Answer {
    /// Whether it acknowledges a view.
    pub(crate) fn counted(&self) -> bool {
        self.status == 200 && self.json()["counted"] == true
    }
}

impl Client {
    /// Sends a view.
    pub(crate) fn view(&mut self, site: &str, article: &str) -> io::Result<Answer> {
        let (head, body) = view(site, article);
        self.send(&(head + &body))?;
        self.answer()
    }

    /// Sends a view, which must be counted.
    #[track_caller]
    pub(crate) fn count(&mut self, site: &str, article: &str) -> Value {
        let answer = self.view(site, article).unwrap();
        assert!(answer.counted(), "{answer:?}");
        answer.json()
    }
}

impl Service {
    /// Sends a view, which must be counted, over a connection of its own.
    #[track_caller]
    pub(crate) fn count(&self, site: &str, article: &str) -> Value {
        self.client().count(site, article)
    }
}
