//! Every counter as CSV. The same counters give the same bytes.

use std::io::{self, Write};

use indicatif::ProgressBar;
use tokio::sync::mpsc;

use crate::{
    domain::site::SiteId,
    store::{Row, Store, StoreError},
};

/// How many rows the store may be ahead of the writing.
const AHEAD: usize = 1024;

/// Why an export is not complete.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// What was exported could not be written.
    #[error("the export is not complete: {0}")]
    Write(io::Error),
    /// The store did not tell all.
    #[error("the export is not complete: {0}")]
    Store(#[from] StoreError),
}

impl From<csv::Error> for ExportError {
    fn from(error: csv::Error) -> Self {
        Self::Write(match error.into_kind() {
            // As an `io::Error`, a `csv::Error` hides what kind it was.
            csv::ErrorKind::Io(error) => error,
            other => io::Error::other(format!("{other:?}")),
        })
    }
}

/// Writes every counter of the sites, in the order given, as CSV that an import adds bucket by bucket as it stands.
/// `progress` counts the rows.
///
/// A reader that wants no more (a broken pipe) ends the export without an error.
///
/// # Errors
/// Where not everything could be read or written.
pub async fn export<W: Write>(store: &dyn Store, sites: &[SiteId], out: W, progress: &ProgressBar) -> Result<(), ExportError> {
    let mut out = csv::Writer::from_writer(out);
    match write_all(store, sites, &mut out, progress).await {
        Err(ExportError::Write(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

async fn write_all<W: Write>(
    store: &dyn Store,
    sites: &[SiteId],
    out: &mut csv::Writer<W>,
    progress: &ProgressBar,
) -> Result<(), ExportError> {
    out.write_record(["site", "article", "bucket", "views"])?;
    for site in sites {
        let (sender, rows) = mpsc::channel(AHEAD);
        // Writing that fails drops the receiver, which ends the store's part.
        let (told, written) = tokio::join!(store.export(site, sender), write_site(site, rows, out, progress));
        written?;
        told?;
    }
    out.flush().map_err(ExportError::Write)
}

async fn write_site<W: Write>(
    site: &SiteId,
    mut rows: mpsc::Receiver<Row>,
    out: &mut csv::Writer<W>,
    progress: &ProgressBar,
) -> csv::Result<()> {
    while let Some((bucket, article, views)) = rows.recv().await {
        let article = article.as_ref().map_or("", |article| article.as_str());
        out.write_record([site.as_str(), article, &bucket.to_string(), &views.to_string()])?;
        progress.inc(1);
    }
    Ok(())
}
