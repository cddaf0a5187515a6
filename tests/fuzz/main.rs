//! What comes from outside, made up by a fuzzer: whatever the bytes, the promises hold.
//!
//! Each target is a test. It replays its corpus, the files in `__fuzz__/NAME/corpus`, and then tries some random bytes.
//! `scripts/fuzz.sh` lets libFuzzer look for bytes that reach new code. What it fails on is told, and becomes a file of
//! the corpus once it is mended.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but not in their helpers")]

mod address;
mod article;
mod clock;
mod config;
mod csv;
mod journal;

mod panics;
mod replies;
mod request;
