//! Access logs of web servers: the views that they show, by the line's own time.
//!
//! - `lines`: the lines of a log, decompressed, numbered and hashed
//! - `format`: the formats, and which one a log has; `ncsa`, `w3c` and `json` read the lines of each
//! - `request`: what a line says
//! - `views`: which requests are views
//! - `import`: adds the views to the counters, each line once
//! - `summary`: what an import did

mod format;
mod import;
mod json;
mod lines;
mod ncsa;
mod request;
mod summary;
mod views;
mod w3c;

pub use format::{Format, Parser};
pub use import::{Log, LogError, Target, import_log};
pub use request::{Line, Request};
pub use summary::{LineCounts, LineSet, LogSummary};
pub use views::{NotPages, Reason, SiteAlone, View, ViewRules};
