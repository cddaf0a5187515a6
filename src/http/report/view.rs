//! What a page shows beside its report, and text of others on it.

use std::{borrow::Cow, time::Duration};

use crate::{domain::visible::visible, http::pages::labels::Language};

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

/// Text of others as HTML, on one line and without characters that hide what is around them.
///
/// SECURITY: ids, titles and a token are text of clients and of the portal. They must stay text, also within attributes.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    let text = visible(text);
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text;
    }
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;").into()
}
