//! W3C extended logs, as IIS and CloudFront write them: `#Fields:` names the columns, and times are in UTC.

use std::borrow::Cow;

use chrono::NaiveDate;
use percent_encoding::percent_decode;

use super::request::{Line, Request, digits, status, value};

/// More columns than any server writes.
const MAX_COLUMNS: usize = 200;

/// The columns, by the latest `#Fields:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    count: usize,
    date: Option<usize>,
    time: Option<usize>,
    method: Option<usize>,
    path: Option<usize>,
    query: Option<usize>,
    status: Option<usize>,
    agent: Option<usize>,
    referrer: Option<usize>,
    host: Option<usize>,
}

impl Columns {
    /// Takes the columns from a line, if it names them.
    pub(super) fn read(&mut self, line: &[u8]) {
        let Some(names) = line.strip_prefix(b"#Fields:") else { return };
        let names: Vec<_> = names.split(u8::is_ascii_whitespace).filter(|name| !name.is_empty()).take(MAX_COLUMNS).collect();
        let place = |name: &str| names.iter().position(|known| known.eq_ignore_ascii_case(name.as_bytes()));
        *self = Self {
            count: names.len(),
            date: place("date"),
            time: place("time"),
            method: place("cs-method"),
            path: place("cs-uri-stem"),
            query: place("cs-uri-query"),
            status: place("sc-status"),
            agent: place("cs(User-Agent)"),
            referrer: place("cs(Referer)"),
            // CloudFront's `cs(Host)` is its own name.
            host: place("x-host-header").or_else(|| place("cs-host")).or_else(|| place("cs(Host)")),
        };
    }

    pub(super) fn parse<'a>(&self, line: &'a [u8]) -> Option<Line<'a>> {
        // CloudFront separates by tabs, and encodes what others write with a plus sign for each blank.
        let tabs = line.contains(&b'\t');
        let fields: Vec<_> = line.split(|&byte| byte == if tabs { b'\t' } else { b' ' }).take(MAX_COLUMNS + 1).collect();
        if fields.len() != self.count {
            return None;
        }
        let field = |place: Option<usize>| place.and_then(|place| fields.get(place)).copied();
        let plain = |field: &'a [u8]| if tabs { Cow::Borrowed(field) } else { blanks(field) };
        let at = date(field(self.date)?)?.and_time(time(field(self.time)?)?).and_utc();
        let mut target = plain(field(self.path)?);
        if let Some(query) = field(self.query).filter(|query| !query.is_empty() && *query != b"-") {
            target = Cow::Owned([&target, &b"?"[..], query].concat());
        }
        let header = |place| field(place).map(|text| value(if tabs { decoded_twice(text) } else { blanks(text) }));
        Some(Line::Request(Request {
            at,
            method: Cow::Borrowed(field(self.method)?),
            target,
            status: status(field(self.status)?)?,
            agent: header(self.agent),
            referrer: header(self.referrer),
            host: field(self.host).filter(|host| *host != b"-").map(Cow::Borrowed),
            prefetch: false,
        }))
    }
}

/// Replaces plus signs by blanks.
fn blanks(field: &[u8]) -> Cow<'_, [u8]> {
    if !field.contains(&b'+') {
        return Cow::Borrowed(field);
    }
    Cow::Owned(field.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect())
}

fn decoded_twice(field: &[u8]) -> Cow<'_, [u8]> {
    let once: Cow<'_, [u8]> = percent_decode(field).into();
    Cow::Owned(percent_decode(&once).collect())
}

/// A day as `2026-11-22`.
fn date(text: &[u8]) -> Option<NaiveDate> {
    let mut parts = text.split(|&byte| byte == b'-');
    let day = NaiveDate::from_ymd_opt(digits(parts.next()?)?.cast_signed(), digits(parts.next()?)?, digits(parts.next()?)?);
    day.filter(|_| text.len() == 10 && parts.next().is_none())
}

/// A time as `10:15:00`, also with a fraction.
fn time(text: &[u8]) -> Option<chrono::NaiveTime> {
    let mut parts = text.split(|&byte| byte == b':');
    let (hour, minute, second) = (digits(parts.next()?)?, digits(parts.next()?)?, parts.next()?);
    let second = digits(second.split(|&byte| byte == b'.').next()?)?.min(59);
    chrono::NaiveTime::from_hms_opt(hour, minute, second).filter(|_| parts.next().is_none())
}
