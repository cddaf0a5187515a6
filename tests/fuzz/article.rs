//! Article ids.

use bolero::check;
use truycap::domain::article::{ArticleError, ArticleId};
use unicode_normalization::{UnicodeNormalization, is_nfc};

#[test]
fn an_id_has_one_spelling_and_parses_to_itself() {
    check!(name = "article").with_iterations(2000).for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let normal: String = text.nfc().collect();
        match ArticleId::parse(&text) {
            Ok(id) => {
                assert_eq!(id.as_str(), normal);
                assert!(is_nfc(&normal) && (1..=256).contains(&normal.len()) && !normal.chars().any(char::is_control), "{id:?}");
                for other in [normal.clone(), text.nfd().collect()] {
                    assert_eq!(ArticleId::parse(&other).as_ref(), Ok(&id));
                }
            }
            Err(ArticleError::Empty) => assert_eq!(text, ""),
            Err(ArticleError::Control) => assert!(text.chars().any(char::is_control)),
            Err(ArticleError::TooLong) => assert!(normal.len() > 256),
            Err(ArticleError::Address) => panic!("an id is not an address: {text:?}"),
        }
    });
}
