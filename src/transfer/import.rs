//! The second reading of a file: its rows become counters, each exactly once.

use std::{collections::BTreeMap, fmt, io, mem, path::PathBuf, sync::Arc, time::Duration};

use indicatif::ProgressBar;
use tokio::time::{Instant, sleep};

use super::{
    check::Checked,
    rows::{NoRows, Row, Rows},
};
use crate::{
    domain::{counts::Deltas, producer::Seq, site::SiteId},
    store::{Applied, Store, StoreError},
};

/// How many rows of a site are applied together: up to five increments each, which keep Redis busy for about five
/// milliseconds.
///
/// It may never change. The offset in the store counts chunks of this size; an import that broke off and is run again by
/// a version with another size would take rows for applied that are not, or apply them twice.
const CHUNK: u64 = 500;

/// How long an import waits for a store that does not answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportSummary {
    /// The rows of the file.
    pub rows: u64,
    /// The chunks these are cut into: of each site five hundred rows, and the rest.
    pub chunks: u64,
    /// How many of the chunks this run added; the others had been added before, or were by another run beside it.
    pub applied: u64,
}

/// Why an import broke off.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file could be read the first time, but not now.
    #[error("{}: {source}; run the import again, it goes on where it stopped", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody wrote to the file after it was checked.
    #[error("{}: changed while it was imported; bring back what it held and run the import again, it goes on where it stopped", .0.display())]
    Changed(PathBuf),
    /// The store did not do its part, for about a minute.
    #[error("{0}; run the import again, it goes on where it stopped")]
    Store(StoreError),
    /// The store cannot take the file, and trying again does not help.
    #[error("{0}; what stood before it in the file was added")]
    Refused(StoreError),
    /// The store forgot chunks that it had applied, as after a fail-over.
    #[error("the store went back: it holds {found} chunks of site {site} and held {known}; run the import again, it adds what is missing")]
    WentBack {
        /// The site.
        site: SiteId,
        /// How many chunks it holds.
        found: Seq,
        /// How many it held.
        known: Seq,
    },
}

/// Adds a file to the counters of the store, each row once, however often this is called for the same bytes, and by
/// however many processes at a time. `progress` is set to the file's bytes.
///
/// It reads the file with blocking calls, so it wants a task, or a process, of its own.
///
/// # Errors
/// Where it broke off; another call for the same file goes on from there.
pub async fn import(store: &dyn Store, file: &Checked, progress: &ProgressBar) -> Result<ImportSummary, ImportError> {
    let mut run = Run { store, file, sites: BTreeMap::new(), applied: 0 };
    for (site, rows) in &file.rows {
        run.sites.insert(site.clone(), Part { chunks: rows.div_ceil(CHUNK), offset: run.offset(site).await?, ..Part::default() });
    }
    if run.sites.values().any(|part| part.offset < part.chunks) {
        run.read(progress).await?;
    }
    let chunks = run.sites.values().map(|part| part.chunks).sum();
    Ok(ImportSummary { rows: file.rows.values().sum(), chunks, applied: run.applied })
}

struct Run<'a> {
    store: &'a dyn Store,
    file: &'a Checked,
    sites: BTreeMap<SiteId, Part>,
    applied: u64,
}

/// How far the import of one site is.
#[derive(Default)]
struct Part {
    /// All of the site.
    chunks: u64,
    /// How many of them the store holds.
    offset: Seq,
    /// How many rows were read.
    rows: u64,
    /// The sum of the rows of the chunk that is being read.
    deltas: Deltas,
}

impl Part {
    /// The chunk that the last row belongs to, counted from 1.
    fn chunk(&self) -> Seq {
        self.rows.div_ceil(CHUNK)
    }

    /// Adds a row to its chunk, and says whether the chunk is full.
    fn add(&mut self, row: Row) -> bool {
        self.rows += 1;
        if self.chunk() > self.offset && row.views > 0 {
            for bucket in row.buckets {
                self.deltas.add(bucket, row.article.clone(), row.views);
            }
        }
        self.rows.is_multiple_of(CHUNK)
    }
}

impl Run<'_> {
    /// How many chunks of a site the store holds.
    async fn offset(&self, site: &SiteId) -> Result<Seq, ImportError> {
        let mut patience = Patience::new();
        loop {
            match self.store.offset(site, self.file.producer).await {
                Ok(offset) => return Ok(offset),
                Err(error) => patience.after(error).await?,
            }
        }
    }

    async fn read(&mut self, progress: &ProgressBar) -> Result<(), ImportError> {
        let file = self.file;
        let unreadable = |source| ImportError::Unreadable { path: file.path.clone(), source };
        let changed = || ImportError::Changed(file.path.clone());
        progress.reset();
        progress.set_length(file.length());
        let sites = file.rows.keys().cloned().collect();
        let mut rows = Rows::open(&file.file, &sites).map_err(|e| match e {
            NoRows::Unreadable(source) => unreadable(source),
            NoRows::Header(..) => changed(),
        })?;
        while let Some((_, row)) = rows.next().map_err(unreadable)? {
            let row = row.map_err(|_| changed())?;
            let site = row.site.clone();
            if self.sites.get_mut(&site).is_some_and(|part| part.add(row)) {
                self.apply(&site).await?;
            }
            progress.set_position(rows.bytes());
        }
        if rows.producer() != file.producer {
            return Err(changed());
        }
        // The rest of each site; where there is none, the last chunk is in the store already.
        for site in &sites {
            self.apply(site).await?;
        }
        Ok(())
    }

    /// Applies the chunk of a site that was read, unless the store holds it.
    async fn apply(&mut self, site: &SiteId) -> Result<(), ImportError> {
        let Some(part) = self.sites.get_mut(site) else { return Ok(()) };
        let (to, deltas) = (part.chunk(), Arc::new(mem::take(&mut part.deltas)));
        if to <= part.offset {
            return Ok(());
        }
        if !self.file.unchanged() {
            return Err(ImportError::Changed(self.file.path.clone()));
        }
        let mut patience = Patience::new();
        let mut perhaps = false;
        loop {
            match self.store.apply(site, self.file.producer, to - 1, to, Arc::clone(&deltas)).await {
                Ok(Applied::Done(_)) => {
                    part.offset = to;
                    self.applied += 1;
                }
                // The reply was lost, or another run of the same import is at work.
                Ok(Applied::Refused(offset)) if offset >= to => {
                    part.offset = offset;
                    self.applied += u64::from(perhaps);
                }
                Ok(Applied::Refused(found)) => return Err(ImportError::WentBack { site: site.clone(), found, known: to - 1 }),
                Err(error) => {
                    perhaps |= matches!(error, StoreError::PerhapsApplied(_));
                    patience.after(error).await?;
                    continue;
                }
            }
            return Ok(());
        }
    }
}

/// Pauses between attempts, each twice as long as the one before, until it is enough.
struct Patience {
    pause: Duration,
    end: Instant,
}

impl Patience {
    fn new() -> Self {
        Self { pause: Duration::from_millis(100), end: Instant::now() + PATIENCE }
    }

    async fn after(&mut self, error: StoreError) -> Result<(), ImportError> {
        if matches!(error, StoreError::Corrupt(_) | StoreError::TooMany { .. }) {
            return Err(ImportError::Refused(error));
        }
        if Instant::now() >= self.end {
            return Err(ImportError::Store(error));
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(2));
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
