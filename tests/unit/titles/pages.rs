//! The title in a page, whatever the page is.

use truycap::titles::page::{MAX_TITLE, charset_of, title};

fn of(html: &str) -> Option<String> {
    title(html.as_bytes(), Some("utf-8"))
}

#[test]
fn the_title_is_the_social_one_otherwise_that_of_the_page() {
    let cases = [
        ("<title>Một</title>", Some("Một")),
        ("<!DOCTYPE html><html lang=vi><head><meta charset=utf-8><TITLE lang=vi>Một</TITLE></head><body>x", Some("Một")),
        ("<title>Một</title><meta property=og:title content=Hai>", Some("Hai")),
        ("<meta content='Hai' property=' OG:Title '><title>Một</title>", Some("Hai")),
        ("<meta name=\"og:title\" content=\"Hai &amp; ba\" />", Some("Hai & ba")),
        ("<meta property=og:title content=' '><title>Một</title>", Some("Một")),
        ("<meta property=og:title><title>Một</title>", Some("Một")),
        ("<meta property=og:title content=Hai><meta property=og:title content=Ba>", Some("Hai")),
        ("<meta property=og:title:x content=Hai>", None),
        ("<title></title><title>Hai</title>", Some("Hai")),
        ("<title>Một</title><title>Hai</title>", Some("Một")),
        // Not in the head, or not an element.
        ("<head></head><title>Một</title>", None),
        ("<body><title>Một</title>", None),
        ("<svg><title>Hình</title></svg>", None),
        ("<head></head><meta property=og:title content=Hai>", None),
        ("<!-- <title>Một</title> -->", None),
        ("<script>document.write('<title>Một</title>')</script><title>Hai</title>", Some("Hai")),
        ("<style><title>Một</title></style>", None),
        ("<textarea><title>Một</title></textarea>", None),
        ("<link title='Một'>", None),
        // Broken off.
        ("<title>Một", Some("Một")),
        ("<title", None),
        ("<meta property=og:title content=Hai", None),
        ("", None),
        ("%PDF-1.7\n%\u{e2}\u{e3}\n1 0 obj <</Type/Catalog>> <dc:title>Một</dc:title>", None),
    ];
    for (html, expected) in cases {
        assert_eq!(of(html).as_deref(), expected, "{html}");
    }
}

#[test]
fn a_title_is_one_line_of_text_that_hides_and_reorders_nothing() {
    let cases = [
        ("<b>Đậm</b> <script>alert(1)</script>", "<b>Đậm</b> <script>alert(1)</script>"),
        ("&lt;img src=x onerror=alert(1)&gt;", "<img src=x onerror=alert(1)>"),
        ("&quot;Một&quot; &#8211; hai&hellip; &#x110;&agrave;", "\"Một\" – hai… Đà"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("\n\t  Một \r\n\u{a0}&nbsp; hai\u{3000}ba \u{2028} bốn\u{b} ", "Một hai ba bốn"),
        ("a\u{202e}tac\u{202c} \u{2066}b\u{2069}\u{200f}\u{61c}&#x202e;&rlm;", "atac b"),
        ("a\u{0}b\u{1b}[31m\u{7}c", "a\u{fffd}b [31m c"),
        ("trang\u{ad}\u{200b}\u{200d}\u{feff}\u{e0041} chủ", "trang chủ"),
        ("Tie\u{302}\u{301}ng Vie\u{323}\u{302}t", "Tiếng Việt"),
        ("\u{202e}\u{200b}x", "x"),
    ];
    for (text, expected) in cases {
        assert_eq!(of(&format!("<title>{text}</title>")).as_deref(), Some(expected), "{text:?}");
    }
    for empty in ["", " \n ", "\u{202e}\u{200b}", "&nbsp;"] {
        assert_eq!(of(&format!("<title>{empty}</title>")), None, "{empty:?}");
    }
}

#[test]
fn a_long_title_is_cut_between_letters() {
    let whole = "ề".repeat((MAX_TITLE - 3) / 3);
    assert_eq!(of(&format!("<title>{whole}</title>")), Some(whole.clone()));
    for long in ["ề".repeat(MAX_TITLE), "e\u{302}\u{300}".repeat(100_000), format!("{whole}ề")] {
        let title = of(&format!("<title>{long}</title>")).unwrap();
        assert_eq!(title, format!("{whole}…"));
        assert!(title.len() <= MAX_TITLE);
    }
    let stacked = of(&format!("<title>a{}", "\u{301}".repeat(100_000))).unwrap();
    assert!(stacked.len() <= MAX_TITLE && stacked.ends_with('…'));
}

#[test]
fn the_charset_is_utf_8_otherwise_as_the_header_or_the_page_says() {
    let shown = |body: &[u8], charset| title(body, charset).unwrap_or_default();
    // What is UTF-8 is that, whatever is said.
    assert_eq!(shown("<title>Tiếng Việt</title>".as_bytes(), Some("windows-1252")), "Tiếng Việt");
    // "à" in windows-1258, the charset of Vietnamese pages of the nineties; 0xd2 is a hook above.
    let old = b"<title>T\xe0i</title>";
    assert_eq!(shown(old, Some("windows-1258")), "Tài");
    assert_eq!(shown(b"<meta charset=windows-1258><title>T\xe0i</title>", None), "Tài");
    let equiv = b"<meta http-equiv=Content-Type content='text/html; charset=\"windows-1258\"'><title>Ho\xd2i</title>";
    assert_eq!(shown(equiv, None), "Hỏi");
    assert_eq!(shown(old, None), "T\u{fffd}i");
    assert_eq!(shown(old, Some("x-unknown")), "T\u{fffd}i");
    let utf_16: Vec<u8> = "\u{feff}<title>Việt</title>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(shown(&utf_16, Some("utf-8")), "Việt");
    // A page that is cut in a letter is still UTF-8.
    assert_eq!(shown(&"<title>Việ".as_bytes()[..11], Some("windows-1252")), "Vi");
    // One bad byte elsewhere does no harm.
    assert_eq!(shown(b"<meta name=description content='\xe1\xbb'><title>Vi\xe1\xbb\x87t</title>", Some("UTF-8")), "Việt");
}

#[test]
fn the_charset_of_a_header_is_found() {
    for (header, expected) in [
        ("text/html; charset=utf-8", Some("utf-8")),
        ("text/html;Charset=\"UTF-8\"; x=y", Some("UTF-8")),
        ("text/html; boundary=charset", None),
        ("charset=utf-8", None),
        ("text/html", None),
    ] {
        assert_eq!(charset_of(header), expected, "{header}");
    }
}
