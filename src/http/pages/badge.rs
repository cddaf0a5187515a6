//! `GET /v1/sites/{site}/badge.svg`: one figure as a picture, for pages that cannot show more.
//!
//! SECURITY: the picture holds only numbers and fixed words, nothing of the request, so nothing can become markup.
//!
//! Each digit has its own position: the picture has the same width in every font, and needs no style, which a policy could
//! forbid.

use std::{fmt::Write, slice};

use hyper::{
    Response,
    header::{CONTENT_SECURITY_POLICY, HeaderValue},
};

use super::{
    labels::Language,
    shown::{self, Shown, read_digits},
};
use crate::{
    audience::Estimate,
    domain::{article::ArticleId, figures::Figure},
    http::{
        request::{Query, SiteRequest},
        response::{Body, Caching, Problem, content, embeddable},
    },
};

/// Sizes in CSS pixels, for a font size of 14.
const HEIGHT: usize = 20;
const MARGIN: usize = 6;
const DIGIT: usize = 9;
const SEPARATOR: usize = 5;

pub(in crate::http) async fn respond(request: SiteRequest<'_>) -> Result<Response<Body>, Problem> {
    let query = Query::of(&request.head.uri)?;
    let language = Language::of(&query)?;
    let shown = query.once("figure")?.map_or(Ok(Shown::Count(Figure::Total)), |name| Shown::read(name, "figure"))?;
    let digits = query.once("digits")?.map(read_digits).transpose()?;
    let article = query.article()?;
    let (count, stale) = match shown {
        Shown::Count(figure) => views(&request, figure, article.as_ref()).await,
        Shown::Online => (visitors(&request, article.as_ref())?.map(|estimate| estimate.online), false),
        Shown::VisitorsToday => (visitors(&request, article.as_ref())?.map(|estimate| estimate.visitors_today), false),
    };
    let caching = if stale || count.is_none() { Caching::Never } else { Caching::Second };
    let title = title(language, shown, article.is_some(), count);
    let mut response = content("image/svg+xml", caching, picture(language, &title, count, digits));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    Ok(embeddable(response))
}

/// A figure of the site or of an article, if it is known; and whether it is stale.
async fn views(request: &SiteRequest<'_>, figure: Figure, article: Option<&ArticleId>) -> (Option<u64>, bool) {
    let known = request.handle.figures(request.counter, article.map(slice::from_ref).unwrap_or_default()).await;
    let figures = if article.is_some() { known.articles.first().map(|(_, figures)| *figures) } else { known.site };
    (figures.map(|figures| figures[figure]), known.stale)
}

/// The estimate of the site's visitors, if it is known.
fn visitors(request: &SiteRequest<'_>, article: Option<&ArticleId>) -> Result<Option<Estimate>, Problem> {
    if article.is_some() {
        return Err(Problem::bad_request("visitors are of the whole site: leave out article"));
    }
    shown::visitors(request)
}

/// The text for screen readers.
fn title(language: Language, shown: Shown, of_article: bool, count: Option<u64>) -> String {
    let (what, period) = match shown {
        Shown::Count(figure) if of_article => (language.choose("Lượt xem", "Views"), language.period(figure)),
        Shown::Count(figure) => (language.choose("Lượt xem cả cổng", "Site views"), language.period(figure)),
        Shown::Online => (language.choose("Đang truy cập", "Online now"), ""),
        Shown::VisitorsToday => (language.choose("Khách truy cập", "Visitors"), language.period(Figure::Today)),
    };
    let space = if period.is_empty() { "" } else { " " };
    let count = count.map_or_else(|| language.choose("chưa có số liệu", "not known yet").to_owned(), |count| language.number(count));
    format!("{what}{space}{period}: {count}")
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
