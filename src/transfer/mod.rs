//! Counters on their way between a store and a CSV file or a terminal: the work behind `truycap import`, `export` and
//! `figures`.
//!
//! - `lines`: a file's lines, numbered, hashed and split into fields
//! - `rows`: what a line means
//! - `check`: the first reading of a file, which finds every mistake
//! - `import`: the second reading, which adds to the store
//! - `export`: every counter as CSV; an import of it into an empty store brings the same counters back
//! - `figures`: the nine numbers of a box as text
//!
//! An import goes by the store's one rule: the file's digest is the producer, its chunks are the entries of a journal.

mod check;
mod export;
mod figures;
mod import;
mod lines;
mod rows;

pub use check::{CheckError, Checked, Mistake, Mistakes, check};
pub use export::{ExportError, export};
pub use figures::{as_text, figures};
pub use import::{ImportError, ImportSummary, import};
