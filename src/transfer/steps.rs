//! Makes the steps of a correction, each exactly once: also if calls fail, replies are lost, or another process makes the same
//! steps.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    domain::{
        backoff::Backoff,
        correction::{AuditEntry, BelowZero, Change, Note},
        producer::{Position, ProducerId},
        site::SiteId,
        visible::visible,
    },
    store::{Corrected, Step, Store, StoreError},
};

/// How long a failed call of the store is retried.
const RETRY_FOR: Duration = Duration::from_secs(60);

/// The first and the longest pause between two attempts.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Why a step was not made. The steps before it stay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The store failed for about a minute. The same command continues.
    #[error("{0}")]
    Store(StoreError),
    /// The store cannot take the step, and a retry does not help.
    #[error("{0}")]
    Refused(StoreError),
    /// The store lost steps that it had made, for example in a fail-over.
    #[error("the store was rewound: it is at {found} of this correction of site {site}, but was at {known}")]
    Rewound {
        /// The site.
        site: SiteId,
        /// Where the store is.
        found: Position,
        /// Where it was.
        known: Position,
    },
    /// A counter has fewer views than would be taken away.
    #[error("{} has only {} views in {}", name(.0), .0.has, .0.bucket)]
    BelowZero(BelowZero),
    /// An undo of the file's earlier import is not complete.
    #[error("the undo of import {number} of site {site} is not complete: first give truycap undo {site} {number}")]
    Unfinished {
        /// The site.
        site: SiteId,
        /// The number of the import.
        number: u64,
    },
    /// The correction, or the one that it would take back, was taken back.
    #[error("correction {0} has taken it back")]
    Undone(u64),
}

fn name(below: &BelowZero) -> String {
    use crate::domain::counts::Subject;
    match &below.subject {
        Subject::Site => "the site".into(),
        Subject::Kind(kind) => format!("the count of {kind}"),
        Subject::Article(article) => format!("article {}", visible(article.as_str())),
    }
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// This process made it.
    Now,
    /// It was made before, by another process. [`Steps::position`] can be after the step.
    Before,
}

/// The steps of one correction of a site.
pub(super) struct Steps<'a> {
    store: &'a dyn Store,
    site: SiteId,
    producer: ProducerId,
    note: Note,
    position: Position,
    number: Option<u64>,
    /// Whether a counter has reached its maximum.
    pub(super) saturated: bool,
    /// Whether the store found this machine's clock to be far away from its own time.
    pub(super) clock_jumped: bool,
}

impl<'a> Steps<'a> {
    /// Asks the store how far the correction is. `note` is kept if no step of it was made yet.
    pub(super) async fn open(store: &'a dyn Store, site: SiteId, producer: ProducerId, note: Note) -> Result<Self, StepError> {
        let position = retried(async || store.offset(&site, producer).await).await?;
        Ok(Self { store, site, producer, note, position, number: None, saturated: false, clock_jumped: false })
    }

    /// Where the store is.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// Makes the step from the present position to `to`.
    pub(super) async fn make(&mut self, to: Position, changes: Vec<Change>) -> Result<Made, StepError> {
        let step = Step { producer: self.producer, from: self.position, to, changes, note: self.note.clone() };
        let step = Arc::new(step);
        let mut perhaps = false;
        let corrected = retried(async || {
            let corrected = self.store.correct(&self.site, Arc::clone(&step)).await;
            perhaps |= matches!(corrected, Err(StoreError::PerhapsApplied(_)));
            corrected
        });
        match corrected.await? {
            Corrected::Done { done, number } => {
                (self.position, self.number) = (to, Some(number));
                self.saturated |= done.saturated;
                self.clock_jumped |= done.jumped;
                Ok(Made::Now)
            }
            // A reply was lost, or another process made the same step.
            Corrected::Refused(found) if found == to || found.seq > to.seq => {
                self.position = found;
                Ok(if perhaps && found == to { Made::Now } else { Made::Before })
            }
            Corrected::Refused(found) => Err(StepError::Rewound { site: self.site.clone(), found, known: self.position }),
            Corrected::BelowZero(below) => Err(StepError::BelowZero(below)),
            Corrected::Undone(by) => Err(StepError::Undone(by)),
        }
    }

    /// The number of the correction in the audit list; `None` if no step of it was made.
    pub(super) async fn number(&mut self) -> Result<Option<u64>, StepError> {
        if self.number.is_none() && self.position != Position::START {
            let audit = audit(self.store, &self.site).await?;
            self.number = audit.iter().find(|entry| entry.producer == self.producer).map(|entry| entry.number);
        }
        Ok(self.number)
    }
}

/// The audit list of a site.
pub(super) async fn audit(store: &dyn Store, site: &SiteId) -> Result<Vec<AuditEntry>, StepError> {
    retried(async || store.audit(site, 0).await).await
}

/// Calls the store until it answers, for [`RETRY_FOR`].
pub(super) async fn retried<T>(mut call: impl AsyncFnMut() -> Result<T, StoreError>) -> Result<T, StepError> {
    let (mut backoff, deadline) = (Backoff::new(RETRY_PAUSES.0, RETRY_PAUSES.1), Instant::now() + RETRY_FOR);
    loop {
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(error @ (StoreError::Corrupt(_) | StoreError::Version { .. })) => return Err(StepError::Refused(error)),
            Err(error) if Instant::now() >= deadline => return Err(StepError::Store(error)),
            Err(_) => sleep(backoff.next_pause()).await,
        }
    }
}
