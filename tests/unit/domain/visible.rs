use truycap::domain::visible::visible;

#[test]
fn hidden_characters_are_shown_as_escapes_and_vietnamese_is_unchanged() {
    for (text, shown) in [
        ("tiếng Việt, e\u{302}\u{301} \"'\\ 中文 🦀", "tiếng Việt, e\u{302}\u{301} \"'\\ 中文 🦀"),
        ("a\u{1b}[31m\n", "a\\u{1b}[31m\\n"),
        ("\u{202e}gpj.exe\u{2066}", "\\u{202e}gpj.exe\\u{2066}"),
        ("a\u{2028}b\u{2029}c\u{85}", "a\\u{2028}b\\u{2029}c\\u{85}"),
        ("a\u{200b}b\u{feff}\u{e0041}", "a\\u{200b}b\\u{feff}\\u{e0041}"),
    ] {
        assert_eq!(visible(text), shown);
    }
}
