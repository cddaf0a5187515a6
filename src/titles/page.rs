//! The title of a page: its `og:title`, otherwise its `<title>`, as plain text.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};
use unicode_normalization::UnicodeNormalization;

use crate::domain::visible::is_hidden;

/// The longest title, in bytes: about 380 letters of Vietnamese, as long as the names of decisions get. With this and the number of
/// known articles, the memory is bounded.
pub const MAX_TITLE: usize = 512;

/// Where browsers look for the name of the charset, in bytes.
const CHARSET_WITHIN: usize = 1024;

/// The title of a page, if it has one: in one line, in NFC, without characters that hide or reorder text, and of at most
/// [`MAX_TITLE`] bytes. `charset` is the one that the `Content-Type` names.
#[must_use]
pub fn title(body: &[u8], charset: Option<&str>) -> Option<String> {
    let html = decode(body, charset);
    let (mut title, mut social) = (None, None);
    let mut tokens = tokens(&html);
    while let Some(token) = tokens.next() {
        match token {
            Token::StartTag(tag) => match &**tag.name {
                b"title" if title.is_none() => title = plain(&text(&mut tokens)),
                b"meta" if social.is_none() && is_social_title(&tag) => social = attribute(&tag, "content").and_then(|text| plain(&text)),
                // Titles in the body are those of pictures.
                b"body" | b"svg" => break,
                _ => {}
            },
            Token::EndTag(tag) if &**tag.name == b"head" => break,
            _ => {}
        }
    }
    social.or(title)
}

/// The tokens of a page. What scripts and styles contain is text.
fn tokens(html: &str) -> impl Iterator<Item = Token> + '_ {
    let mut emitter: DefaultEmitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    Tokenizer::new_with_emitter(html, emitter).map_while(Result::ok)
}

/// The text up to the next end tag.
fn text(tokens: &mut impl Iterator<Item = Token>) -> String {
    let mut text = String::new();
    for token in tokens {
        match token {
            Token::String(part) => text += &String::from_utf8_lossy(&part),
            Token::EndTag(_) => break,
            _ => {}
        }
    }
    text
}

fn attribute<'a>(tag: &'a StartTag<()>, name: &str) -> Option<Cow<'a, str>> {
    tag.attributes.get(name.as_bytes()).map(|value| String::from_utf8_lossy(value))
}

/// Many pages have `name` in place of `property`.
fn is_social_title(tag: &StartTag<()>) -> bool {
    ["property", "name"].iter().any(|name| attribute(tag, name).is_some_and(|value| value.trim().eq_ignore_ascii_case("og:title")))
}

/// Text in one line, if something of it can be seen.
fn plain(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut is_space = false;
    for c in text.nfc() {
        if c.is_whitespace() || c.is_control() {
            is_space = true;
        } else if !is_hidden(c) {
            let space = if is_space && !plain.is_empty() { " " } else { "" };
            if plain.len() + space.len() + c.len_utf8() + '…'.len_utf8() > MAX_TITLE {
                plain.push('…');
                break;
            }
            plain += space;
            plain.push(c);
            is_space = false;
        }
    }
    (!plain.is_empty()).then_some(plain)
}

/// The text of a body that can be cut off: UTF-8, if it is that; otherwise as its first bytes, the header or the page say.
fn decode<'a>(body: &'a [u8], charset: Option<&str>) -> Cow<'a, str> {
    match str::from_utf8(body) {
        Ok(text) => text.into(),
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(&body[..error.valid_up_to()]),
        Err(_) => {
            let marked = Encoding::for_bom(body).map(|(encoding, _)| encoding);
            let named = || charset.and_then(|label| Encoding::for_label(label.as_bytes()));
            marked.or_else(named).or_else(|| named_within(body)).unwrap_or(UTF_8).decode(body).0
        }
    }
}

/// The charset that a page names itself.
fn named_within(body: &[u8]) -> Option<&'static Encoding> {
    let start = String::from_utf8_lossy(&body[..body.len().min(CHARSET_WITHIN)]);
    tokens(&start).find_map(|token| match token {
        Token::StartTag(tag) if &**tag.name == b"meta" => {
            let content = attribute(&tag, "content");
            let label = attribute(&tag, "charset").or_else(|| content.as_deref().and_then(charset_of).map(Cow::Borrowed))?;
            Encoding::for_label(label.as_bytes())
        }
        _ => None,
    })
}

/// The charset in a `Content-Type`.
#[must_use]
pub fn charset_of(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
    })
}
