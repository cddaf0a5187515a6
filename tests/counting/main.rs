//! What the real binary promises of numbers: the box of a portal, through midnights and imports.
//!
//! Every test has a directory, ports and processes of its own. Where a test needs another time than now, the process sees
//! it through libfaketime.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed; clippy.toml excuses the bodies of tests only")]

#[path = "../process/clock.rs"]
mod clock;
#[path = "../process/mod.rs"]
mod process;
#[path = "../process/views.rs"]
mod views;

mod exporting;
mod figures;
mod importing;
mod interrupted;
mod midnight;
mod mistakes;
mod the_box;
