//! What an import of a log did, or would do.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
};

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::{
    format::Format,
    views::{Reason, SiteAlone, View},
};
use crate::domain::{MAX_COUNT, period::Period, site::SiteId, visible::visible};

/// How many lines are named; the others are counted.
pub(super) const MAX_NAMED: usize = 100;

/// How many lines of each reason the text names.
const SHOWN: usize = 5;

/// A log with so many views of a site has some whose referrer is a page of the site, unless referrers are left out.
const MANY_VIEWS: u64 = 100;

/// How much of a line is shown, in characters.
const MAX_SHOWN: usize = 200;

/// Lines: how many, and the numbers of the first hundred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineSet {
    /// How many.
    pub count: u64,
    /// The first ones, counted from 1.
    pub first: Vec<u64>,
}

impl LineSet {
    fn add(&mut self, line: u64) {
        self.count += 1;
        if self.first.len() < MAX_NAMED {
            self.first.push(line);
        }
    }

    fn append(&mut self, later: Self) {
        self.count += later.count;
        let room = MAX_NAMED.saturating_sub(self.first.len());
        self.first.extend(later.first.into_iter().take(room));
    }

    fn json(&self) -> Value {
        json!({ "lines": self.count, "first": self.first })
    }
}

impl Display for LineSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> = self.first.iter().take(SHOWN).map(u64::to_string).collect();
        let more = if self.count > SHOWN as u64 { ", …" } else { "" };
        write!(f, "{} (line{} {}{more})", self.count, if self.count == 1 { "" } else { "s" }, shown.join(", "))
    }
}

/// What some lines were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// How many lines there were.
    pub lines: u64,
    /// The views of each day.
    pub days: BTreeMap<NaiveDate, u64>,
    /// The visits of each day: some of its views.
    pub visits: BTreeMap<NaiveDate, u64>,
    /// Views that count for the site alone, by the reason.
    pub site_alone: BTreeMap<SiteAlone, LineSet>,
    /// Requests that are no views, by the reason.
    pub left_out: BTreeMap<Reason, LineSet>,
    /// Lines that are no requests: blank ones, directives, lines of other loggers.
    pub no_requests: u64,
    /// Lines that were not understood, with what the first ones say.
    pub not_understood: (LineSet, Vec<String>),
    /// How many views have no agent because the format has none.
    pub without_agent: u64,
    /// How many views have no referrer because the format has none. It is not known whether they begin a visit.
    pub without_referrer: u64,
}

impl LineCounts {
    pub(super) fn add_view(&mut self, line: u64, view: &View) {
        *self.days.entry(view.day).or_default() += 1;
        if view.is_visit == Some(true) {
            *self.visits.entry(view.day).or_default() += 1;
        }
        if let Err(reason) = view.article {
            self.site_alone.entry(reason).or_default().add(line);
        }
    }

    pub(super) fn leave_out(&mut self, line: u64, reason: Reason) {
        self.left_out.entry(reason).or_default().add(line);
    }

    pub(super) fn add_not_understood(&mut self, line: u64, text: Option<&[u8]>) {
        let (lines, texts) = &mut self.not_understood;
        lines.add(line);
        if texts.len() < MAX_NAMED {
            texts.push(shown(text));
        }
    }

    pub(super) fn append(&mut self, later: Self) {
        self.lines += later.lines;
        self.no_requests += later.no_requests;
        self.without_agent += later.without_agent;
        self.without_referrer += later.without_referrer;
        for (sums, later) in [(&mut self.days, later.days), (&mut self.visits, later.visits)] {
            later.into_iter().for_each(|(day, count)| *sums.entry(day).or_default() += count);
        }
        later.site_alone.into_iter().for_each(|(reason, lines)| self.site_alone.entry(reason).or_default().append(lines));
        later.left_out.into_iter().for_each(|(reason, lines)| self.left_out.entry(reason).or_default().append(lines));
        self.not_understood.0.append(later.not_understood.0);
        let room = MAX_NAMED.saturating_sub(self.not_understood.1.len());
        self.not_understood.1.extend(later.not_understood.1.into_iter().take(room));
    }

    /// All views.
    #[must_use]
    pub fn views(&self) -> u64 {
        self.days.values().sum()
    }

    /// All visits; `None` if the log does not have the referrer of any view.
    #[must_use]
    pub fn visits(&self) -> Option<u64> {
        (self.without_referrer == 0 || self.without_referrer < self.views()).then(|| self.visits.values().sum())
    }
}

/// A line as it is shown: hidden characters, and bytes that are not text, are visible.
pub(super) fn shown(text: Option<&[u8]>) -> String {
    let Some(text) = text else { return "(too long)".into() };
    let start: String = String::from_utf8_lossy(text.get(..4 * MAX_SHOWN).unwrap_or(text)).chars().take(MAX_SHOWN).collect();
    let shown = visible(&start).into_owned();
    if text.len() > shown.len() && text.len() > MAX_SHOWN { shown + "…" } else { shown }
}

/// What an import of a log did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSummary {
    /// The site.
    pub site: SiteId,
    /// The format; `None` if the log has no lines yet.
    pub format: Option<Format>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// How many lines had been read before.
    pub before: u64,
    /// What the other lines are.
    pub counts: LineCounts,
    /// Whether the log ends within a line, which is read the next time.
    pub unfinished: bool,
    /// The number of the import in the audit list; `None` if nothing of the log was ever added.
    pub number: Option<u64>,
    /// Whether a counter has reached [`MAX_COUNT`] and stays there.
    pub saturated: bool,
    /// Whether the store found this machine's clock to be far away from its own time.
    pub clock_jumped: bool,
}

impl LogSummary {
    /// The command that takes back the import.
    #[must_use]
    pub fn undo(&self) -> Option<String> {
        self.number.map(|number| format!("truycap undo {} {number}", self.site))
    }

    /// What the operator should know of an import that worked, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let counts = &self.counts;
        let host = counts.left_out.get(&Reason::Host).map_or(0, |lines| lines.count);
        let all = [
            (self.saturated, format!("a counter has reached {MAX_COUNT} and stays there; some views are missing from it")),
            (self.clock_jumped, "this machine's clock is more than a day away from the latest time of the store; check it".into()),
            (
                counts.without_agent > 0 && counts.views() > 0,
                "the log does not have the User-Agent, so the views of bots are among these".into(),
            ),
            (
                counts.without_referrer > 0,
                format!("the log does not have the Referer of {}, so their visits are missing", count_of(counts.without_referrer, "view")),
            ),
            (
                counts.views() >= MANY_VIEWS && counts.visits() == Some(counts.views()),
                "each view counts as a visit, because no Referer is a page of the site: does the log leave it out, or do the pages forbid it \
                 (Referrer-Policy)?"
                    .into(),
            ),
            (
                counts.views() == 0 && host > 0,
                format!("all requests that could be views are of other hosts than the origins of site {}", self.site),
            ),
        ];
        all.into_iter().filter(|(is, _)| *is).map(|(_, warning)| warning).collect()
    }

    /// The views and visits of each year, month and day, in the order of a calendar.
    fn periods(&self) -> Vec<(Period, String, [u64; 2])> {
        let mut rows: Vec<(Period, String, [u64; 2])> = Vec::new();
        let mut at = [None; 2];
        for (day, views) in &self.counts.days {
            let counts = [*views, self.counts.visits.get(day).copied().unwrap_or_default()];
            for (period, place) in [Period::Year, Period::Month].into_iter().zip(&mut at) {
                let name = period.bucket(*day).to_string();
                match place.filter(|row: &usize| rows[*row].1 == name) {
                    Some(row) => rows[row].2.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count),
                    None => {
                        *place = Some(rows.len());
                        rows.push((period, name, counts));
                    }
                }
            }
            rows.push((Period::Day, Period::Day.bucket(*day).to_string(), counts));
        }
        rows
    }

    /// The summary as JSON.
    #[must_use]
    pub fn json(&self, file: &str) -> Value {
        let counts = &self.counts;
        let of = |which: usize, period: Period| -> serde_json::Map<String, Value> {
            self.periods().into_iter().filter(|(of, ..)| *of == period).map(|(_, name, counts)| (name, counts[which].into())).collect()
        };
        let views = |period| of(0, period);
        let visits = counts.visits().map(
            |total| json!({ "total": total, "years": of(1, Period::Year), "months": of(1, Period::Month), "days": of(1, Period::Day) }),
        );
        let not_understood: Vec<_> = counts
            .not_understood
            .0
            .first
            .iter()
            .zip(&counts.not_understood.1)
            .map(|(line, text)| json!({ "line": line, "text": text }))
            .collect();
        json!({
            "file": file,
            "site": self.site.as_str(),
            "format": self.format.map(Format::name),
            "dry_run": self.dry_run,
            "lines": counts.lines,
            "lines_before": self.before,
            "views": counts.views(),
            "first_day": counts.days.keys().next().map(ToString::to_string),
            "last_day": counts.days.keys().next_back().map(ToString::to_string),
            "years": views(Period::Year),
            "months": views(Period::Month),
            "days": views(Period::Day),
            "visits": visits,
            "site_alone": counts.site_alone.iter().map(|(reason, lines)| (reason.name().to_owned(), lines.json())).collect::<serde_json::Map<_, _>>(),
            "left_out": counts.left_out.iter().map(|(reason, lines)| (reason.name().to_owned(), lines.json())).collect::<serde_json::Map<_, _>>(),
            "no_requests": counts.no_requests,
            "not_understood": { "lines": counts.not_understood.0.count, "first": not_understood },
            "unfinished": self.unfinished,
            "correction": self.number,
            "undo": self.undo(),
            "warnings": self.warnings(),
        })
    }
}

impl Display for LogSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let [views, lines, before] =
            [(counts.views(), "view"), (counts.lines, "line"), (self.before, "line")].map(|(count, what)| count_of(count, what));
        match (self.format, counts.lines) {
            (None, _) => f.write_str("has no complete line yet"),
            (Some(format), 0) => write!(f, "{format}: was already imported, nothing was added"),
            (Some(format), _) => {
                let added = if self.dry_run { "would be added" } else { "added" };
                let visits = counts.visits().map_or_else(String::new, |visits| format!(" ({})", count_of(visits, "visit")));
                write!(f, "{format}: {views}{visits} of {lines} {added} to site {}", self.site)
            }
        }?;
        if self.before > 0 && counts.lines > 0 {
            write!(f, "; {before} before were already imported")?;
        }
        let has_visits = counts.visits().is_some();
        if has_visits && !counts.days.is_empty() {
            write!(f, "\n{:18} {:>9} {:>9}", "", "views", "visits")?;
        }
        for (period, name, [views, visits]) in self.periods() {
            let (indent, width) = if period == Period::Day {
                (6, 12)
            } else if period == Period::Month {
                (4, 14)
            } else {
                (2, 16)
            };
            write!(f, "\n{:indent$}{name:width$} {views:>9}", "")?;
            if has_visits {
                write!(f, " {visits:>9}")?;
            }
        }
        for (reason, lines) in &counts.site_alone {
            write!(f, "\n  for the site alone: {reason}: {lines}")?;
        }
        for (reason, lines) in &counts.left_out {
            write!(f, "\n  left out: {reason}: {lines}")?;
        }
        let (not_understood, texts) = &counts.not_understood;
        if not_understood.count > 0 {
            write!(f, "\n  not understood: {}", count_of(not_understood.count, "line"))?;
            for (line, text) in not_understood.first.iter().zip(texts) {
                write!(f, "\n    line {line}: {text}")?;
            }
        }
        if self.unfinished {
            f.write_str("\n  the last line has no end yet, and is read the next time")?;
        }
        self.warnings().iter().try_for_each(|warning| write!(f, "\n  warning: {warning}"))?;
        match self.undo().filter(|_| !self.dry_run) {
            Some(undo) => write!(f, "\n  take it back with: {undo}"),
            None => Ok(()),
        }
    }
}

fn count_of(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
