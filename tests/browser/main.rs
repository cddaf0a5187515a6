//! The script in a real browser, Chromium without a window, against the real binary: on the demo page, and on pages of
//! other origins.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed; clippy.toml excuses the bodies of tests only")]

#[path = "../process/mod.rs"]
mod process;

mod away;
mod counting;
mod driver;
mod filling;
mod foreign;
mod hostile;
mod pages;
mod visits;
