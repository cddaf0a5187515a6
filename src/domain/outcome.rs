//! What happens to views, counted for each site.

use std::sync::atomic::{AtomicU64, Ordering};

use super::counts::Kind;

/// What happened to a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Counted: it is in the journal.
    Counted,
    /// Not counted: the client is a bot.
    Bot,
    /// Not counted: the page was prefetched and not yet shown.
    Prefetch,
    /// Not counted: the same visitor was counted for the same article within the repeat window.
    Repeat,
    /// Refused: it came from a page of another origin.
    Foreign,
    /// Refused: its client or its site exceeded a rate limit.
    Limited,
    /// Refused: the journal was full.
    Full,
    /// Refused: too many views were waiting to be written.
    Busy,
    /// Not acknowledged because the service was stopping; it may be counted after the next start.
    Unknown,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 9] =
        [Self::Counted, Self::Bot, Self::Prefetch, Self::Repeat, Self::Foreign, Self::Limited, Self::Full, Self::Busy, Self::Unknown];

    /// Its name in responses and metrics.
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

    /// The kind of count that keeps how many views had it. Views that failed have none: their clients can send them again.
    #[must_use]
    pub fn kind(self) -> Option<Kind> {
        match self {
            Self::Bot => Some(Kind::Bot),
            Self::Prefetch => Some(Kind::Prefetch),
            Self::Repeat => Some(Kind::Repeat),
            Self::Foreign => Some(Kind::Foreign),
            Self::Limited => Some(Kind::RateLimited),
            Self::Counted | Self::Full | Self::Busy | Self::Unknown => None,
        }
    }
}

/// Why a view counts for its site, and not for the article that it named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteAlone {
    /// The article does not match the site's pattern.
    ArticlePattern,
    /// The site has had its maximum of new articles today.
    ArticleLimit,
}

impl SiteAlone {
    /// All reasons.
    pub const ALL: [Self; 2] = [Self::ArticlePattern, Self::ArticleLimit];

    /// Its name in responses and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ArticlePattern => "article_pattern",
            Self::ArticleLimit => "article_limit",
        }
    }

    /// The kind of count that keeps how many views had it.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::ArticlePattern => Kind::ArticlePattern,
            Self::ArticleLimit => Kind::ArticleLimit,
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

/// How many counted views were of the site alone, by reason, since the start.
#[derive(Debug, Default)]
pub struct SiteAloneCounts([AtomicU64; SiteAlone::ALL.len()]);

impl SiteAloneCounts {
    /// Adds a view.
    pub fn add(&self, reason: SiteAlone) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The views for each reason.
    pub fn each(&self) -> impl Iterator<Item = (SiteAlone, u64)> {
        SiteAlone::ALL.into_iter().map(|reason| (reason, self.0[reason as usize].load(Ordering::Relaxed)))
    }
}
