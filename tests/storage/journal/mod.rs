//! What the journal promises: an entry that was acknowledged is there again, and what is not as it was written is noticed.

mod damage;
mod encoding;
mod keeping;
mod room;
mod support;
