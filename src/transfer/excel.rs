//! Ids in a file that Excel opens: it takes a text that begins with certain characters for a formula, and runs it.
//!
//! An apostrophe before such a text makes it a text. Reading the file takes it away again, so a text that begins with an apostrophe
//! gets one too.

use std::borrow::Cow;

/// Whether a spreadsheet takes a text for a formula, by its first character, also one of East Asian width.
#[must_use]
pub fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

fn is_special(text: &str) -> bool {
    is_formula(text) || text.starts_with('\'')
}

/// The text as a file for Excel has it.
pub(super) fn guarded(text: &str) -> Cow<'_, str> {
    if is_special(text) { format!("'{text}").into() } else { text.into() }
}

/// The text that [`guarded`] was given.
pub(super) fn unguarded(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| is_special(rest)).unwrap_or(text)
}
