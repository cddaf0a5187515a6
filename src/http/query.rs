//! The parameters of a request's target.

use std::borrow::Cow;

use hyper::Uri;
use percent_encoding::percent_decode_str;

use super::respond::Problem;
use crate::domain::article::ArticleId;

/// The parameters of a query, decoded, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Reads a query as forms write them: `+` is a space, the rest is percent-encoded UTF-8.
    pub(super) fn of(uri: &'a Uri) -> Result<Self, Problem> {
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((form_decode(name)?, form_decode(value)?))
        });
        let decoded: Option<_> = decoded.collect();
        decoded.map(Self).ok_or_else(|| Problem::bad_request("the query is not percent-encoded UTF-8"))
    }

    /// Every value of a parameter.
    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| &**value)
    }

    /// The value of a parameter that may stand once.
    pub(super) fn once(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Problem::bad_request(format!("the parameter {name} stands more than once"))),
        }
    }

    /// The value of a parameter that must stand once; `expected` says what it is.
    pub(super) fn required(&self, name: &str, expected: &str) -> Result<&str, Problem> {
        self.once(name)?.ok_or_else(|| Problem::bad_request(format!("the parameter {name} is missing: {expected}")))
    }

    /// The article, where there is one.
    pub(super) fn article(&self) -> Result<Option<ArticleId>, Problem> {
        self.once("article")?.map(article_id).transpose()
    }

    /// Up to `most` articles, each once, in the order asked for.
    pub(super) fn articles(&self, most: usize) -> Result<Vec<ArticleId>, Problem> {
        if self.all("article").count() > most {
            return Err(Problem::bad_request(format!("more than {most} articles are asked for")));
        }
        let mut articles = Vec::new();
        for text in self.all("article") {
            let article = article_id(text)?;
            if !articles.contains(&article) {
                articles.push(article);
            }
        }
        Ok(articles)
    }
}

/// Reads an article's id.
pub(super) fn article_id(text: &str) -> Result<ArticleId, Problem> {
    ArticleId::parse(text).map_err(|error| Problem::bad_request(error.to_string()))
}

/// Decodes one segment of a path or one part of a query; `None` where it is not percent-encoded UTF-8.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    // The decoder takes a `%` that encodes nothing for itself; a client that sends one has forgotten to encode.
    let escapes_ok = text.split('%').skip(1).all(|rest| rest.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)));
    escapes_ok.then(|| percent_decode_str(text).decode_utf8().ok()).flatten()
}

fn form_decode(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') {
        // `%20` and not a space, so that the decoder sees what the client meant; it is as long as it is short-lived.
        return decode(&text.replace('+', "%20")).map(|decoded| Cow::Owned(decoded.into_owned()));
    }
    decode(text)
}
