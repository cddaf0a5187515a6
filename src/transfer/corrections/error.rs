//! Why a correction was refused, or stopped.

use crate::{domain::site::SiteId, transfer::steps::StepError};

/// Why a correction was refused, or stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorrectionError {
    /// The correction does not make sense, or would leave counters that do not. Nothing was changed.
    #[error("{0}; nothing was changed")]
    Refused(String),
    /// A step was not made. The steps before it stay.
    #[error("{0}; give the command again: it continues where it stopped")]
    Step(StepError),
    /// The store cannot take the step, and a retry does not help.
    #[error("{0}; the steps before it stay")]
    Permanent(StepError),
    /// The correction cannot go on until the operator has done something else. The steps before it stay.
    #[error("{0}")]
    Blocked(String),
    /// Another process makes the same correction.
    #[error("another process makes the same correction of site {0} now: wait until it has ended, then look at truycap audit {0}")]
    Busy(SiteId),
}

impl From<StepError> for CorrectionError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Rewound { site, found, known } if found.seq > known.seq => Self::Busy(site),
            // What a command read has changed since, so it reads it again.
            error @ (StepError::Store(_) | StepError::Rewound { .. } | StepError::BelowZero(_)) => Self::Step(error),
            error @ (StepError::Undone(_) | StepError::Refused(_) | StepError::Unfinished { .. }) => Self::Permanent(error),
        }
    }
}
