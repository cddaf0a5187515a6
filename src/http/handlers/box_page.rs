//! `GET /v1/sites/{site}/box`: the box as a page of its own, for an `<iframe>` on a page without JavaScript.
//!
//! It has the markup that `counter.js` makes, and the same style sheet.

use hyper::{
    Response,
    header::{CONTENT_SECURITY_POLICY, HeaderValue},
};

use super::Call;
use crate::{
    domain::{
        figures::{Figure, Figures},
        site::Site,
    },
    http::{
        language::Language,
        query::Query,
        respond::{Body, Caching, Problem, content},
    },
};

/// How many digits the total has at least.
const DIGITS: usize = 11;

pub(in crate::http) async fn answer(call: Call<'_>) -> Result<Response<Body>, Problem> {
    let language = Language::of(&Query::of(&call.head.uri)?)?;
    let answer = call.handle.figures(call.counter, &[]).await;
    let caching = if answer.stale { Caching::Never } else { Caching::Second };
    let mut response = content("text/html; charset=utf-8", caching, page(language, answer.site.as_ref()));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy(call.site));
    Ok(response)
}

/// Nothing but the style sheets; and only pages that may read the figures may show them in a frame.
fn policy(site: &Site) -> HeaderValue {
    let mut policy = String::from("default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'");
    // A policy has no form for an address of IPv6, and browsers complain about one.
    for origin in site.origins.iter().filter(|origin| !origin.as_str().contains('[')) {
        policy = policy + " " + origin.as_str();
    }
    // An origin holds nothing that a header may not. Were it otherwise, the page would be shown nowhere.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
}

/// The whole page, with dashes where the figures are not known. Addresses are relative: a proxy may have put the service
/// under a path of its own.
fn page(language: Language, figures: Option<&Figures>) -> String {
    let code = language.code();
    let heading = language.choose("Thống kê truy cập", "Visitor statistics");
    let (said, digits) = total(language, figures);
    let rows: String =
        Figure::ALL.into_iter().filter(|figure| *figure != Figure::Total).map(|figure| row(language, figure, figures)).collect();
    format!(
        r#"<!DOCTYPE html>
<html lang="{code}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>{heading}</title>
<link rel="stylesheet" href="../../../widget.css">
<link rel="stylesheet" href="../../../box.css">
</head>
<body>
<section class="truycap-box">
<h2>{heading}</h2>
<p class="truycap-total"><span class="truycap-said">{said}</span><span class="truycap-digits" aria-hidden="true">{digits}</span></p>
<dl>
{rows}</dl>
</section>
</body>
</html>
"#
    )
}

/// All views, in words for those who listen and in single digits for those who look.
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

fn row(language: Language, figure: Figure, figures: Option<&Figures>) -> String {
    // All of these words begin with a letter of ASCII.
    let (first, rest) = language.period(figure).split_at(1);
    let count = figures.map_or_else(|| "–".to_owned(), |figures| language.number(figures[figure]));
    format!("<div><dt>{}{rest}</dt><dd>{count}</dd></div>\n", first.to_ascii_uppercase())
}
