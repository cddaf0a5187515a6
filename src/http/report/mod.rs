//! The owner's report: `GET /v1/sites/{site}/report`, a page, and `report.csv`, a file.
//!
//! - `answer`: who may read a report, and its headers
//! - `page`: the page
//! - `csv`: the file

pub(super) mod answer;
mod csv;
mod page;

pub use csv::write as write_csv;
