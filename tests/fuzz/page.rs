//! Pages of a portal, from which titles are taken.

use bolero::check;
use truycap::{
    domain::visible::is_hidden,
    titles::page::{MAX_TITLE, title},
};
use unicode_normalization::is_nfc;

/// An input is a charset, a line feed and a page.
#[test]
fn a_title_is_one_line_of_visible_text_whatever_the_page_is() {
    check!(name = "page").with_iterations(2000).for_each(|bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let charset = str::from_utf8(&bytes[..end]).ok();
        let Some(shown) = title(&bytes[end..], charset) else { return };
        assert!((1..=MAX_TITLE).contains(&shown.len()) && is_nfc(&shown), "{shown:?}");
        assert!(!shown.chars().any(|c| is_hidden(c) || (c.is_whitespace() && c != ' ')), "{shown:?}");
        assert!(!shown.contains("  ") && shown.trim() == shown, "{shown:?}");
        // As text of another page it says the same.
        let escaped = shown.replace('&', "&amp;").replace('<', "&lt;");
        assert_eq!(title(format!("<title>{escaped}</title>").as_bytes(), None), Some(shown));
    });
}
