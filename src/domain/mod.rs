//! What a view, a bucket and a box are. Pure: no I/O and no clock; an instant is always an argument.
//!
//! - [`site`]: a portal, its time zone and origins
//! - [`article`]: one page of a site
//! - [`period`]: buckets, and which of them a box needs
//! - [`figures`]: the nine numbers of a box
//! - [`counts`]: sums of views on their way from a journal into a store
//! - [`retention`]: how long buckets of articles are kept
//! - [`producer`]: who counted, and how far the store has followed
//! - [`backoff`]: how long to wait between attempts

pub mod article;
pub mod backoff;
pub mod clock;
pub mod counts;
pub mod figures;
pub mod outcome;
pub mod period;
pub mod producer;
pub mod retention;
pub mod site;

/// The largest count: 2^53 − 1, the largest whole number that every JSON reader keeps exact (RFC 8259 §6).
pub const MAX_COUNT: u64 = (1 << 53) - 1;
