//! The forms of files that an import reads.
//!
//! - `recognise`: which one a header has
//! - `own`: truycap's own columns
//! - `goatcounter`, `matomo`, `ga4`, `plausible`: exports of other counters

mod ga4;
mod goatcounter;
mod matomo;
mod own;
mod plausible;
mod recognise;

pub(super) use recognise::recognise;
