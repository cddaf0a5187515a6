//! What a line of an access log says.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A request.
    Request(Request<'a>),
    /// Something else that belongs into the format: a directive, or a line of another logger.
    Other,
}

/// A request. Its texts are as the client sent them, without the escapes of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// When it came.
    pub at: DateTime<Utc>,
    /// The method.
    pub method: Cow<'a, [u8]>,
    /// The path and the query.
    pub target: Cow<'a, [u8]>,
    /// The status of the response.
    pub status: u16,
    /// The `User-Agent`, empty if the client sent none; `None` if the log does not have it.
    pub agent: Option<Cow<'a, [u8]>>,
    /// The `Referer`, empty if the client sent none; `None` if the log does not have it.
    pub referrer: Option<Cow<'a, [u8]>>,
    /// The host, with or without a port; `None` if the log does not have it.
    pub host: Option<Cow<'a, [u8]>>,
    /// Whether the browser loaded the page before the visitor opened it. Few logs have that.
    pub prefetch: bool,
}

/// The value of a field; a lone hyphen is an empty one.
pub(super) fn value(field: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if *field == *b"-" { Cow::Borrowed(b"") } else { field }
}

/// Splits `GET /path HTTP/1.1`. A path can have blanks, and HTTP/0.9 names no version. Anything else is a method alone.
pub(super) fn request_line(line: Cow<'_, [u8]>) -> (Cow<'_, [u8]>, Cow<'_, [u8]>) {
    let is_version = |blank: &usize| line[blank + 1..].starts_with(b"HTTP/");
    let first = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
    let last = line.iter().rposition(|&byte| byte == b' ').filter(|last| *last > first && is_version(last)).unwrap_or(line.len());
    let target = (first + 1).min(last)..last;
    match line {
        Cow::Borrowed(line) => (Cow::Borrowed(&line[..first]), Cow::Borrowed(&line[target])),
        Cow::Owned(line) => (Cow::Owned(line[..first].to_vec()), Cow::Owned(line[target].to_vec())),
    }
}

/// A status of three digits.
pub(super) fn status(text: &[u8]) -> Option<u16> {
    if text.len() == 3 { digits(text).and_then(|number| u16::try_from(number).ok()) } else { None }
}

/// A number in plain digits.
pub(super) fn digits(text: &[u8]) -> Option<u32> {
    let plain = (1..=9).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    plain.then(|| text.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

/// A time as `22/Nov/2026:10:15:00 +0700`.
pub(super) fn clf_time(text: &[u8]) -> Option<DateTime<Utc>> {
    const MONTHS: [&[u8]; 12] = [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let is_form = text.len() == 26
        && text.iter().zip(b"dd/MMM/yyyy:hh:mm:ss +zzzz").all(|(byte, form)| match form {
            b'/' | b':' | b' ' => byte == form,
            b'+' => matches!(byte, b'+' | b'-'),
            b'M' => byte.is_ascii_alphabetic(),
            _ => byte.is_ascii_digit(),
        });
    if !is_form {
        return None;
    }
    let number = |range: std::ops::Range<usize>| digits(&text[range]);
    let month = MONTHS.iter().position(|month| *month == &text[3..6])?;
    let day = NaiveDate::from_ymd_opt(number(7..11)?.cast_signed(), u32::try_from(month).ok()? + 1, number(0..2)?)?;
    // A leap second is the last second of its minute.
    let local = day.and_hms_opt(number(12..14)?, number(15..17)?, number(18..20)?.min(59))?;
    let offset = i64::from(number(22..24)? * 60 + number(24..26)?);
    let east = if text[21] == b'-' { -offset } else { offset };
    local.checked_sub_signed(chrono::TimeDelta::minutes(east)).map(|time| time.and_utc())
}
