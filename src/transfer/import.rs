//! Reads a checked file a second time, and adds each row to the counters exactly once: one correction for each site.

use std::{collections::BTreeMap, fmt, io, path::PathBuf};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    check::Checked,
    generation::live,
    producer::{CHUNK_ROWS, generation, options_digest, position},
    report::Report,
    row::Row,
    rows::{OpenError, Rows},
    steps::{Made, StepError, Steps, audit},
};
use crate::{
    domain::{
        MAX_COUNT,
        correction::{AuditEntry, Change, CorrectionKind, Note},
        counts::Subject,
        period::BucketSet,
        producer::{Digest, Position, ProducerId, Seq},
        site::SiteId,
    },
    store::Store,
};

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// Whether it was only tried.
    pub dry_run: bool,
    /// What the file adds.
    pub report: Report,
    /// The number of chunks: each holds 1000 rows of one site; a site's last one can hold fewer.
    pub chunks: u64,
    /// How many of the chunks this run added (or would add); the others were added earlier, or by another run at the same time.
    pub applied: u64,
    /// The number of the import in the audit list of each site.
    pub numbers: BTreeMap<SiteId, u64>,
    /// An earlier import of a site that added the same numbers of views: its number and what it was.
    pub similar: BTreeMap<SiteId, (u64, String)>,
    /// Whether a counter has reached [`MAX_COUNT`] and stays there, so that views are missing from it.
    pub saturated: bool,
    /// Whether the store found this machine's clock to be far away from its own time; see [`Done::jumped`](crate::store::Done::jumped).
    pub clock_jumped: bool,
}

/// Why an import stopped.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file could be read the first time, but not now.
    #[error("{}: {source}; run the import again: it continues where it stopped", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file was written to after it was checked.
    #[error("{}: changed during the import; restore its content and run the import again: it continues where it stopped", .0.display())]
    Changed(PathBuf),
    /// The file was imported with other options, or an import with them was interrupted.
    #[error(
        "the file was imported into site {0} with another --until, or as another format; take that back first (truycap audit {0} lists it)"
    )]
    OtherOptions(SiteId),
    /// A step was not made.
    #[error("{}; {}", .0, advice(.0))]
    Step(#[from] StepError),
}

/// What the operator can do about a step that was not made.
fn advice(error: &StepError) -> &'static str {
    match error {
        StepError::Store(_) => "run the import again: it continues where it stopped",
        StepError::Rewound { .. } => "run the import again to add what is missing",
        StepError::Unfinished { .. } => "then run the import again",
        StepError::Undone(_) => "run the import again to add the file anew",
        StepError::Refused(_) | StepError::BelowZero(_) => "what the import has added so far stays",
    }
}

/// Adds a file to the counters of the store. Each row is added once, even if this is called several times for the same
/// bytes, or by several processes at once. `progress` is called with the number of bytes read and the file's length; it is
/// not called if the store already holds the file. `reason` and `now` are for the audit list.
///
/// It reads the file with blocking calls, so it needs its own task or process.
///
/// # Errors
/// If it stopped early. Another call for the same file continues from there.
pub async fn import(
    store: &dyn Store,
    file: &Checked,
    now: DateTime<Utc>,
    reason: &str,
    mut progress: impl FnMut(u64, u64),
) -> Result<ImportSummary, ImportError> {
    let mut run = Run::open(store, file, now, reason).await?;
    if run.sites.values().any(|import| import.held < import.chunks()) {
        run.read(|bytes| progress(bytes, file.length())).await?;
    }
    run.finish().await
}

/// What [`import`] would do.
///
/// # Errors
/// If the store does not answer.
pub async fn preview(store: &dyn Store, file: &Checked) -> Result<ImportSummary, ImportError> {
    let run = Run::open(store, file, DateTime::UNIX_EPOCH, "").await?;
    let missing = run.sites.values().map(|import| import.chunks() - import.held.min(import.chunks())).sum();
    Ok(ImportSummary { applied: missing, dry_run: true, ..run.finish().await? })
}

/// The same without a store, into which nothing was imported yet.
#[must_use]
pub fn preview_without_store(file: &Checked) -> ImportSummary {
    let chunks = file.rows.values().map(|rows| rows.div_ceil(CHUNK_ROWS)).sum();
    ImportSummary { report: file.report.clone(), chunks, applied: chunks, dry_run: true, ..ImportSummary::default() }
}

struct Run<'a> {
    file: &'a Checked,
    /// What all positions have, because the producer already identifies the file.
    digest: Digest,
    sites: BTreeMap<SiteId, SiteImport<'a>>,
    summary: ImportSummary,
}

/// The progress of one site's import.
struct SiteImport<'a> {
    steps: Steps<'a>,
    /// All rows of the site.
    all_rows: u64,
    /// The chunks that the store holds.
    held: Seq,
    /// The rows that were read.
    rows: u64,
    /// The sums of the current chunk's rows.
    sums: BTreeMap<(Subject, BucketSet), u64>,
}

impl SiteImport<'_> {
    /// The number of all chunks.
    fn chunks(&self) -> Seq {
        self.all_rows.div_ceil(CHUNK_ROWS)
    }

    /// The chunk of the last row, counted from 1.
    fn chunk(&self) -> Seq {
        self.rows.div_ceil(CHUNK_ROWS)
    }

    /// Adds a row to its chunk, and returns whether the chunk is complete.
    fn add(&mut self, row: Row) -> bool {
        self.rows += 1;
        if self.chunk() > self.held && row.views > 0 {
            let sum = self.sums.entry((row.subject, row.buckets)).or_default();
            *sum = sum.saturating_add(row.views).min(MAX_COUNT);
        }
        self.rows.is_multiple_of(CHUNK_ROWS) || self.rows == self.all_rows
    }

    /// The current chunk as changes.
    fn changes(&mut self) -> Vec<Change> {
        let sums = std::mem::take(&mut self.sums);
        sums.into_iter().map(|((subject, buckets), views)| Change { subject, buckets, views: views.cast_signed() }).collect()
    }
}

impl<'a> Run<'a> {
    /// Asks the store how far the imports of the sites are.
    async fn open(store: &'a dyn Store, file: &'a Checked, now: DateTime<Utc>, reason: &str) -> Result<Self, ImportError> {
        let what = format!("{}{}", file.path.display(), file.reading.options());
        let note = Note { at: now, kind: CorrectionKind::Import, what, reason: reason.into(), undoes: None };
        let digest = options_digest(file.producer, &file.options());
        let summary = ImportSummary { report: file.report.clone(), ..ImportSummary::default() };
        let mut run = Self { file, digest, sites: BTreeMap::new(), summary };
        for (site, &all_rows) in &file.rows {
            let producer = live(store, site, |number| generation(file.producer, number)).await?;
            let steps = Steps::open(store, site.clone(), producer, note.clone()).await?;
            let held = chunks_up_to(steps.position(), digest, site)?;
            let audit = audit(store, site).await?;
            run.look_for_similar(site, producer, &audit);
            run.sites.insert(site.clone(), SiteImport { steps, all_rows, held, rows: 0, sums: BTreeMap::new() });
            run.summary.chunks += all_rows.div_ceil(CHUNK_ROWS);
        }
        Ok(run)
    }

    /// Looks for an import of other bytes that has added the same numbers of views.
    fn look_for_similar(&mut self, site: &SiteId, producer: ProducerId, audit: &[AuditEntry]) {
        let Some(added) = self.file.report.sites.get(site) else { return };
        let same = audit.iter().find(|entry| {
            entry.note.kind == CorrectionKind::Import
                && entry.undone_by.is_none()
                && entry.producer != producer
                && (entry.site_views, entry.article_views) == (added.views.cast_signed(), added.article_views.cast_signed())
                && (entry.site_views, entry.article_views) != (0, 0)
        });
        self.summary.similar.extend(same.map(|entry| (site.clone(), (entry.number, entry.note.what.clone()))));
    }

    async fn read(&mut self, mut progress: impl FnMut(u64)) -> Result<(), ImportError> {
        let file = self.file;
        let unreadable = |source| ImportError::Unreadable { path: file.path.clone(), source };
        let changed = || ImportError::Changed(file.path.clone());
        let mut rows = Rows::open(&file.file, &file.reading).map_err(|e| match e {
            OpenError::Unreadable(source) => unreadable(source),
            OpenError::Header(..) => changed(),
        })?;
        let mut last = None;
        let mut left: u64 = file.rows.values().sum();
        while let Some((_, line)) = rows.next().map_err(unreadable)? {
            for row in line.map_err(|_| changed())?.rows {
                let site = row.site.clone();
                left = left.saturating_sub(1);
                if self.sites.get_mut(&site).is_some_and(|import| import.add(row)) {
                    match left {
                        // The file's last chunk waits until the whole file is known to be unchanged.
                        0 => last = Some(site),
                        _ => self.apply(&site).await?,
                    }
                }
            }
            progress(rows.bytes());
        }
        if rows.producer().map_err(unreadable)? != file.producer {
            return Err(changed());
        }
        match last {
            Some(site) => self.apply(&site).await,
            None => Ok(()),
        }
    }

    /// Applies a site's current chunk, unless the store holds it.
    async fn apply(&mut self, site: &SiteId) -> Result<(), ImportError> {
        let Some(import) = self.sites.get_mut(site) else { return Ok(()) };
        let (to, changes) = (import.chunk(), import.changes());
        if to <= import.held {
            return Ok(());
        }
        if !self.file.unchanged() {
            return Err(ImportError::Changed(self.file.path.clone()));
        }
        let made = import.steps.make(position(self.digest, to), changes).await?;
        self.summary.applied += u64::from(made == Made::Now);
        import.held = chunks_up_to(import.steps.position(), self.digest, site)?;
        Ok(())
    }

    async fn finish(mut self) -> Result<ImportSummary, ImportError> {
        for (site, import) in &mut self.sites {
            self.summary.saturated |= import.steps.saturated;
            self.summary.clock_jumped |= import.steps.clock_jumped;
            self.summary.numbers.extend(import.steps.number().await?.map(|number| (site.clone(), number)));
        }
        Ok(self.summary)
    }
}

/// The number of a file's chunks up to a position that the store returned.
fn chunks_up_to(found: Position, digest: Digest, site: &SiteId) -> Result<Seq, ImportError> {
    if found == position(digest, found.seq) { Ok(found.seq) } else { Err(ImportError::OtherOptions(site.clone())) }
}

impl ImportSummary {
    /// What the operator should check, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = if self.applied > 0 { self.report.warnings() } else { Vec::new() };
        if self.saturated {
            warnings.push(format!("a counter has reached {MAX_COUNT} and stays there; some views are missing from it"));
        }
        if self.clock_jumped {
            warnings.push("this machine's clock is more than a day away from the latest time of the store; check it".into());
        }
        if self.applied > 0 {
            warnings.extend(self.similar.iter().map(|(site, (number, what))| {
                format!("import {number} of {site} ({what}) added the same numbers of views: are these the same views in another file?")
            }));
        }
        warnings
    }

    /// As JSON, with the name of the file.
    #[must_use]
    pub fn as_json(&self, file: &std::path::Path) -> Value {
        let report = &self.report;
        let site = |(site, added): (&SiteId, &super::report::Added)| json!({ "site": site.as_str(), "number": self.numbers.get(site), "added": added.as_json() });
        json!({
            "file": file, "dry_run": self.dry_run, "rows": report.rows, "chunks": self.chunks, "applied": self.applied,
            "sites": report.sites.iter().map(site).collect::<Vec<_>>(),
            "left_out": report.left_out, "for_no_article": report.site_alone, "ids_changed": report.cleaned,
            "warnings": self.warnings(),
        })
    }
}

impl fmt::Display for ImportSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = if self.report.rows == 1 { "1 row".to_owned() } else { format!("{} rows", self.report.rows) };
        let (imported, nothing) = if self.dry_run { ("would import", "nothing would be added") } else { ("imported", "nothing was added") };
        match self.applied {
            _ if self.chunks == 0 => f.write_str("nothing to import"),
            0 => write!(f, "was already imported, {nothing}"),
            applied if applied == self.chunks => write!(f, "{imported} {rows}"),
            applied => write!(f, "{imported} {rows}: {applied} of {} chunks now, the others before", self.chunks),
        }?;
        if self.applied > 0 {
            self.report.sites.iter().try_for_each(|(site, added)| write!(f, "\n  {site}: {added}"))?;
        }
        self.report.remarks().iter().try_for_each(|remark| write!(f, "\n  {remark}"))?;
        self.warnings().iter().try_for_each(|warning| write!(f, "\n  warning: {warning}"))?;
        let numbers = self.numbers.iter().filter(|_| self.applied > 0 && !self.dry_run);
        numbers.into_iter().try_for_each(|(site, number)| write!(f, "\n  to take it back: truycap undo {site} {number}"))
    }
}
