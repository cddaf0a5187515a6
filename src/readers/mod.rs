//! Readers, told apart for a day and never known.
//!
//! A reader is a keyed hash of what its requests have in common. The key is random and holds for one day of one site;
//! with it goes everything that could be found out by the hash.
//!
//! - `key`: the day's key, and what it makes of a reader
//! - `repeats`: who has been counted lately, and for what
//! - `articles`: which articles are new today
//! - `visitors`: how many readers there are
//! - `tend`: what has to be done about all that from time to time

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

mod articles;
mod key;
mod repeats;
mod tend;
mod visitors;

pub use articles::NewArticles;
pub use key::{Key, Reader};
pub use repeats::{Claim, Hold, MAX_REMEMBERED, Repeats};
pub use tend::tend;
pub use visitors::{Estimate, MAX_READERS, Visitors};

/// What is known of the readers of all sites.
#[derive(Debug)]
pub struct Readers {
    /// Who was counted lately, and for what.
    pub repeats: Repeats,
    /// Which articles are new today.
    pub new_articles: NewArticles,
    /// How many readers there are.
    pub visitors: Visitors,
}

impl Readers {
    /// Nobody is known yet. `shared` says whether the store is a Redis, which counts the readers of several instances.
    #[must_use]
    pub fn new(shared: bool) -> Self {
        Self { repeats: Repeats::default(), new_articles: NewArticles::default(), visitors: Visitors::new(shared) }
    }
}

/// Whether a day has ended where its readers are: what is known of them ends with it.
fn is_over(day: NaiveDate, timezone: Tz, now: DateTime<Utc>) -> bool {
    day < now.with_timezone(&timezone).date_naive()
}
