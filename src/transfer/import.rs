//! Reads a checked file a second time, and adds each row to the counters exactly once.

use std::{collections::BTreeMap, fmt, io, mem, path::PathBuf, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    check::Checked,
    producer::{CHUNK_ROWS, position},
    rows::{OpenError, Row, Rows},
};
use crate::{
    domain::{
        MAX_COUNT,
        backoff::Backoff,
        counts::Deltas,
        producer::{Position, ProducerId, Seq},
        site::SiteId,
    },
    store::{Applied, Store, StoreError},
};

/// How long a failed call of the store is retried.
const RETRY_FOR: Duration = Duration::from_secs(60);

/// The first and the longest pause between two attempts.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// The rows of the file.
    pub rows: u64,
    /// The number of chunks: each holds 1000 rows of one site; a site's last one can hold fewer.
    pub chunks: u64,
    /// How many of the chunks this run added; the others were added earlier, or by another run at the same time.
    pub applied: u64,
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
    /// The store failed for about a minute.
    #[error("{0}; run the import again: it continues where it stopped")]
    Store(StoreError),
    /// The store cannot take a chunk, and a retry does not help.
    #[error("{0}; what the import has added so far stays")]
    Refused(StoreError),
    /// The store lost chunks that it had applied, for example in a fail-over.
    #[error("the store was rewound: it holds {found} chunks of site {site}, but held {known}; run the import again to add what is missing")]
    Rewound {
        /// The site.
        site: SiteId,
        /// The chunks that it holds.
        found: Seq,
        /// The chunks that it held.
        known: Seq,
    },
}

/// Adds a file to the counters of the store. Each row is added once, even if this is called several times for the same
/// bytes, or by several processes at once. `progress` is called with the number of bytes read and the file's length; it is
/// not called if the store already holds the file.
///
/// It reads the file with blocking calls, so it needs its own task or process.
///
/// # Errors
/// If it stopped early. Another call for the same file continues from there.
pub async fn import(store: &dyn Store, file: &Checked, mut progress: impl FnMut(u64, u64)) -> Result<ImportSummary, ImportError> {
    let mut run = Run { store, file, sites: BTreeMap::new(), summary: ImportSummary::default() };
    for (site, rows) in &file.rows {
        run.sites.insert(site.clone(), SiteImport { all_rows: *rows, offset: run.offset(site).await?, ..SiteImport::default() });
        run.summary.rows += rows;
        run.summary.chunks += rows.div_ceil(CHUNK_ROWS);
    }
    if run.sites.values().any(|import| import.offset < import.all_rows.div_ceil(CHUNK_ROWS)) {
        run.read(|bytes| progress(bytes, file.length())).await?;
    }
    Ok(run.summary)
}

struct Run<'a> {
    store: &'a dyn Store,
    file: &'a Checked,
    sites: BTreeMap<SiteId, SiteImport>,
    summary: ImportSummary,
}

/// The progress of one site's import.
#[derive(Default)]
struct SiteImport {
    /// All rows of the site.
    all_rows: u64,
    /// The chunks that the store holds.
    offset: Seq,
    /// The rows that were read.
    rows: u64,
    /// The sums of the current chunk's rows.
    deltas: Deltas,
}

impl SiteImport {
    /// The chunk of the last row, counted from 1.
    fn chunk(&self) -> Seq {
        self.rows.div_ceil(CHUNK_ROWS)
    }

    /// Adds a row to its chunk, and returns whether the chunk is complete.
    fn add(&mut self, row: Row) -> bool {
        self.rows += 1;
        if self.chunk() > self.offset && row.views > 0 {
            self.deltas.add(row.buckets, row.article, row.views);
        }
        self.rows.is_multiple_of(CHUNK_ROWS) || self.rows == self.all_rows
    }
}

impl Run<'_> {
    /// How many of a site's chunks the store holds.
    async fn offset(&self, site: &SiteId) -> Result<Seq, ImportError> {
        let mut retries = Retries::new();
        loop {
            match self.store.offset(site, self.file.producer).await {
                Ok(offset) => return chunks_up_to(offset, self.file.producer, site),
                Err(error) => retries.wait_after(error).await?,
            }
        }
    }

    async fn read(&mut self, mut progress: impl FnMut(u64)) -> Result<(), ImportError> {
        let file = self.file;
        let unreadable = |source| ImportError::Unreadable { path: file.path.clone(), source };
        let changed = || ImportError::Changed(file.path.clone());
        let sites = file.rows.keys().cloned().collect();
        let mut rows = Rows::open(&file.file, &sites).map_err(|e| match e {
            OpenError::Unreadable(source) => unreadable(source),
            OpenError::Header(..) => changed(),
        })?;
        let mut last = None;
        let mut left = self.summary.rows;
        while let Some((_, row)) = rows.next().map_err(unreadable)? {
            let row = row.map_err(|_| changed())?;
            let site = row.site.clone();
            left = left.saturating_sub(1);
            if self.sites.get_mut(&site).is_some_and(|import| import.add(row)) {
                match left {
                    // The file's last chunk waits until the whole file is known to be unchanged.
                    0 => last = Some(site),
                    _ => self.apply(&site).await?,
                }
            }
            progress(rows.bytes());
        }
        if rows.producer() != file.producer {
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
        let (to, deltas) = (import.chunk(), Arc::new(mem::take(&mut import.deltas)));
        if to <= import.offset {
            return Ok(());
        }
        if !self.file.unchanged() {
            return Err(ImportError::Changed(self.file.path.clone()));
        }
        let producer = self.file.producer;
        let [from, upto] = [to - 1, to].map(|chunks| position(producer, chunks));
        let mut retries = Retries::new();
        let mut perhaps = false;
        let applied = loop {
            match self.store.apply(site, producer, from, upto, Arc::clone(&deltas)).await {
                Ok(applied) => break applied,
                Err(error) => {
                    perhaps |= matches!(error, StoreError::PerhapsApplied(_));
                    retries.wait_after(error).await?;
                }
            }
        };
        import.offset = match applied {
            Applied::Done(done) => {
                self.summary.applied += 1;
                self.summary.saturated |= done.saturated;
                self.summary.clock_jumped |= done.jumped;
                to
            }
            Applied::Refused(found) => match chunks_up_to(found, producer, site)? {
                // A reply was lost, or another run of the same import applied the chunk.
                chunks if chunks >= to => {
                    self.summary.applied += u64::from(perhaps);
                    chunks
                }
                found => return Err(ImportError::Rewound { site: site.clone(), found, known: to - 1 }),
            },
        };
        Ok(())
    }
}

/// The number of a file's chunks up to a position that the store returned.
fn chunks_up_to(found: Position, producer: ProducerId, site: &SiteId) -> Result<Seq, ImportError> {
    if found == position(producer, found.seq) {
        return Ok(found.seq);
    }
    let what = format!("the offset of import {producer} for site {site} is {found}, which is no position in the imported file");
    Err(ImportError::Refused(StoreError::Corrupt(what)))
}

/// Retries of one call of the store, for [`RETRY_FOR`].
struct Retries {
    backoff: Backoff,
    deadline: Instant,
}

impl Retries {
    fn new() -> Self {
        Self { backoff: Backoff::new(RETRY_PAUSES.0, RETRY_PAUSES.1), deadline: Instant::now() + RETRY_FOR }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// If the error is permanent, or the time for retries is over.
    async fn wait_after(&mut self, error: StoreError) -> Result<(), ImportError> {
        if matches!(error, StoreError::Corrupt(_) | StoreError::Version { .. }) {
            return Err(ImportError::Refused(error));
        }
        if Instant::now() >= self.deadline {
            return Err(ImportError::Store(error));
        }
        sleep(self.backoff.next_pause()).await;
        Ok(())
    }
}

impl ImportSummary {
    /// What the operator should know of an import that worked, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let saturated = || format!("a counter has reached {MAX_COUNT} and stays there; some views are missing from it");
        let clock_jumped = || "this machine's clock is more than a day away from the latest time of the store; check it".to_owned();
        self.saturated.then(saturated).into_iter().chain(self.clock_jumped.then(clock_jumped)).collect()
    }
}

impl fmt::Display for ImportSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = if self.rows == 1 { "1 row".to_owned() } else { format!("{} rows", self.rows) };
        match self.applied {
            _ if self.rows == 0 => f.write_str("nothing to import"),
            0 => f.write_str("was already imported, nothing was added"),
            applied if applied == self.chunks => write!(f, "imported {rows}"),
            applied => write!(f, "imported {rows}: {applied} of {} chunks now, the others before", self.chunks),
        }?;
        self.warnings().iter().try_for_each(|warning| write!(f, "\n  warning: {warning}"))
    }
}
