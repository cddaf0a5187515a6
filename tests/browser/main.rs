//! The script, the demo portal, the box in a frame and the badge in headless Chromium, with the real binary, on pages of
//! the service and of other origins.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed; clippy.toml excuses the bodies of tests only")]

mod counting;
mod driver;
mod filling;
mod foreign;
mod hostile;
mod iframe;
mod outage;
mod pages;
mod portal;
mod visits;

use truycap_test_support::process;
