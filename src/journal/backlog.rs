//! The backlog of a journal, as commands and the admin listener report it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{producer::Seq, site::SiteId};

/// The entries with views of a site that the store has not confirmed. There is at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unapplied {
    /// The first of them, or an earlier entry.
    pub first: Seq,
    /// When that was made.
    pub oldest: DateTime<Utc>,
    /// How many there are.
    pub entries: u64,
    /// The views of the site in them.
    pub views: u64,
}

/// What waits in a journal for the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    /// The entries from the first one that waits to the last one.
    pub entries: u64,
    /// The views.
    pub views: u64,
    /// When the first entry was made, or earlier.
    pub oldest: Option<DateTime<Utc>>,
    /// The sites with waiting views, in the order of their ids.
    pub sites: Vec<SiteBacklog>,
}

/// What waits of one site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteBacklog {
    /// The site's id.
    pub site: String,
    /// The entries with views of it.
    pub entries: u64,
    /// The views.
    pub views: u64,
    /// When the first entry was made, or earlier.
    pub oldest: DateTime<Utc>,
}

impl Backlog {
    /// The backlog of a journal that ends with entry `head`, in which this waits of each site.
    pub fn of(sites: impl IntoIterator<Item = (SiteId, Unapplied)>, head: Seq) -> Self {
        let (mut backlog, mut first) = (Self::default(), None);
        for (site, Unapplied { first: first_of_site, oldest, entries, views }) in sites {
            first = Some(first.map_or(first_of_site, |first: Seq| first.min(first_of_site)));
            backlog.oldest = Some(backlog.oldest.map_or(oldest, |other| other.min(oldest)));
            backlog.views = backlog.views.saturating_add(views);
            backlog.sites.push(SiteBacklog { site: site.to_string(), entries, views, oldest });
        }
        // An entry can be in a site's state a moment before it is the last one.
        backlog.entries = first.map_or(0, |first| head.max(first) - first + 1);
        backlog
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }
}
