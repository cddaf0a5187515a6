//! What the journal promises: an entry that was acknowledged is there again, and what is not as it was written is noticed.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails the test")]

mod damage;
mod encoding;
mod keeping;
mod room;
mod support;
