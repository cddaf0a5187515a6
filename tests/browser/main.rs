//! The demo page in a real browser, Chromium without a window, against the real binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed; clippy.toml excuses the bodies of tests only")]

#[path = "../process/mod.rs"]
mod process;

mod away;
mod driver;
mod foreign;
mod pages;
mod visits;
