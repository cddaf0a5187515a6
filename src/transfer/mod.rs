//! Moves counters between a store and a CSV file or a terminal: the work behind `truycap import`, `export` and `figures`.
//!
//! - `source`: a file's text, whatever its compression and encoding
//! - `fields`, `lines`: its lines, numbered and split into fields
//! - `header`, `forms`: what the columns are
//! - `periods`, `row`, `rows`: what a line means
//! - `reading`, `until`: what the caller says of the files, such as from when on views are left out
//! - `report`: what a file adds
//! - `check`: the first reading of a file, which finds all mistakes
//! - `producer`, `generation`: the producer id of a file, also of one that was taken back and is imported again
//! - `steps`: the steps of a correction, each made exactly once
//! - `import`: the second reading, which adds to the store
//! - [`corrections`]: counters changed by hand, and taken back
//! - `logs`: access logs of web servers
//! - `export`: every counter as CSV; importing it into an empty store restores the same counters
//! - `excel`: ids that Excel would take for formulas
//! - `spool`: files that are complete before others see them: backups, and what comes from a pipe
//! - `figures`: the nine figures of a box as text
//!
//! An import follows the store's one rule: the file's digest is the producer, and its chunks are the steps.

mod check;
pub mod corrections;
mod excel;
mod export;
mod fields;
mod figures;
mod forms;
mod generation;
mod header;
mod import;
mod lines;
pub mod logs;
mod periods;
mod producer;
mod reading;
mod report;
mod row;
mod rows;
mod source;
pub mod spool;
mod steps;
mod until;

pub use check::{CheckError, Checked, Mistake, Mistakes, check};
pub use excel::is_formula;
pub use export::{Dialect, ExportError, export};
pub use figures::{as_text, figures};
pub use import::{ImportError, ImportSummary, import, preview, preview_without_store};
pub use reading::{Format, Reading};
pub use report::{Added, Report, Year};
pub use steps::StepError;
pub use until::{Until, UntilError};
