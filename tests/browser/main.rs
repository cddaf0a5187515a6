//! The demo portal, the box in a frame and the badge in a real browser, Chromium without a window, against the real binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed; clippy.toml excuses the bodies of tests only")]

#[path = "../process/mod.rs"]
mod process;
#[path = "../process/views.rs"]
mod views;

mod away;
mod driver;
mod foreign;
mod iframe;
mod pages;
mod portal;
mod visits;
