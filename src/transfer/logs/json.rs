//! Lines that are JSON objects: those of Caddy, and those of nginx with a `log_format` of this kind.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::request::{Line, Request, clf_time, request_line, status, value};

type Object = Map<String, Value>;

/// A line of Caddy.
pub(super) fn caddy(line: &[u8]) -> Option<Line<'static>> {
    let Value::Object(line) = serde_json::from_slice(line).ok()? else { return None };
    // Other loggers write into the same file.
    let (Some(Value::Object(request)), Some(code)) = (line.get("request"), line.get("status")) else { return Some(Line::Other) };
    let headers = request.get("headers").and_then(Value::as_object);
    let header = |name: &str| headers?.get(name)?.as_array()?.first()?.as_str();
    let prefetch = ["Sec-Purpose", "Purpose", "X-Moz"].into_iter().filter_map(header).any(is_prefetch);
    Some(Line::Request(Request {
        at: time(line.get("ts")?)?,
        method: bytes(request.get("method")?.as_str()?),
        target: bytes(request.get("uri")?.as_str()?),
        status: number(code)?,
        agent: headers.map(|_| bytes(header("User-Agent").unwrap_or_default())),
        referrer: headers.map(|_| bytes(header("Referer").unwrap_or_default())),
        host: request.get("host").and_then(Value::as_str).map(bytes),
        prefetch,
    }))
}

/// A line of nginx. The names of its fields are those of nginx's variables, or the usual ones of other tools.
pub(super) fn nginx(line: &[u8]) -> Option<Line<'static>> {
    // Without `escape=json`, nginx writes bytes in a way that JSON does not know.
    let (line, escaped) = mend_escapes(line);
    let Value::Object(object) = serde_json::from_slice(&line).ok()? else { return None };
    let text = |names: &[&str]| {
        let text = names.iter().find_map(|name| object.get(*name)?.as_str())?;
        Some(if escaped { latin_1(text) } else { bytes(text) })
    };
    let request = text(&["request"]).map(request_line);
    let (method, target) = match (text(&["request_method", "method"]), text(&["request_uri", "path", "uri", "url"]), request) {
        (Some(method), Some(target), _) | (None, Some(target), Some((method, _))) => (method, target),
        (_, None, Some(request)) => request,
        _ => return None,
    };
    let prefetch = ["http_sec_purpose", "http_purpose", "http_x_moz", "sec_purpose"];
    Some(Line::Request(Request {
        at: times(&object)?,
        method,
        target,
        status: number(object.get("status")?)?,
        agent: text(&["http_user_agent", "user_agent", "agent"]).map(value),
        referrer: text(&["http_referer", "http_referrer", "referer", "referrer"]).map(value),
        host: text(&["host", "http_host", "server_name", "vhost"]).filter(|host| **host != *b"-" && !host.is_empty()),
        prefetch: prefetch.iter().filter_map(|name| object.get(*name)?.as_str()).any(is_prefetch),
    }))
}

fn times(object: &Object) -> Option<DateTime<Utc>> {
    let names = ["time_iso8601", "msec", "time_local", "@timestamp", "timestamp", "time", "date", "ts"];
    names.iter().find_map(|name| object.get(*name).and_then(time))
}

/// A time: in words, or in seconds, or smaller units, since 1970.
fn time(value: &Value) -> Option<DateTime<Utc>> {
    const MILLISECONDS: f64 = 1e11;
    const MICROSECONDS: f64 = 1e14;
    const NANOSECONDS: f64 = 1e17;
    let since = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => {
            let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            let known = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"));
            return match known.ok().map(|time| time.to_utc()).or_else(|| clf_time(text.as_bytes())) {
                Some(time) => Some(time),
                // nginx writes `"$msec"`, also in quotes.
                None => time(&Value::Number(serde_json::Number::from_f64(text.parse().ok()?)?)),
            };
        }
        _ => return None,
    };
    let seconds = match since {
        _ if since >= NANOSECONDS => since / 1e9,
        _ if since >= MICROSECONDS => since / 1e6,
        _ if since >= MILLISECONDS => since / 1e3,
        _ => since,
    };
    #[expect(clippy::cast_possible_truncation, reason = "a float that is too large becomes the largest integer, which is no time")]
    DateTime::from_timestamp((seconds.floor()) as i64, 0)
}

/// A status, as a number or as text.
fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        Value::String(text) => status(text.as_bytes()),
        _ => None,
    }
}

fn is_prefetch(value: &str) -> bool {
    value.to_ascii_lowercase().contains("prefetch")
}

fn bytes(text: &str) -> Cow<'static, [u8]> {
    Cow::Owned(text.as_bytes().to_vec())
}

/// The bytes that nginx has escaped, by [`mend_escapes`] as the characters of the same number.
fn latin_1(text: &str) -> Cow<'static, [u8]> {
    let decoded: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
    decoded.map_or_else(|_| bytes(text), Cow::Owned)
}

/// Replaces `\x` by `\u00`, and returns whether there was one.
fn mend_escapes(line: &[u8]) -> (Cow<'_, [u8]>, bool) {
    let mut mended = Vec::new();
    let (mut from, mut at) = (0, 0);
    while at + 1 < line.len() {
        match (line[at], line[at + 1]) {
            (b'\\', b'x') => {
                mended.extend_from_slice(&line[from..at]);
                mended.extend_from_slice(br"\u00");
                at += 2;
                from = at;
            }
            // The byte after a backslash does not begin another escape.
            (b'\\', _) => at += 2,
            _ => at += 1,
        }
    }
    if from == 0 {
        return (Cow::Borrowed(line), false);
    }
    mended.extend_from_slice(&line[from..]);
    (Cow::Owned(mended), true)
}
