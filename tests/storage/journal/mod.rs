//! The promises of the journal: acknowledged entries survive, and data that differs from what was written is detected.

mod damage;
mod encoding;
mod files;
mod fixture;
mod keeping;
mod model;
mod power_cuts;
mod room;
mod runs;
mod support;
mod survey;
