//! The CSV export of GoatCounter, versions 1 and 2: one row for each page view, event and bot.

use chrono::DateTime;

use crate::{
    domain::period::BucketSet,
    transfer::{
        header::Header,
        lines::LINE_BYTES,
        reading::Reading,
        row::{Form, Line, Target},
    },
};

/// The positions of the fields in a line.
pub(in crate::transfer) struct GoatCounter {
    target: Target,
    event: usize,
    bot: usize,
    date: usize,
    columns: usize,
}

/// The version of the export precedes the name of the first column.
const VERSIONS: [&str; 2] = ["1path", "2path"];

impl GoatCounter {
    /// Whether this is the header of such a file.
    pub(in crate::transfer) fn has(header: &Header) -> bool {
        let first = header.names.first().map(|name| name.trim_start_matches(|c: char| c.is_ascii_digit()));
        first == Some("path") && header.has("event") && header.has("date")
    }

    /// Reads a header.
    pub(in crate::transfer) fn open(header: &Header, reading: &Reading) -> Result<Self, Vec<String>> {
        let mut mistakes = header.repeated();
        let target = Target::of(reading).map_err(|mut found| mistakes.append(&mut found)).ok();
        if !header.names.first().is_some_and(|first| VERSIONS.contains(&first.as_str())) {
            mistakes.push(
                "this version of GoatCounter's export is not known; versions 1 and 2 are, whose first column is 1Path or 2Path".into(),
            );
        }
        let mut needed = |name: &str| {
            header.place(name).unwrap_or_else(|| {
                mistakes.push(format!("missing column: {name}"));
                0
            })
        };
        let (event, bot, date, columns) = (needed("event"), needed("bot"), needed("date"), header.names.len());
        target.filter(|_| mistakes.is_empty()).map(|target| Self { target, event, bot, date, columns }).ok_or(mistakes)
    }
}

impl Form for GoatCounter {
    fn line(&self, fields: &[&str]) -> Result<Line, Vec<String>> {
        if fields.len() != self.columns {
            return Err(vec![format!("{} fields, but the header has {}", fields.len(), self.columns)]);
        }
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        let event = match field(self.event) {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            other => Err(format!("Event {other:?} is not true or false")),
        };
        // The number says how the bot was recognised.
        let bot = field(self.bot).parse::<u32>().map(|bot| bot > 0).map_err(|_| format!("Bot {:?} is not a number", field(self.bot)));
        let date = DateTime::parse_from_rfc3339(field(self.date))
            .map_err(|_| format!("Date {:?} is not a time such as 2026-11-22T01:30:00Z", field(self.date)));
        let (event, bot, date) = match (event, bot, date) {
            (Ok(event), Ok(bot), Ok(date)) => (event, bot, date.to_utc()),
            (event, bot, date) => return Err([event.err(), bot.err(), date.err()].into_iter().flatten().collect()),
        };
        let Target { site, timezone, until } = &self.target;
        if until.is_some_and(|until| until.leaves_out(date, *timezone)) {
            return Ok(Line::left_out("from --until on"));
        }
        if event {
            return Ok(Line::left_out("of events, which are no page views"));
        }
        if bot {
            return Ok(Line::left_out("of bots"));
        }
        let buckets = BucketSet::of_day(date.with_timezone(timezone).date_naive());
        Ok(Line::of_page(site, field(0), buckets, 1, true))
    }

    fn row_bytes(&self) -> usize {
        LINE_BYTES
    }

    fn is_multiline(&self) -> bool {
        true
    }

    fn without_rows(&self) -> Option<&'static str> {
        Some(
            "no page views in this export: GoatCounter keeps them only while \"Individual pageviews\" is on in the site's settings; \
             import the access logs of the web server instead, or write the totals as rows of site,article,period,views",
        )
    }
}
