//! Reads a checked file a second time, and adds each row to the counters exactly once.

use std::{collections::BTreeMap, fmt, io, mem, path::PathBuf, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    check::Checked,
    producer::CHUNK_ROWS,
    rows::{OpenError, Row, Rows},
};
use crate::{
    domain::{backoff::Backoff, counts::Deltas, producer::Seq, site::SiteId},
    store::{Applied, Store, StoreError},
};

/// How long a failed call of the store is retried.
const RETRY_FOR: Duration = Duration::from_secs(60);

/// The first and the longest pause between two attempts.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportSummary {
    /// The rows of the file.
    pub rows: u64,
    /// The number of chunks: each holds 500 rows of one site; a site's last one can hold fewer.
    pub chunks: u64,
    /// How many of the chunks this run added; the others were added earlier, or by another run at the same time.
    pub applied: u64,
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
    #[error("{0}; the chunks before this one were added")]
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
    let mut run = Run { store, file, sites: BTreeMap::new(), applied: 0 };
    for (site, rows) in &file.rows {
        run.sites.insert(
            site.clone(),
            SiteImport { chunks: rows.div_ceil(CHUNK_ROWS), offset: run.offset(site).await?, ..SiteImport::default() },
        );
    }
    if run.sites.values().any(|import| import.offset < import.chunks) {
        run.read(|bytes| progress(bytes, file.length())).await?;
    }
    let chunks = run.sites.values().map(|import| import.chunks).sum();
    Ok(ImportSummary { rows: file.rows.values().sum(), chunks, applied: run.applied })
}

struct Run<'a> {
    store: &'a dyn Store,
    file: &'a Checked,
    sites: BTreeMap<SiteId, SiteImport>,
    applied: u64,
}

/// The progress of one site's import.
#[derive(Default)]
struct SiteImport {
    /// All chunks of the site.
    chunks: u64,
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

    /// Adds a row to its chunk, and returns whether the chunk is full.
    fn add(&mut self, row: Row) -> bool {
        self.rows += 1;
        if self.chunk() > self.offset && row.views > 0 {
            for bucket in row.buckets {
                self.deltas.add(bucket, row.article.clone(), row.views);
            }
        }
        self.rows.is_multiple_of(CHUNK_ROWS)
    }
}

impl Run<'_> {
    /// How many of a site's chunks the store holds.
    async fn offset(&self, site: &SiteId) -> Result<Seq, ImportError> {
        let mut retries = Retries::new();
        loop {
            match self.store.offset(site, self.file.producer).await {
                Ok(offset) => return Ok(offset),
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
        while let Some((_, row)) = rows.next().map_err(unreadable)? {
            let row = row.map_err(|_| changed())?;
            let site = row.site.clone();
            if self.sites.get_mut(&site).is_some_and(|import| import.add(row)) {
                self.apply(&site).await?;
            }
            progress(rows.bytes());
        }
        if rows.producer() != file.producer {
            return Err(changed());
        }
        // Each site's last, partial chunk. Without one, this does nothing: the store already holds the last full chunk.
        for site in &sites {
            self.apply(site).await?;
        }
        Ok(())
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
        let mut retries = Retries::new();
        let mut perhaps = false;
        loop {
            match self.store.apply(site, self.file.producer, to - 1, to, Arc::clone(&deltas)).await {
                Ok(Applied::Done(_)) => {
                    import.offset = to;
                    self.applied += 1;
                }
                // A reply was lost, or another run of the same import applied the chunk.
                Ok(Applied::Refused(offset)) if offset >= to => {
                    import.offset = offset;
                    self.applied += u64::from(perhaps);
                }
                Ok(Applied::Refused(found)) => return Err(ImportError::Rewound { site: site.clone(), found, known: to - 1 }),
                Err(error) => {
                    perhaps |= matches!(error, StoreError::PerhapsApplied(_));
                    retries.wait_after(error).await?;
                    continue;
                }
            }
            return Ok(());
        }
    }
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
        if matches!(error, StoreError::Corrupt(_) | StoreError::TooMany { .. }) {
            return Err(ImportError::Refused(error));
        }
        if Instant::now() >= self.deadline {
            return Err(ImportError::Store(error));
        }
        sleep(self.backoff.next_pause()).await;
        Ok(())
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
        }
    }
}
