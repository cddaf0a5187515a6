//! Access logs of a portal with known truth: what each format makes of the same requests, and how many views there are.

use std::{collections::BTreeMap, fmt::Write as _};

use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta, Utc};
use percent_encoding::percent_decode;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use unicode_normalization::UnicodeNormalization;

/// A browser.
pub const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

const PHONE: &str =
    "Mozilla/5.0 (Linux; Android 15; SM-A556E) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36";

const BOTS: [&str; 4] = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.14.1",
    "",
    "Mozilla/5.0 (compatible; coccocbot-web/1.0; +http://help.coccoc.com/searchengine)",
];

const ARTICLES: [&str; 6] = [
    "/tin-tức/đường-sắt-đô-thị",
    "/văn-bản/nghị-quyết-số-12",
    "/Thời sự/Lũ quét ở miền Trung",
    "/tin/thủ-tục-hành-chính.aspx",
    "/thông-báo/lịch-tiếp-công-dân",
    "/tin/ß-and-ÿ",
];

/// Bytes of windows-1258, which are no UTF-8. The script leaves such a path encoded.
const OLD_ENCODING: (&[u8], &str) = (b"/tin/th\xf4ng-b\xe1o", "/tin/th%F4ng-b%E1o");

/// Pages of the portal itself, from which a reader goes on.
const OWN: [&str; 3] = ["https://portal.example.vn/", "https://portal.example.vn/tin/1?page=2", "http://portal.example.vn:8080/a"];

/// Where visits begin; an empty one is a typed address, a bookmark, or an application.
const ELSEWHERE: [&str; 6] = [
    "",
    "https://www.google.com/",
    "https://m.facebook.com/l.php?u=https%3A%2F%2Fportal.example.vn%2Ftin%2F1",
    "https://portal.example.vn.example.com/",
    "https://example.com/portal.example.vn",
    "android-app://com.google.android.googlequicksearchbox/",
];

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub at: DateTime<Utc>,
    pub client: String,
    pub method: &'static str,
    pub target: Vec<u8>,
    pub status: u16,
    pub agent: &'static str,
    /// Empty if the browser sent none.
    pub referrer: &'static str,
}

/// Requests, and what they are.
#[derive(Debug, Default)]
pub struct Traffic {
    pub entries: Vec<Entry>,
    /// The views of each day, of the site and of each article.
    pub views: BTreeMap<(NaiveDate, String), u64>,
    /// The visits of each day.
    pub visits: BTreeMap<NaiveDate, u64>,
    /// How many requests are no views, by the reason.
    pub left_out: BTreeMap<&'static str, u64>,
}

/// The time zone of the portal.
pub fn zone() -> FixedOffset {
    FixedOffset::east_opt(7 * 3600).unwrap()
}

impl Traffic {
    /// A week of requests over a month's end.
    pub fn week(requests: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let first: DateTime<Utc> = "2026-10-28T00:00:00+07:00".parse().unwrap();
        let mut traffic = Self::default();
        for number in 0..requests {
            let elapsed = 7.0 * 86_400.0 * number as f64 / requests as f64;
            // Lines are written when responses end, so their times are not in order.
            let at = first + TimeDelta::seconds((elapsed as i64 - random.random_range(0..20)).max(0));
            traffic.add(&mut random, at);
        }
        traffic
    }

    fn add(&mut self, random: &mut StdRng, at: DateTime<Utc>) {
        let client = format!("203.0.113.{}", random.random_range(1..250));
        let agent = if random.random_bool(0.5) { BROWSER } else { PHONE };
        let (article, target) = page(random);
        let is_visit = random.random_bool(0.4);
        let referrer = if is_visit { ELSEWHERE[random.random_range(0..ELSEWHERE.len())] } else { OWN[random.random_range(0..OWN.len())] };
        let mut entry = Entry { at, client, method: "GET", target, status: 200, agent, referrer };
        let reason = match random.random_range(0..100) {
            0..40 => None,
            40..45 => {
                entry.status = 304;
                None
            }
            45..70 => {
                let files = ["/css/site.css?v=3", "/js/app.JS", "/hinh/anh%20bia.jpg", "/favicon.ico", "/van-ban/12.pdf", "/robots.txt"];
                entry.target = files[random.random_range(0..files.len())].into();
                Some("file")
            }
            70..82 => {
                entry.agent = BOTS[random.random_range(0..BOTS.len())];
                Some("bot")
            }
            82..90 => {
                entry.status = [301, 302, 403, 404, 500, 502, 206][random.random_range(0..7)];
                Some("status")
            }
            90..94 => {
                entry.method = ["POST", "HEAD", "OPTIONS"][random.random_range(0..3)];
                Some("method")
            }
            94..97 => {
                entry.target = "/v1/sites/portal/figures?article=%2Ftin%2F1".into();
                Some("truycap")
            }
            // What a scanner sends to a port without TLS.
            _ => {
                (entry.method, entry.target, entry.status) = ("\u{16}\u{3}\u{1}", Vec::new(), 400);
                Some("method")
            }
        };
        // A reader who loads a page again has read it twice. The browser sends the same referrer again.
        let times = if reason.is_none() && random.random_bool(0.1) { 2 } else { 1 };
        for _ in 0..times {
            self.count(at, reason, &article, is_visit);
            self.entries.push(entry.clone());
        }
    }

    fn count(&mut self, at: DateTime<Utc>, reason: Option<&'static str>, article: &str, is_visit: bool) {
        let day = at.with_timezone(&zone()).date_naive();
        match reason {
            Some(reason) => *self.left_out.entry(reason).or_default() += 1,
            None => {
                *self.views.entry((day, String::new())).or_default() += 1;
                *self.visits.entry(day).or_default() += u64::from(is_visit);
                if !article.is_empty() {
                    *self.views.entry((day, article.to_owned())).or_default() += 1;
                }
            }
        }
    }

    /// The views and visits as a file that truycap imports.
    pub fn as_csv(&self, site: &str) -> String {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["site", "article", "period", "views", "visits"]).unwrap();
        for ((day, article), views) in &self.views {
            let visits = if article.is_empty() { self.visits[day].to_string() } else { String::new() };
            csv.write_record([site, article, &day.to_string(), &views.to_string(), &visits]).unwrap();
        }
        String::from_utf8(csv.into_inner().unwrap()).unwrap()
    }

    /// All views.
    pub fn total(&self) -> u64 {
        self.views.iter().filter(|((_, article), _)| article.is_empty()).map(|(_, views)| views).sum()
    }

    /// All visits.
    pub fn all_visits(&self) -> u64 {
        self.visits.values().sum()
    }

    /// The log of nginx in its combined format.
    pub fn combined(&self) -> Vec<u8> {
        self.lines(|entry, line| {
            let time = entry.at.with_timezone(&zone()).format("%d/%b/%Y:%H:%M:%S %z");
            let request = request_line(entry);
            let [referrer, agent] = [entry.referrer, entry.agent].map(or_hyphen);
            write!(line, "{} - - [{time}] \"{}\" {} 5120 ", entry.client, escaped(&request, b"\"\\"), entry.status).unwrap();
            write!(line, "\"{referrer}\" \"{agent}\"").unwrap();
        })
    }

    /// The log of nginx as JSON, with the escapes that it writes by default.
    pub fn nginx_json(&self) -> Vec<u8> {
        self.lines(|entry, line| {
            let time = entry.at.format("%Y-%m-%dT%H:%M:%S+00:00");
            let [method, target] = [entry.method.as_bytes(), &entry.target].map(|text| escaped(text, b"\"\\"));
            write!(line, "{{\"time_iso8601\":\"{time}\",\"remote_addr\":\"{}\",\"request_method\":\"{method}\",", entry.client).unwrap();
            write!(line, "\"request_uri\":\"{target}\",\"status\":{},\"http_user_agent\":\"{}\",", entry.status, entry.agent).unwrap();
            write!(line, "\"http_referer\":\"{}\"}}", or_hyphen(entry.referrer)).unwrap();
        })
    }

    /// The log of Caddy.
    pub fn caddy(&self) -> Vec<u8> {
        self.lines(|entry, line| {
            let target = percent(&entry.target, |byte| byte >= 0x80, true);
            let mut headers = json!({ "User-Agent": [entry.agent] });
            if !entry.referrer.is_empty() {
                headers["Referer"] = json!([entry.referrer]);
            }
            let request = json!({
                "remote_ip": entry.client, "client_ip": entry.client, "proto": "HTTP/2.0", "method": entry.method,
                "host": "portal.example.vn", "uri": target, "headers": headers
            });
            let ts = entry.at.timestamp() as f64 + 0.25;
            let access = json!({
                "level": "info", "ts": ts, "logger": "http.log.access", "msg": "handled request",
                "request": request, "duration": 0.003, "size": 5120, "status": entry.status
            });
            write!(line, "{access}").unwrap();
        })
    }

    /// The log of IIS: paths decoded, blanks as plus signs, times in UTC.
    pub fn w3c(&self) -> Vec<u8> {
        let mut log = b"#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Date: 2026-10-27 17:00:00\r\n\
            #Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port c-ip cs(User-Agent) cs(Referer) sc-status time-taken\r\n"
            .to_vec();
        for entry in &self.entries {
            let mut parts = entry.target.splitn(2, |&byte| byte == b'?');
            let (stem, query) = (parts.next().unwrap_or_default(), parts.next().unwrap_or(b"-"));
            let [referrer, agent] = [entry.referrer, entry.agent].map(or_hyphen);
            let method = if entry.target.is_empty() { "-" } else { entry.method };
            log.extend(entry.at.format("%Y-%m-%d %H:%M:%S 10.0.0.5 ").to_string().bytes());
            log.extend(format!("{method} ").bytes());
            let stem: Vec<u8> = if stem.is_empty() { b"-".to_vec() } else { percent_decode(stem).collect() };
            log.extend(stem.iter().map(|&byte| if byte == b' ' { b'+' } else { byte }));
            log.extend([b" ", query].concat());
            log.extend(format!(" 443 {} {} {referrer} {} 12\r\n", entry.client, agent.replace(' ', "+"), entry.status).bytes());
        }
        log
    }

    fn lines(&self, write: impl Fn(&Entry, &mut String)) -> Vec<u8> {
        let (mut log, mut line) = (Vec::new(), String::new());
        for entry in &self.entries {
            line.clear();
            write(entry, &mut line);
            log.extend(line.bytes().chain([b'\n']));
        }
        log
    }
}

/// A missing header, as most servers write it.
fn or_hyphen(header: &'static str) -> &'static str {
    if header.is_empty() { "-" } else { header }
}

fn request_line(entry: &Entry) -> Vec<u8> {
    if entry.target.is_empty() {
        return entry.method.as_bytes().to_vec();
    }
    [entry.method.as_bytes(), b" ", &entry.target, b" HTTP/1.1"].concat()
}

/// A page, and the address by which a reader opens it. The home page is no article.
fn page(random: &mut StdRng) -> (String, Vec<u8>) {
    match random.random_range(0..100) {
        0..8 => (String::new(), ["/", "/index.html", "/?utm_source=x"][random.random_range(0..3)].into()),
        8..58 => {
            // Few articles have most of the views.
            let number = (random.random_range(0.0_f64..1.0).powi(4) * 3000.0) as u32;
            let ending = ["", "/", "?page=2", "/index.html"][random.random_range(0..4)];
            (format!("/tin/bai-viet-{number}"), format!("/tin/bai-viet-{number}{ending}").into())
        }
        58..61 => {
            let raw = random.random_bool(0.5);
            (OLD_ENCODING.1.into(), if raw { OLD_ENCODING.0.into() } else { OLD_ENCODING.1.into() })
        }
        _ => {
            let article = ARTICLES[random.random_range(0..ARTICLES.len())];
            (article.into(), spelled(article, random))
        }
    }
}

/// One of the spellings of a path.
fn spelled(article: &str, random: &mut StdRng) -> Vec<u8> {
    let decomposed: String = article.nfd().collect();
    let text = if random.random_bool(0.3) { &decomposed } else { article };
    let special = |byte: u8| byte >= 0x80 || byte == b' ';
    match random.random_range(0..4) {
        // Some clients send the bytes as they are.
        0 => text.replace(' ', "%20").into(),
        1 => percent(text.as_bytes(), special, true).into(),
        2 => percent(text.as_bytes(), special, false).into(),
        _ => {
            let mut mixed = percent(text.as_bytes(), |byte| special(byte) || byte == b'-', true);
            for (at, c) in mixed.clone().char_indices().filter(|(_, c)| c.is_ascii_uppercase()) {
                // Only the digits of an encoded byte have no case.
                let is_digit = mixed[..at].ends_with('%') || mixed[..at.saturating_sub(1)].ends_with('%');
                if is_digit && random.random_bool(0.5) {
                    mixed.replace_range(at..=at, &c.to_ascii_lowercase().to_string());
                }
            }
            mixed.into()
        }
    }
}

fn percent(bytes: &[u8], special: impl Fn(u8) -> bool, upper: bool) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match (special(byte), upper) {
            (false, _) => text.push(char::from(byte)),
            (true, true) => write!(text, "%{byte:02X}").unwrap(),
            (true, false) => write!(text, "%{byte:02x}").unwrap(),
        }
    }
    text
}

/// Writes bytes as nginx does: `\xHH` for those that are not printable ASCII.
fn escaped(bytes: &[u8], quotes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        if (32..127).contains(&byte) && !quotes.contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "\\x{byte:02X}").unwrap();
        }
    }
    text
}
