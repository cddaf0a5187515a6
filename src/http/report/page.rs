//! The report as a page.

use std::time::Duration;

use crate::{http::pages::labels::Language, report::Report};

/// What the page shows beside the report.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The language of the page.
    pub language: Language,
    /// The name of the portal: the host of its first origin, or the site's id.
    pub name: &'a str,
    /// The origin of the portal's pages, to which articles link; `None` if there is none with one host.
    pub origin: Option<&'a str>,
    /// The token of the request, which links and forms keep.
    pub token: Option<&'a str>,
    /// How long a reader counts once per article; zero if each view counts.
    pub repeat_window: Duration,
}

/// The page, as HTML.
#[must_use]
pub fn render(report: &Report, view: &View<'_>) -> String {
    let views = view.language.number(report.counts.views);
    format!("<!DOCTYPE html>\n<html lang=\"{}\">\n<title>{}</title>\n<p>{views}</p>\n", view.language.code(), report.site)
}
