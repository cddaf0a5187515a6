//! The definitions of views, buckets and boxes. Pure: no I/O, and the time is always an argument.
//!
//! - [`site`]: a portal, its time zone and origins
//! - [`article`]: one page of a site
//! - [`period`]: calendar periods and their buckets
//! - [`figures`]: the nine numbers of a box
//! - [`counts`]: sums of views on their way from a journal into a store
//! - [`correction`]: changes of counters by hand and by imports, and how they are taken back
//! - [`outcome`]: what happened to a view
//! - [`retention`]: how long buckets of articles are kept
//! - [`record`]: the counters of an article as text
//! - [`producer`]: runs of journals, imports, and the positions in their entries
//! - [`backoff`]: how long to wait between attempts
//! - [`clock`]: the clock as a value
//! - [`visible`]: text of others as it is shown

pub mod article;
pub mod backoff;
pub mod clock;
pub mod correction;
pub mod counts;
pub mod figures;
pub mod outcome;
pub mod period;
pub mod producer;
pub mod record;
pub mod retention;
pub mod site;
pub mod visible;

/// The largest count: 2^53 − 1, the largest integer that every JSON parser keeps exact (RFC 8259 §6).
pub const MAX_COUNT: u64 = (1 << 53) - 1;
