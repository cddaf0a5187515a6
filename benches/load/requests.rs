//! The requests of a load, as bytes.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Zipf};

/// The kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Views,
    Figures,
}

/// The load on a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) kind: Kind,
    pub(crate) connections: usize,
    pub(crate) sites: usize,
    pub(crate) articles: usize,
    /// If set, views are distributed by Zipf's law; otherwise all articles have the same number.
    pub(crate) zipf: bool,
    pub(crate) seconds: u64,
    /// Requests per second of an open loop; `None` for a closed loop.
    pub(crate) rate: Option<f64>,
}

impl Load {
    pub(crate) fn new(kind: Kind, connections: usize, seconds: u64) -> Self {
        Self { kind, connections, sites: 1, articles: 1000, zipf: false, seconds, rate: None }
    }
}

/// The id of a site of the load; the number is below 10 000, and all ids have the same length.
pub(crate) fn site(number: usize) -> String {
    format!("site-{number:04}")
}

/// The id of an article of the load; the number is below 10 000 000, and all ids have the same length.
pub(crate) fn article(number: usize) -> String {
    format!("/tin/{number:07}")
}

/// Draws sites and articles, and writes their numbers into a prepared request. This keeps the generator cheap, because it
/// shares the processors with the server.
pub(crate) struct Requests {
    load: Load,
    zipf: Zipf<f64>,
    rng: StdRng,
    request: Vec<u8>,
    /// The ends of the numbers in it.
    site_end: usize,
    article_end: usize,
}

impl Requests {
    pub(crate) fn new(load: Load, seed: u64) -> Self {
        let (site, article) = (site(0), article(0));
        let head =
            "Host: 127.0.0.1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: */*\r\n";
        let request = match load.kind {
            Kind::Views => {
                let body = format!(r#"{{"article":"{article}"}}"#);
                let length = body.len();
                format!("POST /v1/sites/{site}/views HTTP/1.1\r\n{head}Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}")
            }
            Kind::Figures => format!("GET /v1/sites/{site}/figures?article={article} HTTP/1.1\r\n{head}\r\n"),
        };
        let end = |part: &str| request.find(part).expect("it is in there") + part.len();
        let (site_end, article_end) = (end(&site), end(&article));
        let zipf = Zipf::new(load.articles as f64, 1.0).expect("there are articles");
        Self { load, zipf, rng: StdRng::seed_from_u64(seed), request: request.into_bytes(), site_end, article_end }
    }

    pub(crate) fn next(&mut self) -> &[u8] {
        let Load { sites, articles, .. } = self.load;
        if sites > 1 {
            write(&mut self.request[..self.site_end], self.rng.random_range(0..sites));
        }
        let article = if self.load.zipf { self.zipf.sample(&mut self.rng) as usize - 1 } else { self.rng.random_range(0..articles) };
        write(&mut self.request[..self.article_end], article);
        &self.request
    }
}

/// Overwrites the digits at the end with a number.
fn write(text: &mut [u8], mut number: usize) {
    for digit in text.iter_mut().rev().take_while(|digit| digit.is_ascii_digit()) {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
