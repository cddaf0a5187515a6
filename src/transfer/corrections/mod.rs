//! Corrections by hand: the work behind `truycap adjust`, `rename`, `merge`, `delete`, `undo` and `audit`.
//!
//! - `order`: what the commands have in common
//! - `course`: a correction that a command begins, or continues after a crash
//! - `contents`: all counters of a site, in chunks
//! - `adjust`, `rename` (with `pairs`), `merge`, `delete`, `undo`: one command each
//! - `blame`: which later correction an undo waits for
//! - `report`: what a correction did
//! - `audit`: the list of corrections as a table
//!
//! `rename`, `delete` and `merge` move what a site has, so a part that was done is not there a second time. A command that was
//! interrupted continues if it is given again. An adjust is one atomic step.

mod adjust;
mod audit;
mod blame;
mod contents;
mod course;
mod delete;
mod error;
mod merge;
mod order;
mod pairs;
mod rename;
mod report;
mod undo;

pub use adjust::{Adjust, adjust};
pub use audit::{audit_list, audit_table};
pub use delete::delete;
pub use error::CorrectionError;
pub use merge::merge;
pub use order::{Order, holds_site};
pub use pairs::{Pairs, PairsError};
pub use rename::rename;
pub use report::{Changed, Report};
pub use undo::undo;
