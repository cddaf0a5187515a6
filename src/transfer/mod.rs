//! Moves counters between a store and a CSV file or a terminal: the work behind `truycap import`, `export` and `figures`.
//!
//! - `producer`: the producer id of a file
//! - `lines`: a file's lines, numbered, hashed and split into fields
//! - `rows`: what a line means
//! - `check`: the first reading of a file, which finds all mistakes
//! - `import`: the second reading, which adds to the store
//! - `export`: every counter as CSV; importing it into an empty store restores the same counters
//! - `spool`: files that are complete before others see them: backups, and what comes from a pipe
//! - `figures`: the nine figures of a box as text
//!
//! An import follows the store's one rule: the file's digest is the producer, and its chunks are the entries.

mod check;
mod export;
mod figures;
mod import;
mod lines;
mod producer;
mod rows;
pub mod spool;

pub use check::{CheckError, Checked, Mistake, Mistakes, check};
pub use export::{ExportError, export};
pub use figures::{as_text, figures};
pub use import::{ImportError, ImportSummary, import};
