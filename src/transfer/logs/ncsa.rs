//! Lines of Apache, nginx and most other servers: `client ident user [time] "request" status bytes`, in the combined format
//! followed by `"referrer" "agent"`. A host can be in front, or at the end.

use std::borrow::Cow;

use super::request::{Request, clf_time, request_line, status, value};

/// The fields that a line has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// Whether it has the referrer and the agent.
    pub(super) combined: bool,
    /// Whether its last field is the host.
    pub(super) host_last: bool,
}

pub(super) fn parse(line: &[u8], fields: Fields) -> Option<Request<'_>> {
    let (before, at, rest) = split_at_time(line)?;
    let (request, rest) = quoted(rest.strip_prefix(b" ")?)?;
    let (code, rest) = word(rest.strip_prefix(b" ")?);
    let (bytes, rest) = word(rest.strip_prefix(b" ").unwrap_or_default());
    if bytes.is_empty() || !(bytes == b"-" || bytes.iter().all(u8::is_ascii_digit)) {
        return None;
    }
    let (referrer, agent, rest) = if fields.combined {
        let (referrer, rest) = quoted(rest.strip_prefix(b" ")?)?;
        let (agent, rest) = quoted(rest.strip_prefix(b" ")?)?;
        (Some(value(referrer)), Some(value(agent)), rest)
    } else {
        (None, None, rest)
    };
    let last = last_host(rest);
    // More fields may follow an agent. In the common format they can be an agent, which must not be overlooked.
    let is_alone = |host| host == rest.trim_ascii();
    if !(fields.combined || rest.trim_ascii().is_empty() || last.is_some_and(is_alone)) {
        return None;
    }
    let host = host_in_front(before)?.or(last.filter(|_| fields.host_last));
    let (method, target) = request_line(request);
    Some(Request { at, method, target, status: status(code)?, agent, referrer, host: host.map(Cow::Borrowed), prefetch: false })
}

/// Whether the last field of a line is a host.
pub(super) fn ends_with_host(line: &[u8]) -> bool {
    line.iter().rposition(|&byte| byte == b' ').is_some_and(|blank| last_host(&line[blank..]).is_some())
}

/// What is before the time, the time, and what is after it.
fn split_at_time(line: &[u8]) -> Option<(&[u8], chrono::DateTime<chrono::Utc>, &[u8])> {
    // A user's name can have brackets.
    let brackets = line.windows(2).enumerate().filter(|(_, pair)| *pair == b" [").map(|(at, _)| at);
    brackets.take(10).find_map(|at| {
        let rest = &line[at + 2..];
        let time = clf_time(rest.get(..26)?)?;
        Some((&line[..at], time, rest[26..].strip_prefix(b"]")?))
    })
}

/// The host in front of the client, if there is one; `None` if there are too few fields.
fn host_in_front(before: &[u8]) -> Option<Option<&[u8]>> {
    let mut words = before.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let (first, second, _third) = (words.next()?, words.next()?, words.next()?);
    // Without a host, the second field is the ident, which is always "-" in practice. A user's name can have blanks.
    Some((second != b"-" && words.next().is_some()).then_some(first))
}

/// The last field, if it is a host: names with a dot, the last of which is no number.
fn last_host(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.trim_ascii();
    let field = rest.rsplit(|&byte| byte == b' ').next()?;
    let field = field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field);
    let name = field.split(|&byte| byte == b':').next()?;
    let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    let last = &name[name.iter().rposition(|&byte| byte == b'.')? + 1..];
    (is_name && last.first().is_some_and(u8::is_ascii_alphabetic)).then_some(field)
}

/// The field up to the next blank, and the rest.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|&byte| byte == b' ').unwrap_or(text.len()))
}

/// The content of a quoted field without its escapes, and the rest.
fn quoted(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let (mut end, mut escaped) = (0, false);
    loop {
        match text.get(end)? {
            b'"' => break,
            b'\\' => {
                escaped = true;
                end += 2;
            }
            _ => end += 1,
        }
    }
    let (field, rest) = (&text[..end], &text[end + 1..]);
    Some((if escaped { Cow::Owned(unescape(field)) } else { Cow::Borrowed(field) }, rest))
}

/// Replaces `\x22`, `\"`, `\\` and the escapes of control characters by what they mean.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [byte, escape @ ..] = rest {
        let (meaning, length) = match (*byte, escape) {
            (b'\\', [b'x', high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => (hex(*high) << 4 | hex(*low), 3),
            (b'\\', [b'n', ..]) => (b'\n', 1),
            (b'\\', [b'r', ..]) => (b'\r', 1),
            (b'\\', [b't', ..]) => (b'\t', 1),
            (b'\\', [other, ..]) => (*other, 1),
            _ => (*byte, 0),
        };
        plain.push(meaning);
        rest = &escape[length..];
    }
    plain
}

fn hex(digit: u8) -> u8 {
    if digit.is_ascii_digit() { digit - b'0' } else { (digit | 0x20) - b'a' + 10 }
}
