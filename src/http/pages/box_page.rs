//! `GET /v1/sites/{site}/box`: the box as a page of its own, for an `<iframe>` on a page without JavaScript.
//!
//! It has the markup that `counter.js` makes, and the same style sheet. Its heading is the first of the page, so its level is 1.

use hyper::{
    Response,
    header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue},
};

use super::{
    labels::{Language, capitalise},
    shown::{self, Shown, read_digits},
};
use crate::{
    audience::Estimate,
    domain::{
        figures::{Figure, Figures},
        site::Site,
    },
    http::{
        request::{Query, SiteRequest},
        response::{Body, Caching, Problem, content, embeddable, framed_by},
    },
};

/// The least digits of the total, if the query sets no others.
const DIGITS: usize = 11;

/// The longest label that a query can set, in characters.
const MAX_LABEL: usize = 64;

/// What the query sets.
struct Look {
    language: Language,
    scheme: &'static str,
    /// Whether the figures are of visits.
    of_visits: bool,
    /// Whether the heading is for screen readers only.
    bare: bool,
    /// The rows in their order, each with its label as HTML.
    rows: Vec<(Shown, String)>,
    /// What screen readers say of the total above the rows, as HTML, and its least digits; nothing if there is no such total.
    total: Option<(String, usize)>,
}

/// The numbers; those that are not known are shown as dashes.
struct Numbers {
    figures: Option<Figures>,
    visitors: Option<Estimate>,
}

pub(in crate::http) async fn respond(request: SiteRequest<'_>) -> Result<Response<Body>, Problem> {
    let look = Look::of(&Query::of(&request.head.uri)?)?;
    let shows_visitors = look.rows.iter().any(|(shown, _)| matches!(shown, Shown::Online | Shown::VisitorsToday));
    let visitors = if shows_visitors { shown::visitors(&request)? } else { None };
    let known = request.handle.figures(request.counter, &[]).await;
    let is_known = !known.stale && (visitors.is_some() || !shows_visitors);
    let caching = if is_known { Caching::Second } else { Caching::Never };
    let mut response = content(
        "text/html; charset=utf-8",
        caching,
        page(&look, &Numbers { figures: if look.of_visits { known.visits } else { known.site }, visitors }),
    );
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, framed_by(request.site, "'none'"));
    // A page that requires this of what it embeds requires it of frames too.
    headers.insert(HeaderName::from_static("cross-origin-embedder-policy"), HeaderValue::from_static("require-corp"));
    Ok(embeddable(response))
}

impl Look {
    fn of(query: &Query<'_>) -> Result<Self, Problem> {
        let language = Language::of(query)?;
        let rows = rows(query)?;
        let digits = query.once("digits")?.map(read_digits).transpose()?;
        let has_total = digits.is_some() || !rows.contains(&Shown::Count(Figure::Total));
        let of_visits = of_visits(query)?;
        let said = if of_visits { ("Tổng số lượt truy cập", "Total visits") } else { ("Tổng số lượt xem", "Total views") };
        let said = label(query, Shown::Count(Figure::Total), language.choose(said.0, said.1))?;
        let labelled = rows.into_iter().map(|shown| Ok((shown, label(query, shown, &capitalise(shown.label(language)))?)));
        Ok(Self {
            language,
            scheme: color_scheme(query)?,
            of_visits,
            bare: bare(query)?,
            rows: labelled.collect::<Result<_, Problem>>()?,
            total: has_total.then_some((said, digits.unwrap_or(DIGITS))),
        })
    }
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

/// Whether `of` asks for visits instead of views.
fn of_visits(query: &Query<'_>) -> Result<bool, Problem> {
    match query.once("of")? {
        None | Some("views") => Ok(false),
        Some("visits") => Ok(true),
        Some(_) => Err(Problem::bad_request("of is not one of views, visits")),
    }
}

/// Whether the heading is hidden. `bare=false` could mean the opposite of what it says, so a value is refused.
fn bare(query: &Query<'_>) -> Result<bool, Problem> {
    match query.once("bare")? {
        None => Ok(false),
        Some("") => Ok(true),
        Some(_) => Err(Problem::bad_request("bare has no value: write bare, or leave it out")),
    }
}

/// The rows that the query names, between spaces or commas; the eight periods by default.
fn rows(query: &Query<'_>) -> Result<Vec<Shown>, Problem> {
    let Some(given) = query.once("rows")? else {
        return Ok(Figure::ALL.into_iter().filter(|figure| *figure != Figure::Total).map(Shown::Count).collect());
    };
    let mut rows = Vec::new();
    for name in given.split([' ', ',']).filter(|name| !name.is_empty()) {
        let shown = Shown::read(name, "a name in rows")?;
        if rows.contains(&shown) {
            return Err(Problem::bad_request(format!("rows has {name} more than once")));
        }
        rows.push(shown);
    }
    Ok(rows)
}

/// The label that the query sets with `label_<name>`, as HTML; another one if it sets none or an empty one.
fn label(query: &Query<'_>, shown: Shown, otherwise: &str) -> Result<String, Problem> {
    let name = format!("label_{}", shown.name());
    let Some(given) = query.once(&name)?.filter(|given| !given.is_empty()) else {
        return Ok(otherwise.to_owned());
    };
    if given.chars().count() > MAX_LABEL || given.chars().any(char::is_control) {
        return Err(Problem::bad_request(format!("{name} is not a text of up to {MAX_LABEL} characters without control characters")));
    }
    // SECURITY: text of the request on a page. It must stay text.
    Ok(given.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"))
}

/// The whole page. URLs are relative, because a proxy can serve it under another path.
fn page(look: &Look, numbers: &Numbers) -> String {
    let Look { language, scheme, .. } = look;
    let code = language.code();
    let heading = language.choose("Thống kê truy cập", "Visitor statistics");
    let hidden = if look.bare { " class=\"truycap-said\"" } else { "" };
    let total = look.total.as_ref().map(|(what, digits)| total(*language, what, *digits, numbers)).unwrap_or_default();
    let rows: String = look.rows.iter().map(|(shown, label)| row(*language, *shown, label, numbers)).collect();
    let rows = if rows.is_empty() { rows } else { format!("<dl>\n{rows}</dl>\n") };
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
<h2{hidden} aria-level="1">{heading}</h2>
{total}{rows}</section>
</main>
</body>
</html>
"#
    )
}

/// The total above the rows: as text for screen readers, and as single digits.
fn total(language: Language, what: &str, digits: usize, numbers: &Numbers) -> String {
    let (said, cells) = match &numbers.figures {
        None => (language.choose("Chưa có số liệu", "No figures yet").to_owned(), "<i>–</i>".repeat(digits)),
        Some(figures) => {
            let total = figures[Figure::Total];
            let own = total.to_string();
            let zeros = "<i>0</i>".repeat(digits.saturating_sub(own.len()));
            let cells = own.chars().fold(zeros, |cells, digit| format!("{cells}<b>{digit}</b>"));
            (format!("{what}: {}", language.number(total)), cells)
        }
    };
    format!(
        r#"<p class="truycap-total"><span class="truycap-said">{said}</span><span class="truycap-digits" aria-hidden="true">{cells}</span></p>
"#
    )
}

fn row(language: Language, shown: Shown, label: &str, numbers: &Numbers) -> String {
    let count = match shown {
        Shown::Count(figure) => numbers.figures.as_ref().map(|figures| figures[figure]),
        Shown::Online => numbers.visitors.as_ref().map(|visitors| visitors.online),
        Shown::VisitorsToday => numbers.visitors.as_ref().map(|visitors| visitors.visitors_today),
    };
    let count = count.map_or_else(|| "–".to_owned(), |count| language.number(count));
    format!("<div><dt>{label}</dt><dd>{count}</dd></div>\n")
}
