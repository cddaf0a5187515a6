//! `GET /v1/sites/{site}/box`: the box as a page of its own, for an `<iframe>` on a page without JavaScript.
//!
//! It has the markup that `counter.js` makes, and the same style sheet. Its heading is the first of the page, so its level is 1.

use hyper::{
    Response,
    header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue},
};

use super::labels::{Language, capitalise};
use crate::{
    domain::{
        figures::{Figure, Figures},
        site::Site,
    },
    http::{
        request::{Query, SiteRequest},
        response::{Body, Caching, Problem, content, embeddable, framed_by},
    },
};

/// The least digits of the total.
const DIGITS: usize = 11;

/// The longest label that a query can set, in characters.
const MAX_LABEL: usize = 64;

pub(in crate::http) async fn respond(request: SiteRequest<'_>) -> Result<Response<Body>, Problem> {
    let query = Query::of(&request.head.uri)?;
    let language = Language::of(&query)?;
    let scheme = color_scheme(&query)?;
    let labels = labels(language, &query)?;
    let figures = request.handle.figures(request.counter, &[]).await;
    let caching = if figures.stale { Caching::Never } else { Caching::Second };
    let mut response = content("text/html; charset=utf-8", caching, page(language, scheme, &labels, figures.site.as_ref()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, framed_by(request.site, "'none'"));
    // A page that requires this of what it embeds requires it of frames too.
    headers.insert(HeaderName::from_static("cross-origin-embedder-policy"), HeaderValue::from_static("require-corp"));
    Ok(embeddable(response))
}

/// How long the header is that names the site's origins.
#[must_use]
pub fn box_policy_bytes(site: &Site) -> usize {
    framed_by(site, "'none'").len()
}

/// The colour schemes that the page supports. Light only by default: a frame does not know whether the page around it is dark, only
/// what the reader's system prefers.
fn color_scheme(query: &Query<'_>) -> Result<&'static str, Problem> {
    match query.once("theme")? {
        None | Some("light") => Ok("light"),
        Some("dark") => Ok("dark"),
        Some("auto") => Ok("light dark"),
        Some(_) => Err(Problem::bad_request("theme is not one of light, dark, auto")),
    }
}

/// The whole page, with dashes if the figures are not known. URLs are relative, because a proxy can serve it under another
/// path.
fn page(language: Language, scheme: &str, labels: &[(Figure, String)], figures: Option<&Figures>) -> String {
    let code = language.code();
    let heading = language.choose("Thống kê truy cập", "Visitor statistics");
    let (said, digits) = total(language, figures);
    let rows: String = labels.iter().map(|(figure, label)| row(language, *figure, label, figures)).collect();
    format!(
        r#"<!DOCTYPE html>
<html lang="{code}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="{scheme}">
<meta name="robots" content="noindex">
<title>{heading}</title>
<link rel="stylesheet" href="../../../widget.css">
<link rel="stylesheet" href="../../../box.css">
</head>
<body>
<main>
<section class="truycap-box">
<h2 aria-level="1">{heading}</h2>
<p class="truycap-total"><span class="truycap-said">{said}</span><span class="truycap-digits" aria-hidden="true">{digits}</span></p>
<dl>
{rows}</dl>
</section>
</main>
</body>
</html>
"#
    )
}

/// The total: as text for screen readers, and as single digits.
fn total(language: Language, figures: Option<&Figures>) -> (String, String) {
    let Some(figures) = figures else {
        return (language.choose("Chưa có số liệu", "No figures yet").to_owned(), "<i>–</i>".repeat(DIGITS));
    };
    let total = figures[Figure::Total];
    let said = format!("{} {}", language.choose("Tổng số lượt truy cập:", "Total views:"), language.number(total));
    let digits = total.to_string();
    let zeros = "<i>0</i>".repeat(DIGITS.saturating_sub(digits.len()));
    (said, digits.chars().fold(zeros, |cells, digit| format!("{cells}<b>{digit}</b>")))
}

fn row(language: Language, figure: Figure, label: &str, figures: Option<&Figures>) -> String {
    let count = figures.map_or_else(|| "–".to_owned(), |figures| language.number(figures[figure]));
    format!("<div><dt>{label}</dt><dd>{count}</dd></div>\n")
}

/// The rows in their order, each with its label as HTML.
fn labels(language: Language, query: &Query<'_>) -> Result<Vec<(Figure, String)>, Problem> {
    let rows = Figure::ALL.into_iter().filter(|figure| *figure != Figure::Total);
    rows.map(|figure| Ok((figure, label(language, query, figure)?))).collect()
}

/// The label that the query sets with `label_<figure>`; the language's own if it sets none or an empty one.
fn label(language: Language, query: &Query<'_>, figure: Figure) -> Result<String, Problem> {
    let name = format!("label_{}", figure.name());
    let Some(given) = query.once(&name)?.filter(|given| !given.is_empty()) else {
        return Ok(capitalise(language.period(figure)));
    };
    if given.chars().count() > MAX_LABEL || given.chars().any(char::is_control) {
        return Err(Problem::bad_request(format!("{name} is not a text of up to {MAX_LABEL} characters without control characters")));
    }
    // SECURITY: text of the request on a page. It must stay text.
    Ok(given.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"))
}
