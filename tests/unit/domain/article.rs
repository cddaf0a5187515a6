//! Which texts are article ids.

use std::collections::HashMap;

use serde::Deserialize;
use truycap::domain::article::{ArticleError, ArticleId};
use unicode_normalization::UnicodeNormalization;

fn id(text: &str) -> Result<String, ArticleError> {
    ArticleId::parse(text).map(|id| id.to_string())
}

#[test]
fn an_id_is_counted_under_one_spelling() {
    let composed = "/tin-tức/Thống kê";
    let decomposed: String = composed.nfd().collect();
    assert_ne!(composed, decomposed);
    assert_eq!(id(&decomposed).as_deref(), Ok(composed));
    assert_eq!(ArticleId::parse(&decomposed), ArticleId::parse(composed));
    assert_eq!(id("\u{212b}\u{1112}\u{1161}\u{11ab}").as_deref(), Ok("\u{c5}한"));
    // NFC only: case, white space and compatibility forms are kept.
    for text in ["/Tin", "/tin/", " /tin ", "/tin?a=1#b", "ﬁ", "①", "\u{a0}", "\u{200b}", "\u{ad}", "\u{feff}", "\u{2028}", "😀", "a"]
    {
        assert_eq!(id(text).as_deref(), Ok(text));
    }
}

#[test]
fn an_id_has_1_to_256_bytes_after_normalisation() {
    assert_eq!(id(""), Err(ArticleError::Empty));
    assert_eq!(id(&"a".repeat(256)), Ok("a".repeat(256)));
    assert_eq!(id(&"a".repeat(257)), Err(ArticleError::TooLong));
    assert_eq!(id(&"ế".repeat(85)), Ok("ế".repeat(85)));
    assert_eq!(id(&format!("{}a", "ế".repeat(85))), Ok(format!("{}a", "ế".repeat(85))));
    assert_eq!(id(&"ế".repeat(86)), Err(ArticleError::TooLong));
    // A text that NFC makes short enough is accepted. A syllable has three jamo, and the Kelvin sign three bytes.
    for (letter, count) in [("ế", 85), ("한", 85), ("ᾂ", 85), ("Ǖ", 128), ("K", 256)] {
        let long: String = letter.repeat(count).nfd().collect::<String>().replace('K', "\u{212a}");
        assert!(long.len() > 256, "{letter}");
        assert_eq!(id(&long), Ok(letter.repeat(count)));
        assert_eq!(id(&format!("{long}{long}")), Err(ArticleError::TooLong));
    }
    // NFC shrinks nothing more than this: a prosgegrammeni (canonically an iota) with two marks, 7 bytes to 2.
    assert_eq!(id(&"\u{1fbe}\u{308}\u{301}".repeat(128)), Ok("\u{390}".repeat(128)));
    assert_eq!(id(&"\u{1fbe}\u{308}\u{301}".repeat(129)), Err(ArticleError::TooLong));
    // A text that NFC makes longer than 256 bytes is refused: U+0958 becomes two characters.
    assert_eq!(id(&"\u{958}".repeat(42)), Ok("\u{915}\u{93c}".repeat(42)));
    assert_eq!(id(&"\u{958}".repeat(85)), Err(ArticleError::TooLong));
}

#[test]
fn an_id_with_a_control_character_is_refused() {
    let controls: Vec<char> = ('\0'..='\u{1f}').chain('\u{7f}'..='\u{9f}').collect();
    assert_eq!(controls.len(), 65);
    for control in controls {
        for text in [format!("{control}"), format!("/tin{control}"), format!("{control}/tin"), format!("/t{control}in")] {
            assert_eq!(id(&text), Err(ArticleError::Control), "{text:?}");
        }
    }
}

/// A text longer than four times the maximum is refused without being normalised. This test proves that normalising
/// would not make it short enough.
///
/// NFC keeps a text's canonical decomposition. `longest` is the most bytes that a character of a decomposition can come
/// from. If no character is longer than the sum over its own decomposition, and no character of an NFC text is shorter
/// than a quarter of that sum, no text is longer than four times its NFC.
#[test]
fn nfc_never_shrinks_a_text_below_a_quarter() {
    let mut longest = HashMap::<char, usize>::new();
    let characters = || ('\0'..=char::MAX).map(|c| (c, std::iter::once(c).nfd().collect::<Vec<_>>()));
    for (c, decomposed) in characters() {
        if let [single] = decomposed[..] {
            let most = longest.entry(single).or_default();
            *most = c.len_utf8().max(*most);
        }
    }
    let mut beyond_a_third = Vec::new();
    for (c, decomposed) in characters() {
        let sum: usize = decomposed.iter().map(|part| longest[part]).sum();
        assert!(c.len_utf8() <= sum, "{c:?}");
        if std::iter::once(c).nfc().eq([c]) {
            assert!(sum <= 4 * c.len_utf8(), "{c:?}");
            if sum > 3 * c.len_utf8() {
                beyond_a_third.push(c);
            }
        }
    }
    // Hangul syllables shrink to a third. Only this character shrinks further; it is tested above.
    assert_eq!(beyond_a_third, ['\u{390}']);
}

/// An address, and the id that the script sends for it; tests/browser has the script's part.
#[derive(Deserialize)]
struct Case {
    address: String,
    canonical: Option<String>,
    id: Option<String>,
}

#[test]
fn an_address_has_the_id_that_the_script_sends() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("addresses.json")).unwrap();
    assert!(cases.len() > 40);
    for Case { address, canonical, id } in cases {
        // The home page is an article to the script only.
        let id = id.map(|id| Some(id).filter(|id| id != "/"));
        for path in canonical.map_or_else(|| vec![address.clone(), format!("https://portal.example.vn{address}")], |link| vec![link]) {
            let found = ArticleId::of_path(&path).map(|id| id.map(|id| id.to_string()));
            assert_eq!(found.clone().ok(), id, "{path:?}: {found:?}");
        }
    }
}

#[test]
fn a_path_needs_no_slash_at_its_beginning_and_an_address_needs_a_host() {
    let of = |path: &str| ArticleId::of_path(path).map(|id| id.map(|id| id.to_string()));
    assert_eq!(of("tin/1/"), Ok(Some("/tin/1".into())));
    assert_eq!(of("index.html"), Ok(None));
    assert_eq!(of(""), Ok(None));
    assert_eq!(of("mailto:a@b"), Ok(Some("/mailto:a@b".into())));
    for address in ["http://", "https://[::1/tin", "HTTP://a b/tin"] {
        assert_eq!(of(address), Err(ArticleError::Address), "{address}");
    }
}

#[test]
fn an_id_of_a_page_is_cleaned_without_being_an_address() {
    let sent = |text: &str| ArticleId::as_sent(text).map(|id| id.to_string());
    assert_eq!(sent("bai-7"), Ok("bai-7".into()));
    assert_eq!(sent("/xem?id=7/"), Ok("/xem?id=7".into()));
    assert_eq!(sent("/tin/b%C3%A0i/index.html"), Ok("/tin/bài".into()));
    assert_eq!(sent("/"), Ok("/".into()));
    assert_eq!(sent(""), Err(ArticleError::Empty));
}
