//! The promises of the journal: acknowledged entries survive, and data that differs from what was written is detected.

mod damage;
mod encoding;
mod keeping;
mod room;
mod support;
