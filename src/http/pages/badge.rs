//! `GET /v1/sites/{site}/badge.svg`: one figure as a picture, for pages that cannot show more.
//!
//! SECURITY: the picture holds only numbers and fixed words, nothing of the request, so nothing can become markup.
//!
//! Each digit has its own position: the picture has the same width in every font, and needs no style, which a policy could
//! forbid.

use std::fmt::Write;

use hyper::{
    Response,
    header::{CONTENT_SECURITY_POLICY, HeaderValue},
};

use super::labels::Language;
use crate::{
    domain::figures::Figure,
    http::{
        request::{Query, SiteRequest},
        response::{Body, Caching, Problem, content},
    },
};

/// The most digits that a picture is padded to: a count has 16.
const MAX_DIGITS: usize = 20;

/// Sizes in CSS pixels, for a font size of 14.
const HEIGHT: usize = 20;
const MARGIN: usize = 6;
const DIGIT: usize = 9;
const SEPARATOR: usize = 5;

pub(in crate::http) async fn respond(request: SiteRequest<'_>) -> Result<Response<Body>, Problem> {
    let query = Query::of(&request.head.uri)?;
    let language = Language::of(&query)?;
    let figure = query.once("figure")?.map_or(Ok(Figure::Total), read_figure)?;
    let digits = query.once("digits")?.map(read_digits).transpose()?;
    let article = query.article()?;
    let known = request.handle.figures(request.counter, article.as_slice()).await;
    let figures = if article.is_some() { known.articles.first().map(|(_, figures)| *figures) } else { known.site };
    let count = figures.map(|figures| figures[figure]);
    let caching = if known.stale || count.is_none() { Caching::Never } else { Caching::Second };
    let title = title(language, figure, article.is_some(), count);
    let mut response = content("image/svg+xml", caching, picture(language, &title, count, digits));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    Ok(response)
}

fn read_figure(name: &str) -> Result<Figure, Problem> {
    let names = || Figure::ALL.map(Figure::name).join(", ");
    Figure::from_name(name).ok_or_else(|| Problem::bad_request(format!("figure is not one of {}", names())))
}

fn read_digits(text: &str) -> Result<usize, Problem> {
    let digits = text.parse().ok().filter(|digits| (1..=MAX_DIGITS).contains(digits));
    digits.ok_or_else(|| Problem::bad_request(format!("digits is not a whole number from 1 to {MAX_DIGITS}")))
}

/// The text for screen readers.
fn title(language: Language, figure: Figure, of_article: bool, count: Option<u64>) -> String {
    let views = if of_article { language.choose("Lượt xem", "Views") } else { language.choose("Lượt truy cập", "Site views") };
    let period = language.period(figure);
    let space = if period.is_empty() { "" } else { " " };
    let count = count.map_or_else(|| language.choose("chưa có số liệu", "not known yet").to_owned(), |count| language.number(count));
    format!("{views}{space}{period}: {count}")
}

fn picture(language: Language, title: &str, count: Option<u64>, digits: Option<usize>) -> String {
    let text = match (count, digits) {
        (Some(count), None) => language.number(count),
        (Some(count), Some(digits)) => format!("{count:0digits$}"),
        // As wide as the number will be, if that is known.
        (None, digits) => "–".repeat(digits.unwrap_or(1)),
    };
    let zeros = count.zip(digits).map_or(0, |(count, digits)| digits.saturating_sub(count.to_string().len()));
    let mut width = MARGIN;
    let mut places = String::new();
    for c in text.chars() {
        let advance = if matches!(c, '.' | ',') { SEPARATOR } else { DIGIT };
        // In half pixels, so that the middle of each is exact.
        let middle = 2 * width + advance;
        let _ = write!(places, "{}.{} ", middle / 2, middle % 2 * 5);
        width += advance;
    }
    width += MARGIN;
    let places = places.trim_end();
    let (code, (pale, bright)) = (language.code(), text.split_at(zeros));
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" xml:lang="{code}" width="{width}" height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}" role="img" aria-labelledby="t"><title id="t">{title}</title><rect width="{width}" height="{HEIGHT}" rx="4" fill="#123f6d"/><text x="{places}" y="15" fill="#fff" font-family="system-ui, Segoe UI, Roboto, Noto Sans, Arial, sans-serif" font-size="14" font-weight="600" text-anchor="middle"><tspan fill="#9db5cd">{pale}</tspan>{bright}</text></svg>
"##
    )
}
