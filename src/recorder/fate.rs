//! What becomes of views, counted for each site.

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
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

impl Fate {
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

/// How many views had which fate since the start.
#[derive(Debug, Default)]
pub(super) struct Fates([AtomicU64; Fate::ALL.len()]);

impl Fates {
    pub(super) fn add(&self, fate: Fate, views: u64) {
        self.0[fate as usize].fetch_add(views, Ordering::Relaxed);
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (Fate, u64)> {
        Fate::ALL.into_iter().map(|fate| (fate, self.0[fate as usize].load(Ordering::Relaxed)))
    }
}
