//! Writes every counter as CSV. The same counters give the same bytes.

use std::io::{self, Write};

use tokio::sync::mpsc;

use super::excel::guarded;
use crate::{
    domain::{counts::Subject, site::SiteId},
    store::{Row, Store, StoreError},
};

/// The maximum number of rows that wait to be written.
const QUEUED_ROWS: usize = 1024;

/// How the file is written. An import reads both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// For programs: commas, UTF-8.
    Plain,
    /// As Excel opens it in Vietnam, and wherever the comma is the decimal mark: semicolons, UTF-8 with a byte order mark, and no id
    /// that it would take for a formula.
    Excel,
}

/// Why an export is not complete.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The rows could not be written.
    #[error("the export is not complete, so do not import it: {0}")]
    Write(io::Error),
    /// The store did not return all rows.
    #[error("{}", incomplete(.0))]
    Store(#[from] StoreError),
}

/// The error of the store, and what an operator can do about it.
fn incomplete(error: &StoreError) -> String {
    let advice = match error {
        // It says what to do itself.
        StoreError::Version { .. } => return format!("the store cannot be exported: {error}"),
        StoreError::Corrupt(_) => "truycap check --full shows what is damaged",
        StoreError::NotApplied(_) | StoreError::PerhapsApplied(_) => "export again when the store can be used",
    };
    format!("the export is not complete, so do not import it: {error}; {advice}")
}

impl From<csv::Error> for ExportError {
    fn from(error: csv::Error) -> Self {
        Self::Write(match error.into_kind() {
            // Converting a `csv::Error` to an `io::Error` hides the kind.
            csv::ErrorKind::Io(error) => error,
            other => io::Error::other(format!("{other:?}")),
        })
    }
}

/// Writes every counter of the sites, in the order given, as CSV that an import adds bucket by bucket. `progress` is called
/// with the number of rows written so far.
///
/// If the reader of `out` closes it (a broken pipe), the export ends without an error.
///
/// # Errors
/// If not everything could be read or written.
pub async fn export<W: Write>(
    store: &dyn Store,
    sites: &[SiteId],
    dialect: Dialect,
    mut out: W,
    progress: impl FnMut(u64),
) -> Result<(), ExportError> {
    let (mark, separator) = if dialect == Dialect::Excel { ("\u{feff}", b';') } else { ("", b',') };
    let done = match out.write_all(mark.as_bytes()) {
        Ok(()) => {
            let out = csv::WriterBuilder::new().delimiter(separator).from_writer(out);
            Export { out, dialect, rows: 0, progress }.write(store, sites).await
        }
        Err(error) => Err(ExportError::Write(error)),
    };
    match done {
        Err(ExportError::Write(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

struct Export<W: Write, P> {
    out: csv::Writer<W>,
    dialect: Dialect,
    rows: u64,
    progress: P,
}

impl<W: Write, P: FnMut(u64)> Export<W, P> {
    async fn write(mut self, store: &dyn Store, sites: &[SiteId]) -> Result<(), ExportError> {
        self.out.write_record(["site", "article", "bucket", "views"])?;
        for site in sites {
            let (sender, rows) = mpsc::channel(QUEUED_ROWS);
            // A failed write drops the receiver, which ends the store's part.
            let (read, written) = tokio::join!(store.export(site, sender), self.write_site(site, rows));
            written?;
            read?;
        }
        self.out.flush().map_err(ExportError::Write)
    }

    async fn write_site(&mut self, site: &SiteId, mut rows: mpsc::Receiver<Row>) -> csv::Result<()> {
        while let Some((bucket, subject, views)) = rows.recv().await {
            let (article, bucket) = match &subject {
                Subject::Site => ("", bucket.to_string()),
                // An import, and other readers of the file, cannot take it for views.
                Subject::Kind(kind) => ("", format!("{kind}:{bucket}")),
                Subject::Article(article) => (article.as_str(), bucket.to_string()),
            };
            let article = if self.dialect == Dialect::Excel { guarded(article) } else { article.into() };
            self.out.write_record([site.as_str(), &article, &bucket, &views.to_string()])?;
            self.rows += 1;
            (self.progress)(self.rows);
        }
        Ok(())
    }
}
