//! The formats of access logs, and which one a log has.

use std::{fmt, str::FromStr};

use chrono::Datelike;

use super::{
    json,
    ncsa::{self, Fields},
    request::Line,
    w3c::Columns,
};

/// A line of an earlier year is not understood: there was no web.
const FIRST_YEAR: i32 = 1990;

/// A format of access logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Apache's and nginx's usual one, with referrer and agent.
    Combined,
    /// The same without referrer and agent.
    Common,
    /// Caddy's JSON.
    Caddy,
    /// JSON with the names of nginx's variables.
    NginxJson,
    /// W3C extended: IIS, CloudFront.
    W3c,
}

impl Format {
    /// All formats, in the order in which they are tried.
    pub const ALL: [Self; 5] = [Self::Combined, Self::Common, Self::Caddy, Self::NginxJson, Self::W3c];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Combined => "combined",
            Self::Common => "common",
            Self::Caddy => "caddy",
            Self::NginxJson => "nginx-json",
            Self::W3c => "w3c",
        }
    }

    /// The format that most of the first lines of a log have; `None` if no line has any.
    #[must_use]
    pub fn detect(head: &[&[u8]]) -> Option<Self> {
        let fitting = |format| {
            let mut parser = Parser::new(format, head);
            head.iter().filter(|line| matches!(parser.parse(line), Some(Line::Request(_)))).count()
        };
        let counts = Self::ALL.map(|format| (fitting(format), format));
        // The earliest of several with as many.
        counts.into_iter().rev().max_by_key(|(count, _)| *count).filter(|(count, _)| *count > 0).map(|(_, format)| format)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or(())
    }
}

/// Reads the lines of a log, from the first to the last.
#[derive(Clone, Debug)]
pub struct Parser(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Ncsa(Fields),
    Caddy,
    NginxJson,
    W3c(Columns),
}

impl Parser {
    /// A parser for a log that begins with these lines, which show whether the last field is the host.
    #[must_use]
    pub fn new(format: Format, head: &[&[u8]]) -> Self {
        Self(match format {
            Format::Combined | Format::Common => Kind::Ncsa(fields(format == Format::Combined, head)),
            Format::Caddy => Kind::Caddy,
            Format::NginxJson => Kind::NginxJson,
            Format::W3c => Kind::W3c(Columns::default()),
        })
    }

    /// Reads a line that is not counted: it can name the columns of later ones.
    pub fn skip(&mut self, line: &[u8]) {
        if let Kind::W3c(columns) = &mut self.0 {
            columns.read(line);
        }
    }

    /// Reads a line without its line end; `None` if it does not have the format. In each format, a line that begins with `#` is a
    /// comment.
    pub fn parse<'a>(&mut self, line: &'a [u8]) -> Option<Line<'a>> {
        if line.starts_with(b"#") {
            self.skip(line);
            return Some(Line::Other);
        }
        let parsed = match &mut self.0 {
            Kind::Ncsa(fields) => ncsa::parse(line, *fields).map(Line::Request),
            Kind::Caddy => json::caddy(line),
            Kind::NginxJson => json::nginx(line),
            Kind::W3c(columns) => columns.parse(line),
        };
        parsed.filter(|line| !matches!(line, Line::Request(request) if request.at.year() < FIRST_YEAR))
    }
}

fn fields(combined: bool, head: &[&[u8]]) -> Fields {
    let plain = Fields { combined, host_last: false };
    let mut lines = head.iter().filter(|line| ncsa::parse(line, plain).is_some()).peekable();
    let host_last = lines.peek().is_some() && lines.all(|line| ncsa::ends_with_host(line));
    Fields { host_last, ..plain }
}
