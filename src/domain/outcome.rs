//! What becomes of views, counted for each site.

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the journal, and counted.
    Counted,
    /// It was not counted: a machine reads.
    Bot,
    /// It was not counted: nobody has seen the page yet.
    Prefetch,
    /// It was not counted: the same reader was counted for the same article a short while ago.
    Repeat,
    /// It was refused: it came from a page of somebody else.
    Foreign,
    /// It was refused: its client asked too often, or its site had too many.
    Limited,
    /// It was refused: the journal was full.
    Full,
    /// It was refused: too many waited to be written.
    Busy,
    /// It was not acknowledged, for the service was stopping; it may be counted after the next start.
    Unknown,
}

impl Outcome {
    /// Each of them.
    pub const ALL: [Self; 9] =
        [Self::Counted, Self::Bot, Self::Prefetch, Self::Repeat, Self::Foreign, Self::Limited, Self::Full, Self::Busy, Self::Unknown];

    /// Its name in answers and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Bot => "bot",
            Self::Prefetch => "prefetch",
            Self::Repeat => "repeat",
            Self::Foreign => "foreign",
            Self::Limited => "rate_limited",
            Self::Full => "full",
            Self::Busy => "busy",
            Self::Unknown => "unknown",
        }
    }
}

/// How many views had which outcome since the start.
#[derive(Debug, Default)]
pub struct OutcomeCounts([AtomicU64; Outcome::ALL.len()]);

impl OutcomeCounts {
    /// Adds views with this outcome.
    pub fn add(&self, outcome: Outcome, views: u64) {
        self.0[outcome as usize].fetch_add(views, Ordering::Relaxed);
    }

    /// The views of each outcome.
    pub fn each(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().map(|outcome| (outcome, self.0[outcome as usize].load(Ordering::Relaxed)))
    }
}
