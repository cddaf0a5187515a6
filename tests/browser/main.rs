//! The script, the demo portal, the box in a frame and the badge in headless Chromium, the main promises also in Firefox, with
//! the real binary, on pages of the service and of other origins.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed; clippy.toml excuses the bodies of tests only")]

mod access_log;
mod accessible;
mod addresses;
mod arrivals;
mod box_options;
mod calm;
mod counting;
mod driver;
mod filling;
mod filling_later;
mod firefox;
mod foreign;
mod frameworks;
mod harmless;
mod hostile;
mod iframe;
mod in_firefox;
mod looks;
mod outage;
mod pages;
mod portal;
mod report;
mod routers;
mod sources;
mod views;

use truycap_test_support::process;
