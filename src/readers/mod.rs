//! Readers, told apart for a day and never known.
//!
//! A reader is a keyed hash of what its requests have in common. The key is random and holds for one day of one site;
//! with it goes everything that could be found out by the hash.
//!
//! - `key`: the day's key, and what it makes of a reader
//! - `repeats`: who has been counted lately, and for what
//! - `articles`: which articles are new today

mod articles;
mod key;
mod repeats;

pub use articles::NewArticles;
pub use key::{Key, Reader};
pub use repeats::{Claim, Hold, MAX_REMEMBERED, Repeats};
