//! Adds the views of a log to the counters, each line once.
//!
//! The log's beginning is the producer, and the number of bytes up to the end of a line, with their digest, is the position. So a
//! log that has grown, was renamed or compressed, or whose import was interrupted, goes on after the last line that was counted.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io, mem,
};

use chrono::NaiveDate;
use sha2::{Digest as _, Sha256};

use super::{
    format::{Format, Parser},
    lines::Lines,
    request::Line,
    summary::{LineCounts, LogSummary},
    views::{View, ViewRules},
};
use crate::{
    domain::{
        correction::{Change, MAX_CHANGES, Note},
        counts::{Kind, Subject},
        period::BucketSet,
        producer::{Position, ProducerId},
        site::SiteId,
    },
    store::Store,
    transfer::{
        generation::live,
        producer::{first_bits, generation},
        steps::{Made, StepError, Steps},
    },
};

/// How many of a log's lines may be not understood, in any case, and as a part of all: one in so many.
const NOT_UNDERSTOOD: (u64, u64) = (100, 20);

/// What to do about two logs with the same first line.
const ANOTHER_LOG: &str = "nothing was added; if it is another log, always put the same comment line before it: \
                           (echo '# NAME'; cat LOG) | truycap import … -";

/// How many lines an error shows.
const SAMPLES: usize = 3;

/// A log whose first lines were understood.
pub struct Log {
    lines: Lines,
    /// `None` if there is no request yet.
    begun: Option<Begun>,
}

struct Begun {
    format: Format,
    parser: Parser,
    /// The digest of the beginning.
    producer: ProducerId,
}

/// Why a log was not imported, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// Too many of its lines have another format.
    #[error("{bad} of {of} lines are not in {format}{samples}\n  {hint}")]
    Format {
        /// How many.
        bad: u64,
        /// Of how many.
        of: u64,
        /// The format.
        format: String,
        /// Some of them.
        samples: String,
        /// What to do.
        hint: String,
    },
    /// It is shorter than before.
    #[error(
        "it has {length} bytes, but {read} of a log with the same beginning were read before: it was cut, or it is an earlier copy, \
         or another log; {another}", another = ANOTHER_LOG
    )]
    Shorter {
        /// How many bytes it has in complete lines.
        length: u64,
        /// How many were read before.
        read: u64,
    },
    /// Its beginning has no request.
    #[error(
        "its first 1000 lines, or its first megabyte, have no request: it is no access log, or it has comments that you can delete, \
         or its lines do not end with a line feed"
    )]
    NoRequest,
    /// It was changed.
    #[error(
        "its first {0} bytes are not those of the log with the same first line that was read before: it was changed, or it is another \
         log; {another}", another = ANOTHER_LOG
    )]
    Changed(u64),
    /// Another process imports it.
    #[error("another import of this log is running; run this one again when that has ended")]
    Busy,
    /// The import was taken back while it ran.
    #[error("correction {0} takes this import back")]
    TakenBack(u64),
    /// The store failed.
    #[error("{0}; run the import again: it continues where it stopped")]
    Step(StepError),
}

impl From<StepError> for LogError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Rewound { found, known, .. } if found.seq > known.seq => Self::Busy,
            StepError::Undone(by) => Self::TakenBack(by),
            error => Self::Step(error),
        }
    }
}

/// Where the views go.
pub enum Target<'a> {
    /// Into a store.
    Store(&'a dyn Store),
    /// Nowhere. A store, if there is one, says how far each log was read, and the map how far each was read by this run.
    DryRun(Option<&'a dyn Store>, HashMap<ProducerId, Position>),
}

impl Log {
    /// Looks at the first lines of a log. Without a format, they show it.
    ///
    /// # Errors
    /// If it cannot be read, or too many of these lines are not understood.
    pub fn open(file: File, format: Option<Format>) -> Result<Self, LogError> {
        let (lines, head, is_all) = Lines::open(file)?;
        let mut beginning = Sha256::new_with_prefix("access log\n");
        let mut begins = false;
        for line in head.split_inclusive(|&byte| byte == b'\n') {
            beginning.update(line);
            begins = !line.starts_with(b"#") && !line.trim_ascii().is_empty();
            if begins {
                break;
            }
        }
        if !begins && !is_all {
            return Err(LogError::NoRequest);
        }
        if !begins {
            return Ok(Self { lines, begun: None });
        }
        let head: Vec<&[u8]> = head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
        let found = format.or_else(|| Format::detect(&head));
        let mut counts = LineCounts::default();
        let mut parser = found.map(|format| Parser::new(format, &head));
        for (number, text) in (1..).zip(&head).filter(|(_, text)| !text.trim_ascii().is_empty()) {
            // A file that has only comments besides lines of another format is refused too.
            counts.lines += u64::from(!text.starts_with(b"#"));
            if parser.as_mut().and_then(|parser| parser.parse(text)).is_none() {
                counts.add_not_understood(number, Some(text));
            }
        }
        let Some(format) = found else { return Err(wrong_format(&counts, None, hint(&head, None))) };
        let bad = counts.not_understood.0.count;
        if too_many(bad, counts.lines) || bad == counts.lines {
            return Err(wrong_format(&counts, Some(format), hint(&head, Some(format))));
        }
        Ok(Self { lines, begun: Some(Begun { format, parser: Parser::new(format, &head), producer: first_bits(beginning) }) })
    }

    /// The format; `None` if there is no request yet.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        self.begun.as_ref().map(|begun| begun.format)
    }
}

fn too_many(bad: u64, lines: u64) -> bool {
    bad > NOT_UNDERSTOOD.0 && bad * NOT_UNDERSTOOD.1 > lines
}

fn wrong_format(counts: &LineCounts, format: Option<Format>, hint: String) -> LogError {
    let (lines, texts) = &counts.not_understood;
    let samples = lines.first.iter().zip(texts).take(SAMPLES).map(|(line, text)| format!("\n  line {line}: {text}")).collect();
    let format = format.map_or("a format of access logs".to_owned(), |format| format!("the format {format}"));
    LogError::Format { bad: lines.count, of: counts.lines, format, samples, hint }
}

/// What to do about a log in another format.
fn hint(head: &[&[u8]], format: Option<Format>) -> String {
    if let Some(other) = Format::detect(head).filter(|other| Some(*other) != format) {
        return format!("its lines are in the format {other}: use --format {other}");
    }
    let first = head.first().map(|line| line.to_ascii_lowercase()).unwrap_or_default();
    if first.windows(5).any(|word| word == b"views") {
        return "it looks like counts in CSV: import it without --format".into();
    }
    let names = Format::ALL.map(Format::name).join(", ");
    format!("the formats are {names}; docs/import-export.md shows a line of each")
}

/// Adds the views of a log to the counters of a site, or finds out what it would add. `progress` is called with the number of the
/// file's bytes that were read.
///
/// It reads the file with blocking calls, so it needs its own task or process.
///
/// # Errors
/// If it stopped early. What it has added so far stays, and another call goes on there.
pub async fn import_log(
    target: &mut Target<'_>,
    log: Log,
    rules: &ViewRules<'_>,
    note: Note,
    progress: impl FnMut(u64),
) -> Result<LogSummary, LogError> {
    let mut summary = LogSummary {
        site: rules.site.id.clone(),
        format: log.format(),
        dry_run: matches!(target, Target::DryRun(..)),
        before: 0,
        counts: LineCounts::default(),
        unfinished: false,
        number: None,
        saturated: false,
        clock_jumped: false,
    };
    let Log { lines, begun } = log;
    let Some(Begun { parser, producer, .. }) = begun else { return Ok(summary) };
    let mut sink = Sink::open(target, &rules.site.id, producer, note).await?;
    let range = Range::default();
    let mut run = Run { lines, parser, rules, sink: &mut sink, range, summary: &mut summary };
    run.read(progress).await?;
    summary.unfinished = run.lines.unfinished();
    if let Sink::Steps(steps) = &mut sink {
        summary.number = steps.number().await?;
        (summary.saturated, summary.clock_jumped) = (steps.saturated, steps.clock_jumped);
    }
    Ok(summary)
}

/// What takes the sums of ranges of lines.
enum Sink<'a> {
    Steps(Box<Steps<'a>>),
    DryRun(&'a mut Position),
}

impl<'a> Sink<'a> {
    async fn open(target: &'a mut Target<'_>, site: &SiteId, first: ProducerId, note: Note) -> Result<Self, StepError> {
        let id = |number| generation(first, number);
        match target {
            Target::Store(store) => {
                let producer = live(*store, site, id).await?;
                Ok(Self::Steps(Box::new(Steps::open(*store, site.clone(), producer, note).await?)))
            }
            Target::DryRun(store, read) => {
                let (producer, position) = match store {
                    None => (first, Position::START),
                    Some(store) => {
                        let producer = live(*store, site, id).await?;
                        (producer, Steps::open(*store, site.clone(), producer, note).await?.position())
                    }
                };
                Ok(Self::DryRun(read.entry(producer).or_insert(position)))
            }
        }
    }

    /// Up to where the log was read.
    fn position(&self) -> Position {
        match self {
            Self::Steps(steps) => steps.position(),
            Self::DryRun(position) => **position,
        }
    }

    async fn make(&mut self, to: Position, changes: Vec<Change>) -> Result<Made, StepError> {
        match self {
            Self::Steps(steps) => steps.make(to, changes).await,
            Self::DryRun(position) => {
                **position = to;
                Ok(Made::Now)
            }
        }
    }
}

/// The lines since the last step.
#[derive(Default)]
struct Range {
    counts: LineCounts,
    sums: BTreeMap<(NaiveDate, Subject), u64>,
}

struct Run<'a, 'b> {
    lines: Lines,
    parser: Parser,
    rules: &'a ViewRules<'a>,
    sink: &'a mut Sink<'b>,
    range: Range,
    summary: &'a mut LogSummary,
}

impl Run<'_, '_> {
    async fn read(&mut self, mut progress: impl FnMut(u64)) -> Result<(), LogError> {
        loop {
            let start = self.lines.bytes();
            let line = match self.lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => return Err(self.broken(error).await),
            };
            if start < self.sink.position().seq {
                self.parser.skip(line.text.unwrap_or_default());
                self.skipped()?;
            } else {
                let rules = self.rules;
                self.range.add(&mut self.parser, rules, line.number, line.text);
                self.check_format()?;
                // A line adds to three sums: of the site, its visits and an article.
                if self.range.sums.len() + 3 > MAX_CHANGES {
                    self.make_step().await?;
                }
            }
            progress(self.lines.file_bytes());
        }
        let read = self.sink.position().seq;
        if self.lines.bytes() < read {
            return Err(LogError::Shorter { length: self.lines.bytes(), read });
        }
        // A log without views needs no entry in the audit list.
        if self.lines.bytes() == read || (self.range.sums.is_empty() && read == 0) {
            self.summary.counts.append(mem::take(&mut self.range).counts);
            return Ok(());
        }
        self.make_step().await
    }

    /// The rest cannot be read. What was read before counts.
    async fn broken(&mut self, error: io::Error) -> LogError {
        let is_new = self.lines.bytes() > self.sink.position().seq && !self.range.sums.is_empty();
        match if is_new { self.make_step().await } else { Ok(()) } {
            Ok(()) => {
                let what = format!("after line {}: {error}; the lines up to there count", self.lines.number());
                LogError::Unreadable(io::Error::new(error.kind(), what))
            }
            Err(error) => error,
        }
    }

    /// A line was read that was counted before.
    fn skipped(&mut self) -> Result<(), LogError> {
        self.summary.before += 1;
        let read = self.sink.position();
        if self.lines.bytes() >= read.seq && self.lines.position() != read {
            return Err(LogError::Changed(read.seq));
        }
        Ok(())
    }

    fn check_format(&self) -> Result<(), LogError> {
        let (made, range) = (&self.summary.counts, &self.range.counts);
        let bad = made.not_understood.0.count + range.not_understood.0.count;
        if !too_many(bad, made.lines + range.lines) {
            return Ok(());
        }
        let mut counts = made.clone();
        counts.append(range.clone());
        let hint = format!("the views of the lines before were added; truycap audit {} shows how to take them back", self.summary.site);
        Err(wrong_format(&counts, self.summary.format, hint))
    }

    /// Adds the sums of the lines since the last step.
    async fn make_step(&mut self) -> Result<(), LogError> {
        let Range { counts, sums } = mem::take(&mut self.range);
        let change = |((day, subject), count): ((NaiveDate, Subject), u64)| Change {
            subject,
            buckets: BucketSet::of_day(day),
            views: count.cast_signed(),
        };
        let to = self.lines.position();
        match self.sink.make(to, sums.into_iter().map(change).collect()).await? {
            Made::Now => self.summary.counts.append(counts),
            // Another process imports the same log.
            Made::Before => self.summary.before += counts.lines,
        }
        Ok(())
    }
}

impl Range {
    fn add(&mut self, parser: &mut Parser, rules: &ViewRules<'_>, number: u64, text: Option<&[u8]>) {
        self.counts.lines += 1;
        if text.is_some_and(|text| text.trim_ascii().is_empty()) {
            self.counts.no_requests += 1;
            return;
        }
        match text.and_then(|text| parser.parse(text)) {
            None => self.counts.add_not_understood(number, text),
            Some(Line::Other) => self.counts.no_requests += 1,
            Some(Line::Request(request)) => match rules.view(&request) {
                Err(reason) => self.counts.leave_out(number, reason),
                Ok(view) => {
                    self.counts.without_agent += u64::from(request.agent.is_none());
                    self.counts.without_referrer += u64::from(request.referrer.is_none());
                    self.counts.add_view(number, &view);
                    self.add_view(view);
                }
            },
        }
    }

    fn add_view(&mut self, View { day, article, is_visit }: View) {
        let visit = (is_visit == Some(true)).then_some(Subject::Kind(Kind::Visits));
        for subject in [Some(Subject::Site), visit, article.ok().map(Subject::Article)].into_iter().flatten() {
            *self.sums.entry((day, subject)).or_default() += 1;
        }
    }
}
