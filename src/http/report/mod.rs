//! The owner's report: `GET /v1/sites/{site}/report`, a page, and `report.csv`, a file.
//!
//! - `answer`: who may read a report, and its headers
//! - `page`: the page; `view`: what it shows beside the report; `choice`: its links and forms; `chart`: its chart; `words`: days and reasons in words
//! - `csv`: the file

pub(super) mod answer;
mod chart;
mod choice;
mod csv;
mod page;
mod view;
mod words;

pub use chart::Scale;
pub use csv::write as write_csv;
pub use page::render;
pub use view::View;
