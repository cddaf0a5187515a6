//! Ids in a file that Excel opens: it takes a text that begins with certain characters for a formula, and runs it.
//!
//! An apostrophe before such a text makes it a text. Reading the file takes it away again, so a text that begins with an apostrophe
//! gets one too.

use std::borrow::Cow;

/// The characters, with those of East Asian width, and the apostrophe itself.
const SPECIAL: [char; 9] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\''];

/// The text as a file for Excel has it.
pub(super) fn guarded(text: &str) -> Cow<'_, str> {
    if text.starts_with(SPECIAL) { format!("'{text}").into() } else { text.into() }
}

/// The text that [`guarded`] was given.
pub(super) fn unguarded(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| rest.starts_with(SPECIAL)).unwrap_or(text)
}
