//! Corrections of counters, up or down: imports, what operators change by hand, and what takes either back.
//!
//! A correction of a site is a sequence of steps, each a list of [`Change`]s that a store makes in one atomic step. The store keeps
//! an [`AuditEntry`] for each correction for ever, and the changes of the latest [`KEPT_CHANGES`] ones, so that they can be undone.

use chrono::{DateTime, Utc};
use miniz_oxide::{deflate::compress_to_vec, inflate::decompress_to_vec_with_limit};
use serde::{Deserialize, Serialize};

use super::{
    article::ArticleId,
    counts::Subject,
    period::{Bucket, BucketSet},
    producer::{ProducerId, Seq},
};

/// How many corrections of a site can be undone: the latest ones. The changes of earlier ones are deleted.
pub const KEPT_CHANGES: u64 = 100;

/// The most changes of one step.
pub const MAX_CHANGES: usize = 1000;

/// The largest decoded size of a step's changes, in bytes. Ids of articles are bounded, so none is larger.
const MAX_DECODED: usize = 1 << 20;

/// The usual compromise between size and speed.
const LEVEL: u8 = 6;

/// By how much the buckets of a site or of an article change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is changed.
    pub subject: Subject,
    /// The buckets; each changes by `views`.
    pub buckets: BucketSet,
    /// How many views are added, or taken away if it is negative; at most [`MAX_COUNT`](super::MAX_COUNT) in size.
    pub views: i64,
}

impl Change {
    /// The change that takes this one back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self { views: -self.views, ..self.clone() }
    }
}

/// What a correction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CorrectionKind {
    /// Views from a file.
    Import,
    /// Views added or taken away by hand.
    Adjust,
    /// Views of articles moved to other articles of the site.
    Rename,
    /// Views moved to another site, or from another site.
    Merge,
    /// Views of an article, or of the whole site, taken away.
    Delete,
    /// Another correction taken back.
    Undo,
}

impl CorrectionKind {
    /// Its name in the audit list and in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Adjust => "adjust",
            Self::Rename => "rename",
            Self::Merge => "merge",
            Self::Delete => "delete",
            Self::Undo => "undo",
        }
    }
}

/// What is kept of a correction when it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When it began.
    pub at: DateTime<Utc>,
    /// What it is.
    pub kind: CorrectionKind,
    /// What it does, in words: the file, or the arguments of the command.
    pub what: String,
    /// Why, in the words of the operator; empty if no reason was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The number of the correction that it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<u64>,
}

/// A correction as the audit list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number: corrections of a site are numbered from 1.
    pub number: u64,
    /// Its producer, by which the store knows how far it is.
    pub producer: ProducerId,
    /// What was kept when it began.
    pub note: Note,
    /// How many steps were made so far. Their changes are numbered from 1.
    pub steps: Seq,
    /// By how much it changed the site's total so far.
    pub site_views: i64,
    /// By how much it changed the totals of articles so far.
    pub article_views: i64,
    /// The number of the correction that takes it back, also if that is not complete yet.
    pub undone_by: Option<u64>,
}

/// Bytes that are not the changes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are not changes that truycap wrote")]
pub struct ChangesError;

/// A change as it is kept: kind of the subject, its name, the buckets and the views.
type Stored<'a> = (u8, &'a str, [Option<i32>; 4], bool, i64);

/// The changes of a step as a store keeps them: postcard, compressed, because the ids of articles repeat each other.
///
/// # Errors
/// None in practice: nothing is written but memory.
pub fn encode(changes: &[Change]) -> Result<Vec<u8>, ChangesError> {
    let stored: Vec<_> = changes.iter().map(stored).collect();
    let bytes = postcard::to_allocvec(&stored).map_err(|_| ChangesError)?;
    Ok(compress_to_vec(&bytes, LEVEL))
}

fn stored(change: &Change) -> Stored<'_> {
    let (code, name) = match &change.subject {
        Subject::Site => (0, ""),
        Subject::Article(article) => (1, article.as_str()),
        Subject::Kind(kind) => (2, kind.name()),
    };
    (code, name, change.buckets.periods, change.buckets.total, change.views)
}

/// Decodes what [`encode`] wrote. It accepts any bytes: it does not panic, and its memory is bounded.
///
/// # Errors
/// If it did not write them.
pub fn decode(bytes: &[u8]) -> Result<Vec<Change>, ChangesError> {
    let plain = decompress_to_vec_with_limit(bytes, MAX_DECODED).map_err(|_| ChangesError)?;
    let (stored, rest): (Vec<Stored<'_>>, _) = postcard::take_from_bytes(&plain).map_err(|_| ChangesError)?;
    if !rest.is_empty() {
        return Err(ChangesError);
    }
    stored.into_iter().map(|change| read(change).ok_or(ChangesError)).collect()
}

fn read((code, name, periods, total, views): Stored<'_>) -> Option<Change> {
    let subject = match code {
        0 => Subject::Site,
        1 => Subject::Article(ArticleId::parse(name).ok()?),
        2 => Subject::Kind(name.parse().ok()?),
        _ => return None,
    };
    Some(Change { subject, buckets: BucketSet { periods, total }, views })
}

/// The sums that an [`AuditEntry`] keeps: by how much changes change the totals of the site, and of articles.
#[must_use]
pub fn totals(changes: &[Change]) -> (i64, i64) {
    let sum = |of: fn(&Subject) -> bool| {
        let totals = changes.iter().filter(|change| change.buckets.total && of(&change.subject));
        totals.fold(0_i64, |sum, change| sum.saturating_add(change.views))
    };
    (sum(|subject| *subject == Subject::Site), sum(|subject| matches!(subject, Subject::Article(_))))
}

/// A counter that a correction would take below zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BelowZero {
    /// Whose counter.
    pub subject: Subject,
    /// Which one.
    pub bucket: Bucket,
    /// What it has.
    pub has: u64,
}
