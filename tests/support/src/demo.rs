//! The demo portal of a service.

use crate::process::{Place, Service};

/// An article of the demo.
pub const ARTICLE: &str = "/tin/hoi-dua-thuyen-song-mau";

/// A service that has already read the figures of that article.
pub fn service(place: &Place) -> Service {
    let service = place.start();
    service.knows(&[ARTICLE]);
    service
}

impl Service {
    /// Waits until it has read the figures of these articles, at most 50, whose ids are written as in addresses. A page is
    /// filled only once, and on a busy machine the answer to it can lack figures for which the store was too slow.
    pub fn knows(&self, articles: &[impl AsRef<str>]) {
        self.answer("portal", &articles.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    }

    /// The URL of the demo's article.
    pub fn article_page(&self) -> String {
        format!("{}{ARTICLE}", self.origin())
    }

    /// The origin of its pages.
    pub fn origin(&self) -> String {
        format!("http://{}", self.public)
    }

    /// The script element that a portal embeds, with additional attributes.
    pub fn tag(&self, more: &str) -> String {
        format!("<script async src='{}/counter.js' data-site=portal {more}></script>", self.origin())
    }
}
