//! The owner's report on a period of a site: what is in it. How it looks is the business of `http`.
//!
//! - `contents`: the values of a report
//! - `range`: its period, as a query names it, and the periods that it is compared with
//! - `cover`: the buckets that make up a period
//! - `most_read`: the most-read articles of a period, from the lists that are kept
//! - `imported`: how many views were imported
//! - `making`: makes reports, a few at a time

mod contents;
mod cover;
mod imported;
mod making;
mod most_read;
mod range;

pub use contents::{Counts, Days, Gap, MAX_MOST_READ, MostRead, ReadArticle, Report, Step};
pub use cover::{pieces, whole_buckets};
pub use imported::imported;
pub use making::{ReportError, Reports};
pub use most_read::{Listed, Ranking};
pub use range::{RangeError, RangeQuery};
